//! Cells as PNG, drawn with a font of the program's own, since no other program draws them.

use ab_glyph::FontRef;
use anyhow::{Context, Result};
use ratatui::buffer::Buffer;

use super::cells::{CellRun, runs};
use super::palette::ScreenColours;
use super::raster::{Pen, Raster};
use super::shapes::{CELL, shapes};
use super::svg::{MARGIN, size};

/// DejaVu Sans Mono, reduced to the characters of European languages and the symbols of the screens: 89 KB. See `font/LICENSE`.
const FONT: &[u8] = include_bytes!("font/DejaVuSansMono.ttf");

/// A PNG file of a buffer.
///
/// # Errors
/// The image cannot be encoded, as one of no size.
pub fn encode(buffer: &Buffer, palette: ScreenColours) -> Result<Vec<u8>> {
    let font = FontRef::try_from_slice(FONT).context("cannot read the font")?;
    let (width, height) = size(buffer);
    let mut raster = Raster::new(width, height, palette.background);
    runs(buffer, palette).iter().for_each(|run| draw(run, &font, &mut raster));
    let mut file = Vec::new();
    let mut encoder = ::png::Encoder::new(&mut file, u32::try_from(raster.width)?, u32::try_from(raster.height)?);
    encoder.set_color(::png::ColorType::Rgb);
    encoder.set_depth(::png::BitDepth::Eight);
    encoder.set_compression(::png::Compression::Fast);
    let mut writer = encoder.write_header().context("cannot encode the picture")?;
    writer.write_image_data(&raster.pixels).context("cannot encode the picture")?;
    writer.finish().context("cannot encode the picture")?;
    Ok(file)
}

fn draw(run: &CellRun, font: &FontRef, raster: &mut Raster) {
    let y = (MARGIN + u32::from(run.row) * CELL.1) as f32;
    let left = (MARGIN + u32::from(run.column) * CELL.0) as f32;
    let right = left + (u32::from(run.cells()) * CELL.0) as f32;
    if let Some(background) = run.style.background {
        raster.block([left, y, right, y + CELL.1 as f32], 1.0, background);
    }
    let mut x = left;
    for (symbol, cells) in &run.symbols {
        let (width, pen) = ((u32::from(*cells) * CELL.0) as f32, Pen { x, y, color: run.style.color });
        let mut chars = symbol.chars();
        let lone = chars.next().filter(|_| chars.next().is_none());
        match lone.and_then(|c| shapes(c, width)) {
            Some(shapes) => shapes.into_iter().for_each(|shape| raster.shape(shape, pen)),
            None => raster.text(font, symbol, width, pen, run.style.bold),
        }
        x += width;
    }
    if run.style.underlined {
        raster.block([left, y + 13.5, right, y + 14.5], 1.0, run.style.color);
    }
}

#[cfg(test)]
mod tests {
    use ratatui::layout::Rect;
    use ratatui::style::{Color, Style};

    use super::*;

    fn decoded(file: &[u8]) -> (u32, u32, Vec<u8>) {
        let mut reader = ::png::Decoder::new(std::io::Cursor::new(file)).read_info().unwrap();
        let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
        let info = reader.next_frame(&mut pixels).unwrap();
        (info.width, info.height, pixels)
    }

    #[test]
    fn the_picture_has_two_pixels_for_each_unit_and_shapes_join() {
        let mut buffer = Buffer::empty(Rect::new(0, 0, 10, 2));
        let style = Style::new().fg(Color::Rgb(255, 0, 0));
        buffer.set_string(0, 0, "██──╮A標\u{1f600}", style);
        buffer.set_string(4, 1, "│", style);
        let (width, height, pixels) = decoded(&encode(&buffer, ScreenColours::DARK).unwrap());
        assert_eq!((width, height), (2 * (10 * 8 + 24), 2 * (2 * 16 + 24)));
        let at = |x: u32, y: u32| {
            let first = 3 * (y * width + x) as usize;
            [pixels[first], pixels[first + 1], pixels[first + 2]]
        };
        let red = [255, 0, 0];
        assert_eq!([at(0, 0), at(24, 24), at(55, 55), at(24, 56)], [[26, 27, 38], red, red, [26, 27, 38]]);
        // The line continues from cell to cell, and turns down into the next row.
        assert!((56..88).all(|x| at(x, 40) == red), "a gap in the line");
        let middle = 24 + 4 * 16 + 8;
        assert!((52..88).all(|y| (middle - 2..middle + 2).any(|x| at(x, y)[0] > 150)), "a gap in the turn");
        // A letter, and frames for what the font lacks.
        for cell in [5, 6, 8] {
            let left = 24 + cell * 16;
            assert!((left..left + 16).any(|x| (24..56).any(|y| at(x, y) == red)), "nothing in cell {cell}");
        }
    }

    #[test]
    fn an_empty_screen_is_its_margin() {
        let (width, height, _) = decoded(&encode(&Buffer::empty(Rect::ZERO), ScreenColours::LIGHT).unwrap());
        assert_eq!((width, height), (48, 48));
    }
}
