//! The target under the cursor in words and numbers.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};

use crate::runs::TargetHistory;
use crate::ui::format::{Unit, fitted_end, grouped, plain, width, wrapped};
use crate::ui::monitor::layers_view::Metric;
use crate::ui::monitor::scene::Scene;
use crate::ui::widgets::spark::spark;

/// Lines of the readout above the charts.
pub(super) const TALL: u16 = 8;

/// Points of a curve beside its value.
const POINTS: usize = 12;

/// Columns of the names in a tall readout.
const NAME: usize = 15;

struct Readout<'a> {
    scene: Scene<'a>,
    target: &'a TargetHistory,
}

/// Draws a line for each value.
pub(super) fn draw_tall(frame: &mut Frame, area: Rect, scene: Scene, target: &TargetHistory) {
    let readout = Readout { scene, target };
    let style = |metric: Metric| scene.look.theme.bold(metric.hue(scene.look));
    let [first, second] = readout.name(usize::from(area.width).saturating_sub(2));
    let lines = [
        first,
        second,
        readout.line("shape", readout.shape(), scene.look.theme.style(scene.look.theme.text)),
        readout.line("selected (k)", readout.count(), style(Metric::Share)),
        readout.line("selected share", exactly(Some(target.density())), style(Metric::Share)),
        readout.line("gradient mass", readout.value(Metric::Mass), style(Metric::Mass)),
        readout.line("update size", readout.value(Metric::Update), style(Metric::Update)),
        readout.line("measured at", readout.measured(), scene.look.theme.style(scene.look.theme.text)),
    ];
    draw(frame, area, lines);
}

/// Draws the values in three lines, with the curves of those that change.
pub(super) fn draw_short(frame: &mut Frame, area: Rect, scene: Scene, target: &TargetHistory) {
    let readout = Readout { scene, target };
    let theme = &scene.look.theme;
    let shape = readout.shape();
    let room = usize::from(area.width).saturating_sub(width(&shape) + 4);
    let name = plain(&target.name);
    let first = Line::from(vec![
        Span::styled(
            format!(" {}", fitted_end(&name, room.min(width(&name)), scene.look.ascii)),
            theme.bold(theme.text),
        ),
        Span::styled(format!("  {shape}"), theme.style(theme.dim)),
    ]);
    let share = theme.bold(Metric::Share.hue(scene.look));
    let selected =
        readout.pairs([("selected", readout.count(), share), ("share", exactly(Some(target.density())), share)]);
    let pair = |metric: Metric, spark: bool| {
        let curve = if spark { readout.spark(metric) } else { String::new() };
        (metric.name(), format!("{}{curve}", readout.value(metric)), theme.bold(metric.hue(scene.look)))
    };
    let measured = [true, false]
        .map(|spark| readout.pairs([pair(Metric::Mass, spark), pair(Metric::Update, spark)]))
        .into_iter()
        .find(|line| line.width() <= usize::from(area.width));
    draw(frame, area, [first, measured.unwrap_or_default(), selected]);
}

fn draw<const N: usize>(frame: &mut Frame, area: Rect, lines: [Line; N]) {
    for (line, y) in lines.into_iter().zip(area.top()..area.bottom()) {
        frame.render_widget(line, Rect { y, height: 1, ..area });
    }
}

impl Readout<'_> {
    /// The name in two lines.
    fn name(&self, room: usize) -> [Line<'static>; 2] {
        let name = plain(&self.target.name);
        let mut lines = wrapped(&name, room);
        if lines.len() > 2 {
            lines = vec![fitted_end(&name, room, self.scene.look.ascii)];
        }
        let theme = &self.scene.look.theme;
        let mut lines = lines.into_iter().map(|line| Line::styled(format!(" {line}"), theme.bold(theme.text)));
        [lines.next().unwrap_or_default(), lines.next().unwrap_or_default()]
    }

    fn shape(&self) -> String {
        let shape: Vec<String> = self.target.shape.iter().map(i64::to_string).collect();
        shape.join(if self.scene.look.ascii { " x " } else { " × " })
    }

    fn count(&self) -> String {
        format!("{} of {}", grouped(self.target.selected()), grouped(self.target.components() as u64))
    }

    fn value(&self, metric: Metric) -> String {
        exactly(metric.of(self.target, self.scene.view.cursor, self.scene.view.x_of()))
    }

    /// When the values were measured.
    fn measured(&self) -> String {
        let view = self.scene.view;
        let bucket = match view.cursor {
            Some(x) => self.target.mass.until(x, view.x_of()),
            None => self.target.mass.buckets().last(),
        };
        bucket.map_or("-".into(), |bucket| format!("step {}", Unit::Steps.text(bucket.last.step)))
    }

    /// The curve of a metric in a line, up to what is shown.
    fn spark(&self, metric: Metric) -> String {
        let view = self.scene.view;
        let Some(series) = metric.series(self.target) else { return String::new() };
        let x = view.cursor.unwrap_or(f64::INFINITY);
        let shown = series.buckets().iter().take_while(|bucket| view.x_of()(bucket.last) <= x);
        let values: Vec<f64> = shown.map(|bucket| bucket.end).collect();
        let every = values.len().div_ceil(POINTS).max(1);
        // From the end, so that the latest value is among them.
        let mut points: Vec<f64> = values.into_iter().rev().step_by(every).collect();
        points.reverse();
        if points.len() < 2 { String::new() } else { format!(" {}", spark(&points, self.scene.look.ascii)) }
    }

    fn line(&self, name: &'static str, value: String, style: Style) -> Line<'static> {
        let theme = &self.scene.look.theme;
        Line::from(vec![Span::styled(format!(" {name:<NAME$}"), theme.style(theme.dim)), Span::styled(value, style)])
    }

    fn pairs(&self, pairs: [(&'static str, String, Style); 2]) -> Line<'static> {
        let theme = &self.scene.look.theme;
        let pair = |(name, value, style): (&str, String, Style)| {
            [Span::styled(format!(" {name} "), theme.style(theme.dim)), Span::styled(format!("{value} "), style)]
        };
        pairs.into_iter().flat_map(pair).collect()
    }
}

/// A percentage with all its digits.
fn exactly(value: Option<f64>) -> String {
    value.map_or("-".to_owned(), |value| format!("{value:.4} %"))
}
