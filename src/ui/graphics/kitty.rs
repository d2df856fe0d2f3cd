//! Kitty's graphics protocol: PNG in chunks. The image lies below the text of its cells.
//! <https://sw.kovidgoyal.net/kitty/graphics-protocol/>

use std::fmt::Write;
use std::io;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use ratatui::layout::Rect;

use super::palette::Indexed;
use super::png;

/// Deletes all images on the screen, with their pixels.
pub const DELETE_ALL: &str = "\x1b_Ga=d,d=A,q=2\x1b\\";

/// The most bytes of payload in one sequence.
const CHUNK: usize = 4096;

/// Sends an image and shows it on an area, from the cursor on. The terminal does not answer, and the cursor stays.
pub fn place(image: &Indexed, id: u32, area: Rect) -> io::Result<String> {
    let payload = BASE64_STANDARD.encode(png::encode(image)?);
    let mut out = String::with_capacity(payload.len() + payload.len() / 64 + 128);
    let mut chunks = payload.as_bytes().chunks(CHUNK).peekable();
    let mut control = format!("a=T,f=100,i={id},p=1,c={},r={},z=-1,C=1,q=2,", area.width, area.height);
    while let Some(chunk) = chunks.next() {
        let more = u8::from(chunks.peek().is_some());
        // Base64 is ASCII.
        let _ = write!(out, "\x1b_G{control}m={more};{}\x1b\\", String::from_utf8_lossy(chunk));
        control = "q=2,".to_owned();
    }
    Ok(out)
}

/// Deletes an image, with its pixels.
pub fn delete(id: u32) -> String {
    format!("\x1b_Ga=d,d=I,i={id},q=2\x1b\\")
}

#[cfg(test)]
mod tests {
    use super::super::canvas::Image;
    use super::*;

    #[test]
    fn an_image_can_be_decoded_from_its_chunks() {
        // Noise does not compress, so that there are several chunks.
        let mut state = 1u32;
        let noise = std::iter::repeat_with(|| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let level = (state >> 24) as u8 & 0xf0;
            [level, 255 - level, 0, 255]
        });
        let image = Image { width: 150, height: 140, pixels: noise.take(150 * 140).flatten().collect() };
        let sent = place(&Indexed::of(&image), 7, Rect::new(3, 4, 5, 2)).unwrap();
        let parts: Vec<(&str, &str)> = sent
            .split("\x1b\\")
            .filter(|part| !part.is_empty())
            .map(|part| part.strip_prefix("\x1b_G").unwrap().split_once(';').unwrap())
            .collect();
        assert_eq!(parts[0].0, "a=T,f=100,i=7,p=1,c=5,r=2,z=-1,C=1,q=2,m=1");
        assert!(parts.len() > 2 && parts[1..parts.len() - 1].iter().all(|(control, _)| *control == "q=2,m=1"));
        assert_eq!(parts[parts.len() - 1].0, "q=2,m=0");
        assert!(parts.iter().all(|(_, payload)| payload.len() <= CHUNK));
        let payload: String = parts.iter().map(|(_, payload)| *payload).collect();
        let shown = png::tests::decoded(&BASE64_STANDARD.decode(payload).unwrap());
        // All are opaque.
        let opaque: Vec<u8> = shown.pixels.chunks_exact(4).flatten().copied().collect();
        assert_eq!((shown.width, shown.height, opaque), (150, 140, image.pixels));
    }
}
