//! The colours of a terminal: those that themes leave to it, and those of its palette.

use ratatui::style::Color;

use crate::ui::theme::{Theme, components};

/// Red, green and blue.
pub type Rgb = [u8; 3];

/// The colours of a terminal's text and background.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScreenColours {
    pub text: Rgb,
    pub background: Rgb,
}

/// The 16 colours of ANSI, as xterm has them.
const ANSI: [Rgb; 16] = [
    [0, 0, 0],
    [205, 49, 49],
    [13, 188, 121],
    [229, 229, 16],
    [36, 114, 200],
    [188, 63, 188],
    [17, 168, 205],
    [204, 204, 204],
    [118, 118, 118],
    [241, 76, 76],
    [35, 209, 139],
    [245, 245, 67],
    [59, 142, 234],
    [214, 112, 214],
    [41, 184, 219],
    [242, 242, 242],
];

impl ScreenColours {
    /// A dark terminal, for which most themes are made.
    pub const DARK: ScreenColours = ScreenColours { text: [192, 202, 245], background: [26, 27, 38] };

    /// A light terminal.
    pub const LIGHT: ScreenColours = ScreenColours { text: [31, 35, 40], background: [255, 255, 255] };

    /// The terminal that a theme is made for, since nothing says which one it is.
    pub(in crate::ui) fn of(theme: &Theme) -> ScreenColours {
        let is_light =
            components(theme.track.0).is_some_and(|track| track.into_iter().map(u32::from).sum::<u32>() > 384);
        if is_light { ScreenColours::LIGHT } else { ScreenColours::DARK }
    }

    /// The colour of a text; `None` for the terminal's own.
    pub(super) fn rgb(self, color: Color) -> Option<Rgb> {
        let ansi = |index: usize| Some(ANSI[index]);
        match color {
            Color::Reset => None,
            Color::Black => ansi(0),
            Color::Red => ansi(1),
            Color::Green => ansi(2),
            Color::Yellow => ansi(3),
            Color::Blue => ansi(4),
            Color::Magenta => ansi(5),
            Color::Cyan => ansi(6),
            Color::Gray => ansi(7),
            Color::DarkGray => ansi(8),
            Color::LightRed => ansi(9),
            Color::LightGreen => ansi(10),
            Color::LightYellow => ansi(11),
            Color::LightBlue => ansi(12),
            Color::LightMagenta => ansi(13),
            Color::LightCyan => ansi(14),
            Color::White => ansi(15),
            Color::Indexed(index @ 0..16) => ansi(usize::from(index)),
            color => components(color),
        }
    }
}
