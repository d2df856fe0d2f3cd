//! iTerm2's inline images: PNG. Text that is written on a cell replaces its part of the image.
//! <https://iterm2.com/documentation-images.html>

use std::io;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use ratatui::layout::Rect;

use super::palette::Indexed;
use super::png;

/// Shows an image on an area, from the cursor on.
pub fn place(image: &Indexed, area: Rect) -> io::Result<String> {
    let file = png::encode(image)?;
    Ok(format!(
        "\x1b]1337;File=inline=1;size={};width={};height={};preserveAspectRatio=0;doNotMoveCursor=1:{}\x07",
        file.len(),
        area.width,
        area.height,
        BASE64_STANDARD.encode(&file)
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_can_be_decoded() {
        let image = png::tests::example(30, 20);
        let sent = place(&Indexed::of(&image), Rect::new(0, 0, 4, 1)).unwrap();
        let (head, payload) = sent.strip_suffix('\x07').unwrap().split_once(':').unwrap();
        assert!(head.contains("width=4;height=1;"), "{head}");
        let file = BASE64_STANDARD.decode(payload).unwrap();
        assert!(head.contains(&format!("size={};", file.len())), "{head}");
        assert_eq!(png::tests::decoded(&file), image);
    }
}
