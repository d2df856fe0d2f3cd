//! The colours that a terminal can show, and the nearest of them to a given colour.

use std::env;

use ratatui::style::Color;

/// The colours that a terminal can show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    /// 24 bits.
    True,
    /// The palette of 256.
    Indexed,
    /// The 16 of ANSI.
    Ansi,
    /// None: `NO_COLOR`.
    None,
}

impl Depth {
    /// The colours that the environment promises.
    pub fn of_environment() -> Depth {
        Depth::of(|name| env::var(name).ok())
    }

    /// The colours that these variables promise.
    pub fn of(var: impl Fn(&str) -> Option<String>) -> Depth {
        // https://no-color.org: any value but an empty one.
        if var("NO_COLOR").is_some_and(|value| !value.is_empty()) {
            return Depth::None;
        }
        let term = var("TERM").unwrap_or_default();
        match var("COLORTERM").as_deref() {
            Some("truecolor" | "24bit") => Depth::True,
            _ if term.ends_with("-direct") => Depth::True,
            _ if term.contains("256color") => Depth::Indexed,
            _ if term == "dumb" => Depth::None,
            _ => Depth::Ansi,
        }
    }

    /// The nearest colour that the terminal can show.
    pub fn nearest(self, color: Color) -> Color {
        let Color::Rgb(r, g, b) = color else { return color };
        match self {
            Depth::True => color,
            Depth::Indexed => Color::Indexed(indexed(r, g, b)),
            Depth::Ansi => ansi(r, g, b),
            Depth::None => Color::Reset,
        }
    }
}

/// Red, green and blue of a colour; `None` for those that the terminal defines.
pub(in crate::ui) fn components(color: Color) -> Option<[u8; 3]> {
    match color {
        Color::Rgb(r, g, b) => Some([r, g, b]),
        Color::Indexed(grey @ 232..) => Some([8 + 10 * (grey - 232); 3]),
        Color::Indexed(cube @ 16..) => {
            let cube = cube - 16;
            Some([cube / 36, cube / 6 % 6, cube % 6].map(|level| LEVELS[usize::from(level)]))
        }
        _ => None,
    }
}

/// The values of the 6 levels of the colour cube.
const LEVELS: [u8; 6] = [0, 95, 135, 175, 215, 255];

/// The nearest colour of the 6 x 6 x 6 cube and the 24 greys.
fn indexed(r: u8, g: u8, b: u8) -> u8 {
    let level = |value: u8| (0u8..6).min_by_key(|&i| LEVELS[i as usize].abs_diff(value)).unwrap_or(0);
    let (cr, cg, cb) = (level(r), level(g), level(b));
    let cube = [LEVELS[cr as usize], LEVELS[cg as usize], LEVELS[cb as usize]];
    let mean = (u16::from(r) + u16::from(g) + u16::from(b)) / 3;
    let grey = (0..24u8).min_by_key(|&i| (8 + 10 * u16::from(i)).abs_diff(mean)).unwrap_or(0);
    let value = 8 + 10 * grey;
    if distance([r, g, b], [value; 3]) < distance([r, g, b], cube) { 232 + grey } else { 16 + 36 * cr + 6 * cg + cb }
}

/// One of the 16 colours, by its hue: by distance, all pastels would become grey. White is left out, as it vanishes on
/// light backgrounds.
fn ansi(r: u8, g: u8, b: u8) -> Color {
    let [red, green, blue] = [r, g, b].map(f64::from);
    let (most, least) = (red.max(green).max(blue), red.min(green).min(blue));
    let (spread, light) = (most - least, (0.3 * red + 0.59 * green + 0.11 * blue) / 255.0);
    if spread < 0.18 * most.max(1.0) {
        return if light > 0.6 { Color::Gray } else { Color::DarkGray };
    }
    let sixths = if most == red {
        ((green - blue) / spread).rem_euclid(6.0)
    } else if most == green {
        (blue - red) / spread + 2.0
    } else {
        (red - green) / spread + 4.0
    };
    let (deep, bright) = match sixths * 60.0 {
        20.0..70.0 => (Color::Yellow, Color::LightYellow),
        70.0..165.0 => (Color::Green, Color::LightGreen),
        165.0..200.0 => (Color::Cyan, Color::LightCyan),
        200.0..255.0 => (Color::Blue, Color::LightBlue),
        255.0..335.0 => (Color::Magenta, Color::LightMagenta),
        _ => (Color::Red, Color::LightRed),
    };
    if light > 0.5 { bright } else { deep }
}

fn distance(a: [u8; 3], b: [u8; 3]) -> u32 {
    a.into_iter().zip(b).map(|(a, b)| u32::from(a.abs_diff(b)).pow(2)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_fall_back_to_the_nearest() {
        assert_eq!(Depth::Indexed.nearest(Color::Rgb(255, 0, 0)), Color::Indexed(196));
        assert_eq!(Depth::Indexed.nearest(Color::Rgb(128, 128, 128)), Color::Indexed(244));
        assert_eq!(Depth::Ansi.nearest(Color::Rgb(20, 160, 20)), Color::Green);
        assert_eq!(Depth::Ansi.nearest(Color::Reset), Color::Reset);
    }

    #[test]
    fn the_environment_determines_the_depth() {
        let depth = |vars: &[(&str, &str)]| {
            Depth::of(|name| vars.iter().find(|(known, _)| *known == name).map(|(_, value)| value.to_string()))
        };
        assert_eq!(depth(&[("COLORTERM", "truecolor"), ("TERM", "xterm")]), Depth::True);
        assert_eq!(depth(&[("TERM", "screen-256color")]), Depth::Indexed);
        assert_eq!(depth(&[("TERM", "xterm")]), Depth::Ansi);
        assert_eq!(depth(&[("TERM", "xterm-256color"), ("NO_COLOR", "1")]), Depth::None);
        assert_eq!(depth(&[("TERM", "xterm-256color"), ("NO_COLOR", "")]), Depth::Indexed);
    }
}
