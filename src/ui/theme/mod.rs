//! Themes: colours by role. Drawing code names the role of a thing, and the theme its colour, in the colours of the terminal.

mod depth;
mod look;
mod read;

use anyhow::Result;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Color, Modifier, Style};

pub use depth::Depth;
pub(in crate::ui) use depth::components;
pub use look::Look;
pub use read::Themes;

/// Colours for compared runs.
pub const RUN_COLOURS: usize = 8;

/// The colours of compared runs among the 16 of ANSI: the nearest ones would not all differ.
const ANSI_RUNS_ON_DARK: [Color; RUN_COLOURS] = [
    Color::LightBlue,
    Color::Yellow,
    Color::Green,
    Color::LightMagenta,
    Color::Cyan,
    Color::LightRed,
    Color::LightYellow,
    Color::Gray,
];
const ANSI_RUNS_ON_LIGHT: [Color; RUN_COLOURS] =
    [Color::Blue, Color::Yellow, Color::Green, Color::Magenta, Color::Cyan, Color::Red, Color::DarkGray, Color::Black];

/// A colour of a theme.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hue(pub Color);

/// Defines the theme from its roles, each named once.
macro_rules! roles {
    ($($(#[doc = $doc:literal])* $role:ident,)*) => {
        /// Colours by role.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub struct Theme {
            $($(#[doc = $doc])* pub $role: Hue,)*
        }

        impl Theme {
            /// The names of all roles, as theme files write them.
            pub const ROLES: &[&str] = &[$(stringify!($role)),*];

            /// A theme of the colour that `hue` returns for each role.
            fn of<E>(mut hue: impl FnMut(&'static str) -> Result<Hue, E>) -> Result<Theme, E> {
                Ok(Theme { $($role: hue(stringify!($role))?),* })
            }

            fn map(self, change: impl Fn(Hue) -> Hue) -> Theme {
                Theme { $($role: change(self.$role)),* }
            }
        }
    };
}

// Add a new role to this list and to the themes that inherit from no other: dark, light, high-contrast and colour-blind.
roles! {
    /// Behind everything; the terminal's own by default.
    background,
    /// Text.
    text,
    /// Secondary text.
    dim,
    /// Frames.
    border,
    /// The frame of the panel with the focus.
    focus,
    /// Keys, titles, what is selected.
    accent,
    /// Behind the selected line.
    marked,
    /// The loss.
    loss,
    /// The raw loss, behind the smoothed one.
    loss_raw,
    /// Other raw curves.
    raw,
    /// Losses and scores on the held-out set.
    evaluation,
    /// The score that checkpoints are compared by.
    score,
    /// Gradient mass.
    mass,
    /// Selected components.
    selected,
    /// Memory.
    memory,
    /// Tokens per second.
    throughput,
    /// The learning rate.
    learning_rate,
    /// The norm of the gradient.
    grad_norm,
    /// The compared runs.
    run_1,
    run_2,
    run_3,
    run_4,
    run_5,
    run_6,
    run_7,
    run_8,
    /// The done part of a progress bar.
    bar,
    /// The rest of it.
    track,
    /// Success.
    good,
    /// Paused or stopped.
    paused,
    /// A warning.
    warning,
    /// An error.
    error,
    /// A changed setting.
    changed,
    /// A token of the context.
    token_read,
    /// A token that the loss is computed on.
    token_trained,
    /// A special token of the tokenizer.
    token_special,
    /// A padding token.
    token_padding,
    /// The class or number to predict.
    token_label,
}

impl Theme {
    /// The names of the built-in themes.
    pub fn names() -> impl Iterator<Item = &'static str> {
        read::BUILT_IN.iter().map(|(name, _)| *name)
    }

    /// A built-in theme in the colours of a terminal.
    ///
    /// # Errors
    /// There is no theme of this name.
    pub fn load(name: &str, depth: Depth) -> Result<Theme> {
        Themes::default().load(name, depth)
    }

    /// The style of text in a colour.
    pub fn style(&self, hue: Hue) -> Style {
        Style::new().fg(hue.0)
    }

    /// The style of bold text in a colour.
    pub fn bold(&self, hue: Hue) -> Style {
        self.style(hue).add_modifier(Modifier::BOLD)
    }

    /// The colour at a share of the way from one to another, and a readable colour on top of it. `None` if the terminal has
    /// too few colours, or one of the two is its own.
    pub fn between(&self, from: Hue, to: Hue, share: f64, depth: Depth) -> Option<(Hue, Hue)> {
        let (from, to) = (components(from.0)?, components(to.0)?);
        let mix = |i: usize| (f64::from(from[i]) + (f64::from(to[i]) - f64::from(from[i])) * share).round() as u8;
        let [r, g, b] = [mix(0), mix(1), mix(2)];
        let light = 0.299 * f64::from(r) + 0.587 * f64::from(g) + 0.114 * f64::from(b);
        let ink = if light > 127.0 { Color::Rgb(16, 16, 16) } else { Color::Rgb(238, 238, 238) };
        Some((Hue(depth.nearest(Color::Rgb(r, g, b))), Hue(depth.nearest(ink))))
    }

    /// The colours of compared runs, all different.
    pub fn runs(&self) -> [Hue; RUN_COLOURS] {
        [self.run_1, self.run_2, self.run_3, self.run_4, self.run_5, self.run_6, self.run_7, self.run_8]
    }

    fn with_runs(self, colours: [Color; RUN_COLOURS]) -> Theme {
        let [run_1, run_2, run_3, run_4, run_5, run_6, run_7, run_8] = colours.map(Hue);
        Theme { run_1, run_2, run_3, run_4, run_5, run_6, run_7, run_8, ..self }
    }

    /// The style behind the selected line. Some terminals have no colour for it, so the line needs another mark too.
    pub fn marked_line(&self) -> Style {
        Style::new().bg(self.marked.0)
    }

    /// Fills in the theme's colours wherever the terminal's own were drawn.
    pub fn paint(&self, area: Rect, buffer: &mut Buffer) {
        if self.background.0 == Color::Reset {
            return;
        }
        for position in area.intersection(buffer.area).positions() {
            let cell = &mut buffer[position];
            if cell.bg == Color::Reset {
                cell.bg = self.background.0;
            }
            if cell.fg == Color::Reset {
                cell.fg = self.text.0;
            }
        }
    }

    fn in_depth(self, depth: Depth) -> Theme {
        let mut theme = self.map(|hue| Hue(depth.nearest(hue.0)));
        // None of 16 colours is a dark grey to read on: the background is the terminal's own, black or white.
        if matches!(depth, Depth::Ansi | Depth::None) {
            let (background, text) = match self.background.0 {
                Color::Rgb(r, g, b) if depth == Depth::Ansi => {
                    let light = u32::from(r) + u32::from(g) + u32::from(b) > 384;
                    if light { (Color::White, Color::Black) } else { (Color::Black, Color::Gray) }
                }
                _ => (Color::Reset, Color::Reset),
            };
            (theme.background, theme.text, theme.marked) = (Hue(background), Hue(text), Hue(background));
            if depth == Depth::Ansi {
                let on_light = background == Color::White;
                theme = theme.with_runs(if on_light { ANSI_RUNS_ON_LIGHT } else { ANSI_RUNS_ON_DARK });
            }
        }
        theme
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// WCAG's contrast of two colours, 1 to 21.
    fn contrast(a: [f64; 3], b: [f64; 3]) -> f64 {
        let luminance = |color: [f64; 3]| {
            let [r, g, b] = color.map(|value| {
                let value = value / 255.0;
                if value <= 0.04045 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
            });
            0.2126 * r + 0.7152 * g + 0.0722 * b
        };
        let (a, b) = (luminance(a) + 0.05, luminance(b) + 0.05);
        (a / b).max(b / a)
    }

    /// A colour's red, green and blue; `None` for the terminal's own.
    fn rgb(hue: Hue) -> Option<[f64; 3]> {
        match hue.0 {
            Color::Rgb(r, g, b) => Some([r, g, b].map(f64::from)),
            Color::Indexed(number @ 232..) => Some([f64::from(8 + 10 * (u16::from(number) - 232)); 3]),
            Color::Indexed(number @ 16..) => {
                let level = |n: u8| [0.0, 95.0, 135.0, 175.0, 215.0, 255.0][usize::from(n % 6)];
                let n = number - 16;
                Some([level(n / 36), level(n / 6), level(n)])
            }
            _ => None,
        }
    }

    #[test]
    fn every_theme_is_readable_on_its_background() {
        for name in Theme::names() {
            for depth in [Depth::True, Depth::Indexed] {
                let theme = Theme::load(name, depth).unwrap();
                // Themes without a background are made for a dark terminal.
                let behind = rgb(theme.background).unwrap_or([20.0; 3]);
                let marked = rgb(theme.marked).unwrap();
                let Theme { text, dim, accent, focus, loss, evaluation, score, mass, selected, memory, .. } = theme;
                let Theme { throughput, learning_rate, grad_norm, good, paused, warning, error, .. } = theme;
                let [run_1, run_2, run_3, run_4, run_5, run_6, run_7, run_8] = theme.runs();
                let read = [
                    run_1,
                    run_2,
                    run_3,
                    run_4,
                    run_5,
                    run_6,
                    run_7,
                    run_8,
                    text,
                    dim,
                    accent,
                    focus,
                    loss,
                    evaluation,
                    score,
                    mass,
                    selected,
                    memory,
                    throughput,
                    learning_rate,
                    grad_norm,
                    good,
                    paused,
                    warning,
                    error,
                ];
                for (number, hue) in read.into_iter().enumerate() {
                    let Some(color) = rgb(hue) else { continue };
                    let contrast = [contrast(color, behind), contrast(color, marked)];
                    assert!(contrast[0] >= 3.0, "{name}, {depth:?}, colour {number}: {contrast:?}");
                    assert!(contrast[1] >= 2.0, "{name}, {depth:?}, colour {number}, marked: {contrast:?}");
                }
                // Success and error differ in more than brightness, and frames differ from the background.
                assert_ne!(error, good, "{name}");
                assert!(contrast(rgb(theme.border).unwrap(), behind) > 1.15, "{name}: border");
            }
        }
    }

    #[test]
    fn themes_are_readable_with_few_colours_and_without_any() {
        for name in Theme::names() {
            let theme = Theme::load(name, Depth::Ansi).unwrap();
            let pair = match name {
                "dark" | "colour-blind" => (Color::Reset, Color::Reset),
                "light" => (Color::White, Color::Black),
                _ => (Color::Black, Color::Gray),
            };
            assert_eq!((theme.background.0, theme.text.0), pair, "{name}");
            assert!(
                [theme.dim, theme.error, theme.good, theme.accent].iter().all(|hue| hue.0 != Color::White),
                "{name}"
            );
            assert!(theme.error != theme.good && theme.error != theme.paused, "{name}: {theme:?}");
            let none = Theme::load(name, Depth::None).unwrap();
            assert_eq!(none, none.map(|_| Hue(Color::Reset)), "{name}");
        }
    }

    #[test]
    fn compared_runs_have_different_colours_in_every_theme() {
        for (name, depth) in
            Theme::names().flat_map(|name| [Depth::True, Depth::Indexed, Depth::Ansi].map(|depth| (name, depth)))
        {
            let colours = Theme::load(name, depth).unwrap().runs();
            for (number, colour) in colours.iter().enumerate() {
                assert!(!colours[..number].contains(colour), "{name}, {depth:?}: {colour:?} is there twice");
            }
        }
    }

    #[test]
    fn only_cells_without_a_colour_are_painted() {
        let theme = Theme::load("nord", Depth::True).unwrap();
        let area = Rect::new(0, 0, 3, 1);
        let mut buffer = Buffer::empty(area);
        buffer.set_string(1, 0, "x", Style::new().fg(Color::Red).bg(Color::Blue));
        theme.paint(area, &mut buffer);
        assert_eq!([buffer[(0, 0)].bg, buffer[(0, 0)].fg], [theme.background.0, theme.text.0]);
        assert_eq!([buffer[(1, 0)].bg, buffer[(1, 0)].fg], [Color::Blue, Color::Red]);
    }

    #[test]
    fn a_colour_between_two_others_has_a_readable_ink() {
        let theme = Theme::load("dark", Depth::True).unwrap();
        let (black, white) = (Hue(Color::Rgb(0, 0, 0)), Hue(Color::Indexed(231)));
        let at = |share| theme.between(black, white, share, Depth::True).unwrap();
        assert_eq!(at(0.5).0.0, Color::Rgb(128, 128, 128));
        assert_eq!((at(0.0).1.0, at(1.0).1.0), (Color::Rgb(238, 238, 238), Color::Rgb(16, 16, 16)));
        assert_eq!(theme.between(black, Hue(Color::Red), 0.5, Depth::Ansi), None);
    }
}
