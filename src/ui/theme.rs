//! Colours by role. Drawing code names what a thing is; a theme says how that looks, as far as the terminal can show it.

use std::env;

use anyhow::{Result, anyhow};
use ratatui::style::{Color, Modifier, Style};
use serde::Deserialize;

/// The themes that the program brings along: name and TOML.
const BUILT_IN: &[(&str, &str)] = &[
    ("dark", include_str!("../../themes/dark.toml")),
    ("light", include_str!("../../themes/light.toml")),
    ("high-contrast", include_str!("../../themes/high-contrast.toml")),
    ("colour-blind", include_str!("../../themes/colour-blind.toml")),
];

/// Colours by role.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "the names are the roles")]
pub struct Theme {
    pub text: Hue,
    pub dim: Hue,
    pub border: Hue,
    pub focus: Hue,
    pub accent: Hue,
    pub loss: Hue,
    pub loss_raw: Hue,
    pub raw: Hue,
    pub evaluation: Hue,
    pub score: Hue,
    pub mass: Hue,
    pub selected: Hue,
    pub memory: Hue,
    pub throughput: Hue,
    pub learning_rate: Hue,
    pub grad_norm: Hue,
    pub bar: Hue,
    pub track: Hue,
    pub good: Hue,
    pub paused: Hue,
    pub warning: Hue,
    pub error: Hue,
    pub changed: Hue,
    pub token_read: Hue,
    pub token_trained: Hue,
    pub token_special: Hue,
    pub token_padding: Hue,
    pub token_label: Hue,
}

/// A colour of a theme: `#rrggbb`, or `default` for the terminal's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Hue(pub Color);

/// What a terminal can show.
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

impl Theme {
    /// The names of all themes.
    pub fn names() -> impl Iterator<Item = &'static str> {
        BUILT_IN.iter().map(|(name, _)| *name)
    }

    /// The theme of a name, in the colours that a terminal has.
    ///
    /// # Errors
    /// There is none of that name, or it is malformed.
    pub fn load(name: &str, depth: Depth) -> Result<Theme> {
        let (_, text) = BUILT_IN.iter().find(|(known, _)| *known == name).ok_or_else(|| {
            anyhow!("no theme \"{name}\"; there are {}", Theme::names().collect::<Vec<_>>().join(", "))
        })?;
        let theme: Theme = toml::from_str(text).map_err(|error| anyhow!("themes/{name}.toml: {error}"))?;
        Ok(theme.in_depth(depth))
    }

    /// The style of text in a role's colour.
    pub fn style(&self, hue: Hue) -> Style {
        Style::new().fg(hue.0)
    }

    /// The same, bold.
    pub fn bold(&self, hue: Hue) -> Style {
        self.style(hue).add_modifier(Modifier::BOLD)
    }

    fn in_depth(self, depth: Depth) -> Theme {
        let map = |hue: Hue| Hue(depth.nearest(hue.0));
        Theme {
            text: map(self.text),
            dim: map(self.dim),
            border: map(self.border),
            focus: map(self.focus),
            accent: map(self.accent),
            loss: map(self.loss),
            loss_raw: map(self.loss_raw),
            raw: map(self.raw),
            evaluation: map(self.evaluation),
            score: map(self.score),
            mass: map(self.mass),
            selected: map(self.selected),
            memory: map(self.memory),
            throughput: map(self.throughput),
            learning_rate: map(self.learning_rate),
            grad_norm: map(self.grad_norm),
            bar: map(self.bar),
            track: map(self.track),
            good: map(self.good),
            paused: map(self.paused),
            warning: map(self.warning),
            error: map(self.error),
            changed: map(self.changed),
            token_read: map(self.token_read),
            token_trained: map(self.token_trained),
            token_special: map(self.token_special),
            token_padding: map(self.token_padding),
            token_label: map(self.token_label),
        }
    }
}

impl TryFrom<String> for Hue {
    type Error = String;

    fn try_from(text: String) -> Result<Hue, String> {
        if text == "default" {
            return Ok(Hue(Color::Reset));
        }
        let number = text.strip_prefix('#').filter(|digits| digits.len() == 6);
        match number.and_then(|digits| u32::from_str_radix(digits, 16).ok()) {
            Some(number) => Ok(Hue(Color::from_u32(number))),
            None => Err(format!("colour \"{text}\" is neither #rrggbb nor default")),
        }
    }
}

impl Depth {
    /// As the environment says.
    pub fn of_environment() -> Depth {
        Depth::of(|name| env::var(name).ok())
    }

    fn of(var: impl Fn(&str) -> Option<String>) -> Depth {
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

    fn nearest(self, color: Color) -> Color {
        let Color::Rgb(r, g, b) = color else { return color };
        match self {
            Depth::True => color,
            Depth::Indexed => Color::Indexed(indexed(r, g, b)),
            Depth::Ansi => ansi(r, g, b),
            Depth::None => Color::Reset,
        }
    }
}

/// The nearest of the 6 x 6 x 6 cube and of the 24 greys.
fn indexed(r: u8, g: u8, b: u8) -> u8 {
    const LEVELS: [u8; 6] = [0, 95, 135, 175, 215, 255];
    let level = |value: u8| (0u8..6).min_by_key(|&i| LEVELS[i as usize].abs_diff(value)).unwrap_or(0);
    let (cr, cg, cb) = (level(r), level(g), level(b));
    let cube = [LEVELS[cr as usize], LEVELS[cg as usize], LEVELS[cb as usize]];
    let mean = (u16::from(r) + u16::from(g) + u16::from(b)) / 3;
    let grey = (0..24u8).min_by_key(|&i| (8 + 10 * u16::from(i)).abs_diff(mean)).unwrap_or(0);
    let value = 8 + 10 * grey;
    if distance([r, g, b], [value; 3]) < distance([r, g, b], cube) { 232 + grey } else { 16 + 36 * cr + 6 * cg + cb }
}

/// The nearest of the 16 by their usual values, white left out: it vanishes on light backgrounds.
fn ansi(r: u8, g: u8, b: u8) -> Color {
    const COLORS: [(Color, [u8; 3]); 14] = [
        (Color::DarkGray, [118, 118, 118]),
        (Color::Gray, [204, 204, 204]),
        (Color::Red, [197, 15, 31]),
        (Color::Green, [19, 161, 14]),
        (Color::Yellow, [193, 156, 0]),
        (Color::Blue, [0, 55, 218]),
        (Color::Magenta, [136, 23, 152]),
        (Color::Cyan, [58, 150, 221]),
        (Color::LightRed, [231, 72, 86]),
        (Color::LightGreen, [22, 198, 12]),
        (Color::LightYellow, [249, 241, 165]),
        (Color::LightBlue, [59, 120, 255]),
        (Color::LightMagenta, [180, 0, 158]),
        (Color::LightCyan, [97, 214, 214]),
    ];
    COLORS.into_iter().min_by_key(|(_, value)| distance([r, g, b], *value)).map_or(Color::Reset, |(color, _)| color)
}

fn distance(a: [u8; 3], b: [u8; 3]) -> u32 {
    a.into_iter().zip(b).map(|(a, b)| u32::from(a.abs_diff(b)).pow(2)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_theme_is_complete() {
        for name in Theme::names() {
            for depth in [Depth::True, Depth::Indexed, Depth::Ansi, Depth::None] {
                let theme = Theme::load(name, depth).unwrap();
                assert_ne!(theme.text.0, Color::White, "{name}");
                if depth == Depth::None {
                    assert_eq!(theme.error.0, Color::Reset);
                } else {
                    assert_ne!(theme.error.0, theme.good.0, "{name}");
                }
            }
        }
        assert!(Theme::load("drak", Depth::True).unwrap_err().to_string().contains("there are dark, light"));
    }

    #[test]
    fn colours_fall_back_to_the_nearest() {
        assert_eq!(Depth::Indexed.nearest(Color::Rgb(255, 0, 0)), Color::Indexed(196));
        assert_eq!(Depth::Indexed.nearest(Color::Rgb(128, 128, 128)), Color::Indexed(244));
        assert_eq!(Depth::Ansi.nearest(Color::Rgb(20, 160, 20)), Color::Green);
        assert_eq!(Depth::Ansi.nearest(Color::Reset), Color::Reset);
    }

    #[test]
    fn the_environment_tells_the_depth() {
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
