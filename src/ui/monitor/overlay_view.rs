//! Drawing of the overlaid runs: their curves in a panel, and a legend.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;

use super::overlays::is_own;
use super::panel::Panel;
use super::scene::Scene;
use crate::ui::comparison::{ComparedRun, Metric, ReadCurve, Reading};
use crate::ui::format::{plain, truncated};
use crate::ui::widgets::chart::Curve;
use crate::ui::widgets::panel::{Title, panel};

impl<'a> Scene<'a> {
    /// The runs that are drawn beneath the one on the monitor, which is never among them.
    pub(super) fn overlaid(self) -> impl Iterator<Item = &'a ComparedRun> + Clone {
        self.overlays.runs.iter().filter(move |run| self.overlays.shown && !self.is_own(run))
    }

    fn is_own(self, run: &ComparedRun) -> bool {
        is_own(run, self.run, self.files)
    }

    /// The style of the curves of the run on the monitor among those of others: its own, if it is marked too.
    pub(super) fn own_style(self) -> Style {
        let own = self.overlays.runs.iter().find(|run| self.is_own(run));
        own.map_or(self.look.theme.bold(self.look.theme.text), |own| own.style(self.look))
    }
}

/// The curves of the overlaid runs in a panel, in drawing order.
pub(super) fn curves<'a>(scene: Scene<'a>, panel: Panel) -> Vec<Curve<'a>> {
    let Some(metric) = panel.metric(scene.run) else { return Vec::new() };
    // The baseline lies on top of the others.
    let mut runs: Vec<&ComparedRun> = scene.overlaid().collect();
    runs.sort_by_key(|run| (run.is_baseline, std::cmp::Reverse(run.colour)));
    let curve = |run: &'a ComparedRun| {
        let series = metric.series(run.curves.as_deref()?, scene.view.smoothing)?;
        let style = run.style(scene.look).not_bold();
        let faint = true;
        Some(Curve { shape: metric.shape(), glyph: Some(run.glyph()), faint, ..Curve::line(&run.name, series, style) })
    };
    runs.into_iter().filter_map(curve).collect()
}

/// Draws the runs with their values of a panel's metric, and their differences to the run on the monitor.
pub(super) fn draw_legend(frame: &mut Frame, area: Rect, scene: Scene, which: Panel) {
    let metric = which.metric(scene.run);
    if area.height < 3 {
        let line = lines(scene, metric.as_ref(), usize::from(area.width), 1).into_iter().next();
        return frame.render_widget(line.unwrap_or_default(), area);
    }
    let theme = &scene.look.theme;
    let name = metric.as_ref().map_or_else(String::new, Metric::name);
    let values = vec![Span::styled(name, theme.bold(theme.text))];
    let note = format!("difference to {}", plain(scene.run.name()));
    let inner = panel(frame, area, scene.look, false, Title { name: "Overlay", values, note });
    let lines = lines(scene, metric.as_ref(), usize::from(inner.width), usize::from(inner.height));
    frame.render_widget(Paragraph::new(lines), inner);
}

/// The entries of all runs, side by side in lines; the last line says how many have no room.
fn lines<'a>(scene: Scene<'a>, metric: Option<&Metric>, room: usize, most: usize) -> Vec<Line<'a>> {
    let theme = &scene.look.theme;
    let mut entries = vec![own_entry(scene, metric)];
    entries.extend(scene.overlaid().map(|run| entry(scene, metric, run)));
    let widest = entries.iter().map(Line::width).max().unwrap_or(0).clamp(1, room.max(1));
    // On a single line entries need not be aligned.
    let columns = if most == 1 { entries.len() } else { (room / widest).max(1) };
    let mut lines = vec![Line::default()];
    let count = entries.len();
    for (number, entry) in entries.into_iter().enumerate() {
        let last = lines.len() == most;
        let Some(line) = lines.last_mut() else { break };
        // " +12" at the end of the last line.
        let kept = if last && number + 1 < count { 4 } else { 0 };
        if number > 0 && (number % columns == 0 && most > 1 || line.width() + entry.width() + kept > room) {
            if last {
                line.push_span(Span::styled(format!(" +{}", count - number), theme.style(theme.dim)));
                break;
            }
            lines.push(Line::default());
        }
        let Some(line) = lines.last_mut() else { break };
        let pad = if most > 1 { widest.saturating_sub(entry.width()) } else { 0 };
        line.spans.extend(entry.spans);
        line.push_span(" ".repeat(pad));
    }
    lines
}

fn own_entry<'a>(scene: Scene<'a>, metric: Option<&Metric>) -> Line<'a> {
    let theme = &scene.look.theme;
    let value = metric.and_then(|metric| reading(scene, metric).value(own_curve(scene, metric)?));
    let value = metric.zip(value).map_or_else(|| "-".to_owned(), |(metric, it)| metric.text(it.value));
    Line::from(vec![
        Span::styled(if scene.look.ascii { " * " } else { " ━ " }, scene.own_style()),
        Span::styled(name(scene, scene.run.name()), theme.style(theme.text)),
        Span::styled(format!(" {value} "), theme.bold(theme.text)),
    ])
}

fn entry<'a>(scene: Scene<'a>, metric: Option<&Metric>, run: &ComparedRun) -> Line<'a> {
    let theme = &scene.look.theme;
    let (mut value, mut difference) = ("-".to_owned(), String::new());
    match (&run.curves, metric) {
        (None, _) => value = "reading".into(),
        (Some(curves), Some(metric)) => {
            let reading = reading(scene, metric);
            let curve = reading.curve(curves);
            if let Some(it) = curve.and_then(|curve| reading.value(curve)) {
                value = metric.text(it.value);
            }
            let own = own_curve(scene, metric);
            if let Some(it) = curve.zip(own).and_then(|(curve, own)| reading.difference(curve, own)) {
                let shown = curve.and_then(|curve| reading.value(curve));
                difference = format!("({}) ", reading.difference_text(&it, shown));
            }
        }
        (Some(_), None) => {}
    }
    Line::from(vec![
        Span::styled(format!(" {} ", run.swatch(scene.look)), run.style(scene.look)),
        Span::styled(name(scene, &run.name), theme.style(theme.text)),
        Span::styled(format!(" {value} "), theme.bold(theme.text)),
        Span::styled(difference, theme.style(theme.dim)),
    ])
}

/// A name that leaves room for its value.
fn name(scene: Scene, name: &str) -> String {
    const MOST: usize = 28;
    truncated(&plain(name), MOST, scene.look.ascii)
}

fn reading<'a>(scene: Scene<'a>, metric: &'a Metric) -> Reading<'a> {
    Reading { metric, smoothing: scene.view.smoothing, timed: scene.view.timed(), cursor: scene.view.cursor }
}

/// The curve of the run on the monitor.
fn own_curve<'a>(scene: Scene<'a>, metric: &Metric) -> Option<ReadCurve<'a>> {
    let panel = Panel::CHARTS.into_iter().find(|panel| panel.metric(scene.run).as_ref() == Some(metric))?;
    let series = panel.compared(scene.run, scene.view.smoothing)?;
    let reach = if scene.view.timed() { scene.run.elapsed() } else { scene.run.taken as f64 };
    Some(ReadCurve { series, reach })
}
