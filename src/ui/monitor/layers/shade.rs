//! Values as colours: the range of a metric, and the fill of a share of it.

use ratatui::style::{Color, Style};

use crate::ui::monitor::layers_view::Metric;
use crate::ui::monitor::scene::Scene;
use crate::ui::theme::{Hue, Look};

/// The share of the range at which a colour is the metric's own. Above, it moves towards the brightest.
const OWN: f64 = 0.7;

/// How far the brightest colour is on the way to white, or to black on a light background.
const PEAK: f64 = 0.6;

/// The lowest and the highest value of a metric.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Range {
    pub(super) low: f64,
    pub(super) high: f64,
}

/// How a share of the range is drawn.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Fill {
    /// A colour, and a readable one on top of it.
    Colour { fill: Color, ink: Color },
    /// Characters of growing density, where the terminal has few colours.
    Glyph(&'static str, Style),
}

impl Range {
    /// The range of the metric over all targets and the whole run, so that a colour means the same at every step.
    pub(super) fn of(scene: Scene) -> Option<Range> {
        let metric = scene.view.layers.metric;
        let targets = &scene.run.targets.all;
        let shares = targets.iter().filter_map(|target| match metric.series(target) {
            None => metric.of(target, None, scene.view.x_of()).map(|share| (share, share)),
            Some(series) => series.buckets().iter().map(|bucket| (bucket.min, bucket.max)).reduce(wider),
        });
        shares.reduce(wider).map(|(low, high)| Range { low, high })
    }

    /// The share of the range below a value; a half if all values are equal.
    pub(super) fn share(self, value: f64) -> f64 {
        if self.high > self.low { ((value - self.low) / (self.high - self.low)).clamp(0.0, 1.0) } else { 0.5 }
    }
}

fn wider((low, high): (f64, f64), (least, most): (f64, f64)) -> (f64, f64) {
    (low.min(least), high.max(most))
}

/// The fill of a share of the range: from the track's colour over the metric's to one that stands out most.
pub(super) fn fill(look: &Look, metric: Metric, share: f64) -> Fill {
    let (theme, hue) = (&look.theme, metric.hue(look));
    let coloured = if share <= OWN {
        theme.between(theme.track, hue, share / OWN, look.depth)
    } else {
        peak(look, hue).and_then(|peak| theme.between(hue, peak, (share - OWN) / (1.0 - OWN), look.depth))
    };
    match coloured {
        Some((fill, ink)) => Fill::Colour { fill: fill.0, ink: ink.0 },
        None => {
            let steps = if look.ascii { [".", ":", "+", "#"] } else { ["░", "▒", "▓", "█"] };
            Fill::Glyph(steps[((share * 4.0) as usize).min(3)], theme.style(hue))
        }
    }
}

/// A colour that stands out on the track: that of the cursor.
pub(super) fn contrast(look: &Look) -> Option<Color> {
    look.theme.between(look.theme.track, look.theme.track, 0.0, look.depth).map(|(_, ink)| ink.0)
}

/// The brightest colour of a hue; the darkest where the track is light.
fn peak(look: &Look, hue: Hue) -> Option<Hue> {
    look.theme.between(hue, Hue(contrast(look)?), PEAK, look.depth).map(|(peak, _)| peak)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ui::theme::{Depth, Theme};

    fn look(theme: &str, depth: Depth, ascii: bool) -> Look {
        Look { theme: Theme::load(theme, depth).unwrap(), name: theme.into(), depth, ascii, pixels: None }
    }

    #[test]
    fn shares_grow_from_the_track_to_a_peak() {
        for theme in ["dark", "light"] {
            let look = look(theme, Depth::True, false);
            let colour = |share| match fill(&look, Metric::Mass, share) {
                Fill::Colour { fill: Color::Rgb(r, g, b), .. } => f64::from(r) + f64::from(g) + f64::from(b),
                other => panic!("{other:?}"),
            };
            let steps: Vec<f64> = (0..=10).map(|step| colour(f64::from(step) / 10.0)).collect();
            let grows = steps.is_sorted_by(|a, b| a < b);
            assert!(grows || steps.is_sorted_by(|a, b| a > b), "{theme}: {steps:?}");
            assert_eq!(grows, theme == "dark");
        }
    }

    #[test]
    fn characters_stand_for_colours_where_there_are_few() {
        let glyphs = |look: Look| {
            [0.0, 0.3, 0.6, 1.0].map(|share| match fill(&look, Metric::Mass, share) {
                Fill::Glyph(glyph, _) => glyph,
                other => panic!("{other:?}"),
            })
        };
        assert_eq!(glyphs(look("dark", Depth::Ansi, false)), ["░", "▒", "▓", "█"]);
        assert_eq!(glyphs(look("dark", Depth::None, true)), [".", ":", "+", "#"]);
    }

    #[test]
    fn a_value_has_its_share_of_the_range() {
        let range = Range { low: 2.0, high: 6.0 };
        assert_eq!([1.0, 2.0, 3.0, 7.0].map(|value| range.share(value)), [0.0, 0.0, 0.25, 1.0]);
        assert_eq!(Range { low: 2.0, high: 2.0 }.share(2.0), 0.5);
    }
}
