//! The slider: the steps at which the targets were measured, the one that the map shows, and the keys for them.

use ratatui::Frame;
use ratatui::layout::{Position, Rect};
use ratatui::text::{Line, Span};

use crate::runs::History;
use crate::ui::format::{Unit, width};
use crate::ui::monitor::scene::Scene;
use crate::ui::monitor::view::View;

/// The measurements of a run on the x axis of a view.
pub(super) struct Slider {
    stops: Vec<f64>,
    timed: bool,
}

/// A slider on the screen.
struct Parts {
    /// What the map shows.
    label: String,
    /// The first and the last stop.
    ends: [String; 2],
    bar: Rect,
}

impl Slider {
    pub(super) fn of(run: &History, view: &View) -> Slider {
        let x_of = view.x_of();
        Slider { stops: run.mass.buckets().iter().map(|bucket| x_of(bucket.last)).collect(), timed: view.timed() }
    }

    /// The first and the last stop.
    pub(super) fn ends(&self) -> Option<(f64, f64)> {
        self.stops.first().copied().zip(self.stops.last().copied())
    }

    /// The last stop at `x` or before, or else the first; `None` for the last of all, where the map is live.
    pub(super) fn snapped(&self, x: f64) -> Option<f64> {
        let after = self.stops.partition_point(|stop| *stop <= x);
        if after == self.stops.len() { None } else { Some(self.stops[after.saturating_sub(1)]) }
    }

    /// The stop `by` stops from the one at `x`, where `None` is the last.
    pub(super) fn moved(&self, x: Option<f64>, by: isize) -> Option<f64> {
        let last = self.stops.len().saturating_sub(1);
        let now = x.map_or(last, |x| self.stops.partition_point(|stop| *stop <= x).saturating_sub(1));
        let next = now.saturating_add_signed(by);
        if next >= last { None } else { self.stops.get(next).copied() }
    }

    /// The stop at a position of the screen: the outer option is whether the slider is there.
    pub(super) fn at(&self, position: Position, area: Rect, scene_view: &View) -> Option<Option<f64>> {
        let (first, last) = self.ends()?;
        let bar = self.parts(area, scene_view)?.bar;
        if position.y != bar.y {
            return None;
        }
        let share = f64::from(position.x.saturating_sub(bar.x)) / f64::from(bar.width.saturating_sub(1).max(1));
        Some(self.snapped(first + share.min(1.0) * (last - first)))
    }

    fn parts(&self, area: Rect, view: &View) -> Option<Parts> {
        let (first, last) = self.ends()?;
        let unit = if self.timed { Unit::Seconds } else { Unit::Steps };
        let ends = [first, last].map(|end| unit.text(end));
        let name = if self.timed { "" } else { "step " };
        let shown = unit.text(view.cursor.unwrap_or(last));
        // The label keeps its width while the slider moves.
        let widest = ends.iter().map(|end| width(end)).max().unwrap_or(0);
        let label = format!(" {name}{shown:>widest$} ");
        let before = (width(&label) + 2 + width(&ends[0]) + 1) as u16;
        let behind = (1 + width(&ends[1]) + 1) as u16;
        let room = area.width.saturating_sub(before + behind);
        let bar = Rect { x: area.x + before, width: room, height: 1.min(area.height), ..area };
        (room >= 3 && area.height > 0).then_some(Parts { label, ends, bar })
    }

    /// Draws what the map shows, and the bar from the first to the last stop.
    pub(super) fn draw(&self, frame: &mut Frame, area: Rect, scene: Scene) {
        let (look, theme, view) = (scene.look, &scene.look.theme, scene.view);
        let (Some((first, last)), Some(Parts { label, ends, bar })) = (self.ends(), self.parts(area, view)) else {
            return;
        };
        let (state, hue) = match (&view.layers.playback, view.cursor) {
            (Some(_), _) => (if look.ascii { ">" } else { "▶" }, theme.accent),
            (None, None) => (if look.ascii { "*" } else { "●" }, theme.good),
            (None, Some(_)) => (if look.ascii { "|" } else { "◆" }, theme.paused),
        };
        let share = view.cursor.map_or(1.0, |x| if last > first { (x - first) / (last - first) } else { 1.0 });
        let knob = (share.clamp(0.0, 1.0) * f64::from(bar.width - 1)).round() as usize;
        let (done, left, mark) = if look.ascii { ("=", "-", "O") } else { ("━", "─", "●") };
        let line = Line::from(vec![
            Span::styled(label, theme.bold(theme.text)),
            Span::styled(format!("{state} "), theme.bold(hue)),
            Span::styled(format!("{} ", ends[0]), theme.style(theme.dim)),
            Span::styled(done.repeat(knob), theme.style(theme.bar)),
            Span::styled(mark, theme.bold(hue)),
            Span::styled(left.repeat(usize::from(bar.width) - 1 - knob), theme.style(theme.track)),
            Span::styled(format!(" {}", ends[1]), theme.style(theme.dim)),
        ]);
        frame.render_widget(line, area);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::series::{At, Series};

    fn slider(stops: &[u32]) -> Slider {
        Slider { stops: stops.iter().map(|stop| f64::from(*stop)).collect(), timed: false }
    }

    #[test]
    fn the_slider_stops_at_measurements_and_is_live_at_its_end() {
        let slider = slider(&[0, 10, 20, 40]);
        assert_eq!(
            [-1.0, 0.0, 9.9, 10.0, 39.0].map(|x| slider.snapped(x)),
            [Some(0.0), Some(0.0), Some(0.0), Some(10.0), Some(20.0)]
        );
        assert_eq!([40.0, 99.0].map(|x| slider.snapped(x)), [None, None]);
        assert_eq!(
            [slider.moved(None, -1), slider.moved(Some(20.0), -1), slider.moved(Some(20.0), 1)],
            [Some(20.0), Some(10.0), None]
        );
        assert_eq!([slider.moved(Some(0.0), -1), slider.moved(None, 1)], [Some(0.0), None]);
        assert_eq!((super::tests::slider(&[]).moved(None, -1), super::tests::slider(&[]).snapped(3.0)), (None, None));
    }

    proptest! {
        /// Whatever was measured at whichever steps, the map shows at a step what was measured last until then.
        #[test]
        fn a_value_at_a_step_is_the_last_one_measured_until_then(
            gaps in proptest::collection::vec((1u32..20, -100.0f64..100.0), 0..200),
            most in 2usize..64,
            x in -5.0f64..2000.0,
        ) {
            let (mut series, mut points, mut step) = (Series::bounded(most), Vec::new(), 0.0);
            for (gap, value) in gaps {
                step += f64::from(gap);
                series.push(At { step, time: step / 2.0 }, value);
                points.push((step, value));
            }
            let shown = series.until(x, |at| at.step);
            let expected = points.iter().rev().find(|(step, _)| *step <= x);
            if points.len() <= most {
                prop_assert_eq!(shown.map(|bucket| (bucket.last.step, bucket.end)), expected.copied());
            }
            // A long curve keeps fewer points, but shows only measured ones and none of a later step.
            if let Some(bucket) = shown {
                prop_assert!(bucket.last.step <= x && points.contains(&(bucket.last.step, bucket.end)));
            }
            prop_assert_eq!(series.until(2.0 * x, |at| 4.0 * at.time), shown);
        }
    }
}
