//! Images as PNG with a palette, which kitty's and iTerm2's protocols take.

use std::io;

use super::palette::Indexed;

/// The file.
pub fn encode(image: &Indexed) -> io::Result<Vec<u8>> {
    /// Beyond, a few percent cost twice the time.
    const LEVEL: u8 = 4;
    let mut file = Vec::new();
    let mut encoder = png::Encoder::new(&mut file, image.width as u32, image.height as u32);
    encoder.set_color(png::ColorType::Indexed);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.set_palette(image.palette.iter().flat_map(|colour| [colour[0], colour[1], colour[2]]).collect::<Vec<u8>>());
    encoder.set_trns(image.palette.iter().map(|colour| colour[3]).collect::<Vec<u8>>());
    encoder.set_filter(png::Filter::NoFilter);
    encoder.set_deflate_compression(png::DeflateCompression::Level(LEVEL));
    let mut writer = encoder.write_header()?;
    writer.write_image_data(&image.pixels)?;
    writer.finish()?;
    Ok(file)
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::canvas::Image;
    use super::*;

    /// An image of few colours, some of them transparent.
    pub fn example(width: usize, height: usize) -> Image {
        let colour = |index: usize| [[255, 0, 0, 255], [0; 4], [0, 128, 255, 120]][index * index % 7 % 3];
        Image { width, height, pixels: (0..width * height).flat_map(colour).collect() }
    }

    /// The pixels of a file.
    pub fn decoded(file: &[u8]) -> Image {
        let mut decoder = png::Decoder::new(io::Cursor::new(file));
        decoder.set_transformations(png::Transformations::EXPAND);
        let mut reader = decoder.read_info().unwrap();
        let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
        let info = reader.next_frame(&mut pixels).unwrap();
        Image { width: info.width as usize, height: info.height as usize, pixels }
    }

    #[test]
    fn an_image_can_be_decoded() {
        let image = example(40, 30);
        assert_eq!(decoded(&encode(&Indexed::of(&image)).unwrap()), image);
    }
}
