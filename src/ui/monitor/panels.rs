//! Drawing of the monitor's panels, among others or in full screen.

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::text::{Line, Span};

use super::content::{ChartContent, state_name};
use super::panel::Panel;
use super::scene::Scene;
use super::view::Tab;
use super::{overlay_view, ranks, selection};
use crate::ui::comparison::by_digits;
use crate::ui::format::{Unit, bytes, duration, number, score, width};
use crate::ui::widgets::chart::{BestPoint, Chart, Mark, Shape};
use crate::ui::widgets::panel::panel;
use crate::ui::widgets::sides::sides;

/// Draws a panel among others.
pub(super) fn draw(frame: &mut Frame, area: Rect, scene: Scene, which: Panel) {
    match which {
        Panel::Selected => return selection::draw(frame, area, scene),
        Panel::Ranks => return ranks::draw(frame, area, scene),
        _ => {}
    }
    let mut content = ChartContent::new(scene, which);
    let title = content.take_title();
    // On the Layers tab keys act on the heat map.
    let focused = scene.view.tab != Tab::Layers && scene.view.chart(scene.run) == which;
    let inner = panel(frame, area, scene.look, focused, title);
    let mut chart = chart(scene, which, content);
    chart.cursor = scene.view.cursor;
    chart.draw(inner, frame.buffer_mut());
}

/// Names the x axis, which all charts of a screen share, on the lower edge of one of them.
pub(super) fn name_axis(frame: &mut Frame, area: Rect, scene: Scene) {
    let name = if scene.view.timed() { " time " } else { " steps " };
    let width = name.len() as u16;
    if area.width > 2 * width && area.height > 0 {
        let style = scene.look.theme.style(scene.look.theme.dim);
        frame.buffer_mut().set_string(area.right() - width - 2, area.bottom() - 1, name, style);
    }
}

/// Draws a panel in full screen: the chart with its legend, and the values at the cursor.
pub(super) fn draw_full(frame: &mut Frame, area: Rect, scene: Scene, which: Panel) {
    match which {
        Panel::Selected => return selection::draw(frame, area, scene),
        Panel::Ranks => return draw_ranks(frame, area, scene),
        _ => {}
    }
    let mut content = ChartContent::new(scene, which);
    let title = content.take_title();
    let inner = panel(frame, area, scene.look, true, title);
    let [plot, legend, foot] = full_screen_parts(inner);
    if scene.overlaid().next().is_some() {
        overlay_view::draw_legend(frame, legend, scene, which);
    } else {
        draw_legend(frame, legend, scene, &content);
    }
    draw_foot(frame, foot, scene, which);
    let mut chart = chart(scene, which, content);
    chart.window = scene.view.window;
    chart.cursor = scene.view.cursor;
    chart.marks = marks(scene);
    chart.draw(plot, frame.buffer_mut());
}

/// Draws the ranks in full screen, with the charts of its ranks where these leave room.
fn draw_ranks(frame: &mut Frame, area: Rect, scene: Scene) {
    const LOWEST: u16 = 10;
    let height = ranks::height(scene.run);
    if area.height.saturating_sub(height) < LOWEST {
        return ranks::draw(frame, area, scene);
    }
    let [table, beneath] = Layout::vertical([Constraint::Length(height), Constraint::Fill(1)]).areas(area);
    ranks::draw(frame, table, scene);
    let charts: [Rect; 2] = Layout::horizontal([Constraint::Fill(1); 2]).areas(beneath);
    for (chart, area) in [Panel::RankWait, Panel::RankCompute].into_iter().zip(charts) {
        draw(frame, area, scene, chart);
    }
}

/// The x of a screen column in a full-screen panel.
pub(super) fn x_at(scene: Scene, which: Panel, area: Rect, column: u16) -> Option<f64> {
    let inner = area.inner(ratatui::layout::Margin::new(1, 1));
    let mut chart = chart(scene, which, ChartContent::new(scene, which));
    chart.window = scene.view.window;
    chart.x_at(full_screen_parts(inner)[0], column)
}

/// Plot, legend and foot.
fn full_screen_parts(inner: Rect) -> [Rect; 3] {
    Layout::vertical([Constraint::Fill(1), Constraint::Length(1), Constraint::Length(1)]).areas(inner)
}

/// The chart of a panel, without cursor and zoom.
pub(super) fn chart<'a>(scene: Scene<'a>, which: Panel, content: ChartContent<'a>) -> Chart<'a> {
    let theme = &scene.look.theme;
    Chart {
        curves: content.curves,
        x_of: scene.view.x_of(),
        data_axis: None,
        window: None,
        domain: scene.domain(),
        now: scene.now(),
        log: scene.view.is_log(which) && content.positive,
        y_unit: content.unit,
        x_unit: if scene.view.timed() { Unit::Seconds } else { Unit::Steps },
        include: content.include,
        cursor: None,
        marks: Vec::new(),
        best: best(scene, which),
        waiting: content.waiting,
        axis_style: theme.style(theme.dim),
        ascii: scene.look.ascii || scene.overlaid().next().is_some() && by_digits(scene.look),
        pixels: scene.look.pixels.as_ref(),
    }
}

/// The point of the best evaluation, in the charts of evaluations.
fn best(scene: Scene, which: Panel) -> Option<BestPoint> {
    let (run, theme) = (scene.run, &scene.look.theme);
    let best = run.best()?;
    let metric = &run.started.as_ref()?.best;
    let (y, label) = match which {
        Panel::Loss => (best.loss, number(best.loss)),
        Panel::Score => best.score(metric).map(|value| (value, score(value)))?,
        _ => return None,
    };
    let point = run.eval_loss.nearest(best.step as f64, |at| at.step)?;
    Some(BestPoint { x: scene.view.x_of()(point.last), y, label, style: theme.bold(theme.evaluation) })
}

/// Marks at the steps of checkpoints and of the best evaluation.
fn marks(scene: Scene) -> Vec<Mark> {
    let (theme, x_of) = (&scene.look.theme, scene.view.x_of());
    if scene.view.tab == Tab::System {
        // Its time axis includes pauses, that of steps does not.
        return Vec::new();
    }
    let (checkpoint, best) = if scene.look.ascii { ("^", "*") } else { ("▲", "★") };
    let style = theme.style(theme.selected);
    let written = scene.run.checkpointed.buckets().iter();
    let mut marks: Vec<Mark> = written.map(|bucket| Mark { x: x_of(bucket.last), symbol: checkpoint, style }).collect();
    if let Some(step) = scene.run.best().map(|best| best.step as f64)
        && let Some(bucket) = scene.run.eval_loss.nearest(step, |at| at.step)
    {
        marks.push(Mark { x: x_of(bucket.last), symbol: best, style: theme.bold(theme.evaluation) });
    }
    marks
}

/// The curves' names in their colours, with their values at the cursor or else the latest.
fn draw_legend(frame: &mut Frame, area: Rect, scene: Scene, content: &ChartContent) {
    let (theme, x_of) = (&scene.look.theme, scene.view.x_of());
    let mut line = Line::default();
    for curve in content.curves.iter().rev() {
        let x = scene.view.cursor.unwrap_or(f64::INFINITY);
        let Some(point) = curve.series.nearest(x, x_of) else { continue };
        let symbol = match (curve.shape, scene.look.ascii) {
            (Shape::Line, false) => "━",
            (Shape::Line, true) => "-",
            (_, false) => "◆",
            (_, true) => "o",
        };
        let range = if point.min == point.max {
            String::new()
        } else {
            format!(" (min {}, max {})", content.unit.text(point.min), content.unit.text(point.max))
        };
        line.push_span(Span::styled(format!(" {symbol} {} ", curve.name), curve.style));
        line.push_span(Span::styled(format!("{}{range} ", content.unit.text(point.end)), theme.bold(theme.text)));
        // The nearest mark may be far from the cursor.
        if curve.shape != Shape::Line {
            let at = if scene.view.timed() {
                format!("at {} ", duration(point.last.time))
            } else {
                format!("at step {} ", Unit::Steps.text(point.last.step))
            };
            line.push_span(Span::styled(at, theme.style(theme.dim)));
        }
    }
    frame.render_widget(line, area);
}

/// The step and time at the cursor, and the keys of a full-screen chart.
fn draw_foot(frame: &mut Frame, area: Rect, scene: Scene, which: Panel) {
    let (theme, x_of) = (&scene.look.theme, scene.view.x_of());
    let series = which.main(scene.run);
    let point = series.and_then(|series| series.nearest(scene.view.cursor.unwrap_or(f64::INFINITY), x_of));
    let mut line = Line::default();
    if let Some(point) = point {
        let steps = if point.first == point.last {
            format!("step {}", Unit::Steps.text(point.last.step))
        } else {
            format!("steps {}-{}", Unit::Steps.text(point.first.step), Unit::Steps.text(point.last.step))
        };
        let position = format!(" {steps}, {}", duration(point.last.time));
        line.push_span(Span::styled(position, theme.bold(theme.text)));
    }
    let (arrows, legend) =
        if scene.look.ascii { ("<- ->", "^ checkpoint  * best") } else { ("← →", "▲ checkpoint  ★ best") };
    let keys = "+ - zoom  y log  x steps/time  w write  esc back ";
    let hints = [
        format!("{legend}   {arrows} cursor  < > pan  {keys}"),
        format!("{arrows} cursor  < > pan  {keys}"),
        keys.to_owned(),
    ];
    let room = usize::from(area.width).saturating_sub(line.width() + 1);
    let hint =
        hints.into_iter().map(|hint| Line::styled(hint, theme.style(theme.dim))).find(|hint| hint.width() <= room);
    sides(frame, area, line, hint.unwrap_or_default(), scene.look.ascii);
}

/// Draws the values that have no panel on a small screen.
pub(super) fn draw_readout(frame: &mut Frame, area: Rect, scene: Scene) {
    let (run, theme) = (&scene.run, &scene.look.theme);
    let values = [
        ("tokens/s", run.throughput.light.last().map(number), theme.throughput),
        ("lr", run.learning_rate.last().map(number), theme.learning_rate),
        ("grad norm", run.grad_norm.light.last().map(number), theme.grad_norm),
        (
            if run.system.as_ref().is_some_and(|system| system.gpu.is_some()) { "GPU" } else { "RSS" },
            run.memory.last().map(bytes),
            theme.memory,
        ),
        (
            state_name(scene),
            run.account.as_ref().map(|account| bytes((account.optimizer + account.indices) as f64)),
            theme.selected,
        ),
    ];
    let mut line = Line::default();
    for (name, value, hue) in values {
        let Some(value) = value else { continue };
        let (name, value) = (format!(" {name} "), format!("{value} "));
        // A number that is cut off would be read as another one.
        if line.width() + width(&name) + width(value.trim_end()) > usize::from(area.width) {
            break;
        }
        line.push_span(Span::styled(name, theme.style(theme.dim)));
        line.push_span(Span::styled(value, theme.bold(hue)));
    }
    frame.render_widget(line, area);
}
