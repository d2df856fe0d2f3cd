//! The colour of the terminal's background, by the terminal's answer (OSC 11).

/// Asks for the background.
pub const QUESTION: &str = "\x1b]11;?\x1b\\";

/// Red, green and blue between 0 and 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Background([f64; 3]);

impl Background {
    /// Of `ESC ] 11 ; rgb:RRRR/GGGG/BBBB` with one to four digits each; `None` if the terminal has not answered.
    pub fn of(answer: &[u8]) -> Option<Background> {
        let text = String::from_utf8_lossy(answer);
        let (_, color) = text.split_once("]11;rgb")?;
        let color = color.split(['\x07', '\x1b']).next()?;
        let mut parts = color.split_once(':')?.1.split('/').map(|digits| {
            let most = 16f64.powi(i32::try_from(digits.len()).ok().filter(|length| (1..=4).contains(length))?) - 1.0;
            Some(f64::from(u32::from_str_radix(digits, 16).ok()?) / most)
        });
        Some(Background([parts.next()??, parts.next()??, parts.next()??]))
    }

    pub fn is_light(&self) -> bool {
        let [red, green, blue] = self.0;
        0.299 * red + 0.587 * green + 0.114 * blue > 0.5
    }

    pub fn rgb(&self) -> [u8; 3] {
        self.0.map(|value| (value * 255.0).round() as u8)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_of_the_answer_is_parsed() {
        let rgb = |answer: &[u8]| Background::of(answer).map(|background| background.rgb());
        assert_eq!(rgb(b"\x1b]11;rgb:ffff/0000/8000\x1b\\\x1b[?62;c"), Some([255, 0, 128]));
        assert_eq!(rgb(b"\x1b]11;rgba:ff/ff/00/80\x07"), Some([255, 255, 0]));
        for nothing in
            ["", "\x1b[?1;2c", "\x1b]11;rgb:1/2", "\x1b]11;rgb:/1/2", "\x1b]11;rgb:12345/1/2", "\x1b]11;rgb:x/y/z"]
        {
            assert_eq!(rgb(nothing.as_bytes()), None, "{nothing}");
        }
        let is_light = |answer: &[u8]| Background::of(answer).is_some_and(|background| background.is_light());
        assert!(is_light(b"\x1b]11;rgb:ffff/ffff/e000\x07") && !is_light(b"\x1b]11;rgb:1c/1c/30\x07"));
    }
}
