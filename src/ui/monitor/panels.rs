//! How each panel of the monitor is drawn.

use std::collections::BTreeMap;

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::text::{Line, Span};

use super::content::Content;
use super::panel::Panel;
use super::scene::Scene;
use super::view::Tab;
use crate::protocol::Selected;
use crate::ui::format::{Unit, bytes, duration, grouped, number};
use crate::ui::widgets::chart::{Chart, Mark, Shape};
use crate::ui::widgets::panel::{Title, panel};
use crate::ui::widgets::sides::sides;

/// Draws a panel among others.
pub fn draw(frame: &mut Frame, area: Rect, scene: Scene, which: Panel) {
    if which == Panel::Selected {
        return draw_selected(frame, area, scene);
    }
    let mut content = Content::of(scene, which);
    let title =
        Title { name: content.name, values: std::mem::take(&mut content.now), note: std::mem::take(&mut content.note) };
    // Among layers the keys are for the map.
    let focused = scene.view.tab != Tab::Layers && scene.view.chart(scene.run) == which;
    let inner = panel(frame, area, scene.look, focused, title);
    chart(scene, content).draw(inner, frame.buffer_mut());
}

/// Draws a panel that fills the screen: the whole chart, what its curves are called, and what the cursor points at.
pub fn draw_full(frame: &mut Frame, area: Rect, scene: Scene, which: Panel) {
    if which == Panel::Selected {
        return draw_selected(frame, area, scene);
    }
    let mut content = Content::of(scene, which);
    let title =
        Title { name: content.name, values: std::mem::take(&mut content.now), note: std::mem::take(&mut content.note) };
    let inner = panel(frame, area, scene.look, true, title);
    let [plot, legend, foot] = parts(inner);
    draw_legend(frame, legend, scene, &content);
    draw_foot(frame, foot, scene, which);
    let mut chart = chart(scene, content);
    chart.window = scene.view.window;
    chart.cursor = scene.view.cursor;
    chart.marks = marks(scene);
    chart.draw(plot, frame.buffer_mut());
}

/// The place along the axis that a column stands for in a panel that fills the screen.
pub fn place_at(scene: Scene, which: Panel, area: Rect, column: u16) -> Option<f64> {
    let inner = area.inner(ratatui::layout::Margin::new(1, 1));
    let mut chart = chart(scene, Content::of(scene, which));
    chart.window = scene.view.window;
    chart.place_at(parts(inner)[0], column)
}

/// Plot, legend and the line of the cursor.
fn parts(inner: Rect) -> [Rect; 3] {
    Layout::vertical([Constraint::Fill(1), Constraint::Length(1), Constraint::Length(1)]).areas(inner)
}

/// The chart of a panel, as it is drawn without a cursor.
pub fn chart<'a>(scene: Scene<'a>, content: Content<'a>) -> Chart<'a> {
    let theme = &scene.look.theme;
    Chart {
        curves: content.curves,
        axis: scene.view.axis(),
        window: None,
        log: scene.view.log && content.positive,
        value: content.unit,
        place: if scene.view.timed() { Unit::Seconds } else { Unit::Steps },
        include: content.include,
        cursor: None,
        marks: Vec::new(),
        waiting: content.waiting,
        axes: theme.style(theme.dim),
        ascii: scene.look.ascii,
    }
}

/// Where checkpoints were written, and the best evaluation.
fn marks(scene: Scene) -> Vec<Mark> {
    let (theme, axis) = (&scene.look.theme, scene.view.axis());
    if scene.view.tab == Tab::System {
        // Its clock counts pauses too, and a step's does not.
        return Vec::new();
    }
    let (checkpoint, best) = if scene.look.ascii { ("^", "*") } else { ("▲", "★") };
    let style = theme.style(theme.selected);
    let written = scene.run.checkpointed.buckets().iter();
    let mut marks: Vec<Mark> =
        written.map(|bucket| Mark { place: axis(bucket.last), symbol: checkpoint, style }).collect();
    if let Some(step) = scene.run.best().map(|best| best.step as f64)
        && let Some(bucket) = scene.run.eval_loss.nearest(step, |at| at.step)
    {
        marks.push(Mark { place: axis(bucket.last), symbol: best, style: theme.bold(theme.evaluation) });
    }
    marks
}

/// The curves' names in their colours with what they are worth at the cursor, or else now.
fn draw_legend(frame: &mut Frame, area: Rect, scene: Scene, content: &Content) {
    let (theme, axis) = (&scene.look.theme, scene.view.axis());
    let mut line = Line::default();
    for curve in content.curves.iter().rev() {
        let place = scene.view.cursor.unwrap_or(f64::INFINITY);
        let Some(point) = curve.series.nearest(place, axis) else { continue };
        let symbol = match (curve.shape, scene.look.ascii) {
            (Shape::Line, false) => "━",
            (Shape::Line, true) => "-",
            (_, false) => "◆",
            (_, true) => "o",
        };
        let range = if point.min == point.max {
            String::new()
        } else {
            format!(" ({} to {})", content.unit.text(point.min), content.unit.text(point.max))
        };
        line.push_span(Span::styled(format!(" {symbol} {} ", curve.name), curve.style));
        line.push_span(Span::styled(format!("{}{range} ", content.unit.text(point.end)), theme.bold(theme.text)));
        // The nearest mark may be far from the cursor.
        if curve.shape != Shape::Line {
            let place = if scene.view.timed() { duration(point.last.time) } else { number(point.last.step) };
            line.push_span(Span::styled(format!("at {place} "), theme.style(theme.dim)));
        }
    }
    frame.render_widget(line, area);
}

/// Where the cursor is, and the keys that count.
fn draw_foot(frame: &mut Frame, area: Rect, scene: Scene, which: Panel) {
    let (theme, axis) = (&scene.look.theme, scene.view.axis());
    let series = which.main(scene.run);
    let point = series.and_then(|series| series.nearest(scene.view.cursor.unwrap_or(f64::INFINITY), axis));
    let mut line = Line::default();
    if let Some(point) = point {
        let steps = if point.first == point.last {
            number(point.last.step)
        } else {
            format!("{} to {}", number(point.first.step), number(point.last.step))
        };
        let place = format!(" step {steps}, {}", duration(point.last.time));
        line.push_span(Span::styled(place, theme.bold(theme.text)));
    }
    let (arrows, legend) =
        if scene.look.ascii { ("<- ->", "^ checkpoint  * best") } else { ("← →", "▲ checkpoint  ★ best") };
    let keys = "+ - zoom  y log  x time  w write  esc back ";
    let hints = [
        format!("{legend}   {arrows} cursor  < > pan  {keys}"),
        format!("{arrows} cursor  < > pan  {keys}"),
        keys.to_owned(),
    ];
    let room = usize::from(area.width).saturating_sub(line.width() + 1);
    let hint =
        hints.into_iter().map(|hint| Line::styled(hint, theme.style(theme.dim))).find(|hint| hint.width() <= room);
    sides(frame, area, line, hint.unwrap_or_default());
}

/// How many components are trained, by kind of module, and how much of their gradient that covers.
fn draw_selected(frame: &mut Frame, area: Rect, scene: Scene) {
    let theme = &scene.look.theme;
    let selected = scene.run.selected.as_ref();
    let title = Title {
        name: "Selected",
        values: selected
            .map(|selected| Span::styled(grouped(selected.total), theme.bold(theme.selected)))
            .into_iter()
            .collect(),
        note: selected
            .map(|selected| {
                format!(
                    "{:.3} % of {}",
                    100.0 * selected.total as f64 / selected.of.max(1) as f64,
                    number(selected.of as f64)
                )
            })
            .unwrap_or_default(),
    };
    let inner = panel(frame, area, scene.look, scene.view.focus == Panel::Selected, title);
    let Some(selected) = selected else {
        let waiting = Line::styled("waiting for the selection", theme.style(theme.dim)).centered();
        return frame
            .render_widget(waiting, Rect { y: inner.y + inner.height / 2, height: 1.min(inner.height), ..inner });
    };
    let rows = by_module(selected, scene);
    let most = rows.iter().map(|row| row.selected).max().unwrap_or(1).max(1);
    let label =
        rows.iter().map(|row| row.name.chars().count()).max().unwrap_or(0).min(usize::from(inner.width) * 2 / 5);
    let bar_room = usize::from(inner.width).saturating_sub(label + 19);
    for (row, y) in rows.iter().zip(inner.top()..inner.bottom()) {
        let full = ((row.selected * bar_room as u64) / most) as usize;
        let mass = row.mass.map(|mass| format!("{mass:>5.1} %")).unwrap_or_default();
        let symbol = if scene.look.ascii { "=" } else { "▇" };
        // The end of a long name says more than its beginning.
        let cut = row.name.chars().count().saturating_sub(label);
        let mark = if scene.look.ascii { '~' } else { '…' };
        let name: String = match cut {
            0 => row.name.clone(),
            cut => std::iter::once(mark).chain(row.name.chars().skip(cut + 1)).collect(),
        };
        let line = Line::from(vec![
            Span::styled(format!("{name:<label$} "), theme.style(theme.dim)),
            Span::styled(symbol.repeat(full.max(1)), theme.style(theme.selected)),
            Span::raw(" ".repeat(bar_room.saturating_sub(full.max(1)))),
            Span::styled(format!("{:>9}", grouped(row.selected)), theme.style(theme.text)),
            Span::styled(format!("{mass:>8}"), theme.style(theme.mass)),
        ]);
        frame.render_widget(line, Rect { y, height: 1, ..inner });
    }
}

struct ModuleRow {
    name: String,
    selected: u64,
    mass: Option<f64>,
}

/// Targets by the name they have in every layer, the head last.
fn by_module(selected: &Selected, scene: Scene) -> Vec<ModuleRow> {
    let masses: BTreeMap<&str, f64> = match &scene.run.latest_mass {
        Some(mass) => mass.targets.iter().map(|target| (target.name.as_str(), target.mass)).collect(),
        None => BTreeMap::new(),
    };
    let mut rows: Vec<(ModuleRow, u64)> = Vec::new();
    for target in &selected.targets {
        let name = module(&target.name);
        if !rows.iter().any(|(row, _)| row.name == name) {
            rows.push((ModuleRow { name: name.clone(), selected: 0, mass: None }, 0));
        }
        if let Some((row, measured)) = rows.iter_mut().find(|(row, _)| row.name == name) {
            row.selected += target.selected;
            if let Some(&mass) = masses.get(target.name.as_str()).filter(|_| !target.name.ends_with("bias")) {
                // The mean over layers.
                row.mass = Some((row.mass.unwrap_or(0.0) * *measured as f64 + mass) / (*measured + 1) as f64);
                *measured += 1;
            }
        }
    }
    let mut rows: Vec<ModuleRow> = rows.into_iter().map(|(row, _)| row).collect();
    if selected.dense > 0 {
        rows.push(ModuleRow { name: "in full".into(), selected: selected.dense, mass: None });
    }
    rows
}

/// `bert.encoder.layer.3.attention.self.query.weight` is `query`; a name that says little alone keeps its parents.
fn module(name: &str) -> String {
    let within = name.rsplit_once('.').map_or(name, |(module, _)| module);
    let after_number = within.rfind(|c: char| c.is_ascii_digit()).map_or(0, |at| at + 1);
    let path = within[after_number..].trim_start_matches('.');
    match path.rsplit_once('.') {
        Some((_, last)) if last != "dense" && last != "LayerNorm" => last.to_owned(),
        _ => path.to_owned(),
    }
}

/// The numbers for which a small screen has no panel.
pub fn draw_readout(frame: &mut Frame, area: Rect, scene: Scene) {
    let (run, theme) = (&scene.run, &scene.look.theme);
    let values = [
        ("tokens/s", run.throughput.light.last().map(number), theme.throughput),
        ("lr", run.learning_rate.last().map(number), theme.learning_rate),
        ("norm", run.grad_norm.light.last().map(number), theme.grad_norm),
        (
            if run.system.as_ref().is_some_and(|system| system.gpu.is_some()) { "GPU" } else { "RSS" },
            run.memory.last().map(bytes),
            theme.memory,
        ),
        (
            "SIFT",
            run.account.as_ref().map(|account| bytes((account.optimizer + account.indices) as f64)),
            theme.selected,
        ),
    ];
    let mut line = Line::default();
    for (name, value, hue) in values {
        let Some(value) = value else { continue };
        line.push_span(Span::styled(format!(" {name} "), theme.style(theme.dim)));
        line.push_span(Span::styled(format!("{value} "), theme.bold(hue)));
    }
    frame.render_widget(line, area);
}
