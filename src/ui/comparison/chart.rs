//! The chart of a metric: a curve per run, the baseline on top.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Modifier;
use ratatui::text::Span;

use super::metric::Metric;
use super::run::{ComparedRun, by_digits};
use super::scene::Scene;
use crate::ui::format::Unit;
use crate::ui::widgets::chart::{Chart, Curve};
use crate::ui::widgets::panel::{Title, panel};

/// What a chart is on the screen.
#[derive(Clone, Copy)]
pub(super) enum ChartRole {
    InGrid {
        focused: bool,
    },
    /// Alone, so that it says which of all metrics it shows.
    Alone {
        number: usize,
        of: usize,
    },
}

/// Draws the chart of a metric in a panel.
pub(super) fn draw(frame: &mut Frame, area: Rect, scene: Scene, metric: &Metric, role: ChartRole) {
    let theme = &scene.look.theme;
    let name = metric.name();
    let (values, focused) = match role {
        ChartRole::InGrid { focused } => (Vec::new(), focused),
        ChartRole::Alone { number, of } => {
            (vec![Span::styled(format!("{} of {of}", number + 1), theme.style(theme.dim))], false)
        }
    };
    let inner = panel(frame, area, scene.look, focused, Title { name: &name, values, note: note(scene, metric) });
    chart(scene, metric).draw(inner, frame.buffer_mut());
}

/// Names the x axis, which all charts share, on the lower edge of one of them.
pub(super) fn name_axis(frame: &mut Frame, area: Rect, scene: Scene) {
    let name = if scene.view.timed { " time " } else { " steps " };
    let width = name.len() as u16;
    if area.width > 2 * width && area.height > 0 {
        let style = scene.look.theme.style(scene.look.theme.dim);
        frame.buffer_mut().set_string(area.right() - width - 2, area.bottom() - 1, name, style);
    }
}

/// The x of a column of the screen in a panel that [`draw`] has drawn.
pub(super) fn x_at(scene: Scene, area: Rect, metric: &Metric, column: u16) -> Option<f64> {
    let inner = area.inner(ratatui::layout::Margin::new(1, 1));
    chart(scene, metric).x_at(inner, column)
}

fn chart<'a>(scene: Scene<'a>, metric: &Metric) -> Chart<'a> {
    let Scene { runs, view, look, .. } = scene;
    // The first marked run lies on top of the others, and the baseline on top of all.
    let mut ordered: Vec<&ComparedRun> = runs.iter().rev().collect();
    ordered.sort_by_key(|run| run.is_baseline);
    let curves = ordered.into_iter().filter_map(|run| curve(scene, metric, run)).collect();
    let reading = runs.iter().any(|run| run.curves.is_none());
    Chart {
        x_of: view.reading(metric).x_of(),
        window: view.window,
        domain: view.domain(runs),
        now: view.now(runs),
        log: view.is_log(metric),
        x_unit: if view.timed { Unit::Seconds } else { Unit::Steps },
        y_unit: metric.unit(),
        cursor: view.cursor,
        ascii: by_digits(look),
        pixels: look.pixels.as_ref(),
        ..Chart::over_steps(
            curves,
            if reading { "reading the runs" } else { "no run has a point here" },
            look.theme.style(look.theme.dim),
        )
    }
}

fn curve<'a>(scene: Scene<'a>, metric: &Metric, run: &'a ComparedRun) -> Option<Curve<'a>> {
    let series = metric.series(run.curves.as_deref()?, scene.view.smoothing)?;
    let bold = if run.is_baseline { Modifier::BOLD } else { Modifier::empty() };
    let style = run.style(scene.look).remove_modifier(Modifier::BOLD).add_modifier(bold);
    // The dots of two runs in one cell would have the colour of one of them.
    let faint = true;
    Some(Curve { shape: metric.shape(), glyph: Some(run.glyph()), faint, ..Curve::line(&run.name, series, style) })
}

/// How the values are to be read.
fn note(scene: Scene, metric: &Metric) -> String {
    let mut notes = Vec::new();
    match metric {
        Metric::Memory => notes.push(memory(scene)),
        Metric::Update => notes.push("mean of targets"),
        _ if metric.is_smoothed() => notes.push(scene.view.smoothing.name()),
        _ => {}
    }
    if scene.view.is_log(metric) {
        notes.push("log");
    }
    notes.join(", ")
}

/// Whose memory it is.
fn memory(scene: Scene) -> &'static str {
    let mut gpus = scene.runs.iter().filter_map(|run| run.curves.as_deref()).map(|run| run.gpu);
    let Some(first) = gpus.next() else { return "" };
    match (first, gpus.all(|gpu| gpu == first)) {
        (true, true) => "GPU",
        (false, true) => "process",
        (_, false) => "GPU or process",
    }
}
