//! What each panel of the monitor shows.

use std::collections::BTreeMap;

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use super::Scene;
use super::content::Content;
use super::header::{level_hue, sides};
use super::overview::Panel;
use crate::protocol::Selected;
use crate::ui::format::{Unit, bytes, duration, grouped, number};
use crate::ui::widgets::chart::Chart;
use crate::ui::widgets::panel::{Title, panel};

/// Draws a panel.
pub fn draw(frame: &mut Frame, area: Rect, scene: Scene, which: Panel) {
    if which == Panel::Selected {
        return draw_selected(frame, area, scene);
    }
    let content = Content::of(scene, which);
    let full = scene.view.full;
    let title = Title { name: content.name, values: content.now, note: content.note };
    let mut inner = panel(frame, area, scene.look, scene.view.focus == which, title);
    if full {
        let line = Rect { y: inner.bottom().saturating_sub(1), height: 1.min(inner.height), ..inner };
        inner.height = inner.height.saturating_sub(1);
        draw_cursor_line(frame, line, scene, which, content.unit);
    }
    let theme = &scene.look.theme;
    let chart = Chart {
        curves: content.curves,
        axis: scene.view.axis(),
        window: scene.view.window.filter(|_| full),
        log: scene.view.log && content.positive,
        value: content.unit,
        place: if scene.view.time { Unit::Seconds } else { Unit::Number },
        include: &[],
        cursor: scene.view.cursor.filter(|_| full),
        waiting: content.waiting,
        axes: theme.style(theme.dim),
        ascii: scene.look.ascii,
    };
    chart.draw(inner, frame.buffer_mut());
}

/// In full screen: what the cursor points at.
fn draw_cursor_line(frame: &mut Frame, area: Rect, scene: Scene, which: Panel, unit: Unit) {
    let theme = &scene.look.theme;
    let axis = scene.view.axis();
    let series = which.main(scene.run);
    let point = series.and_then(|series| series.nearest(scene.view.cursor.unwrap_or(f64::INFINITY), axis));
    let mut line = Line::default();
    if let Some(point) = point {
        let steps = if point.first == point.last {
            number(point.last.step)
        } else {
            format!("{} to {}", number(point.first.step), number(point.last.step))
        };
        let range = if point.min == point.max {
            String::new()
        } else {
            format!(" ({} to {})", unit.text(point.min), unit.text(point.max))
        };
        line.push_span(Span::styled(format!("step {steps}, {}  ", duration(point.last.time)), theme.style(theme.dim)));
        line.push_span(Span::styled(format!("{}{range}", unit.text(point.end)), theme.bold(theme.text)));
    }
    let hint = if scene.look.ascii {
        "<- -> cursor  + - zoom  y log  x time  esc back"
    } else {
        "← → cursor  + − zoom  y log  x time  esc back"
    };
    sides(frame, area, line, Line::styled(hint, theme.style(theme.dim)));
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
    let label = rows.iter().map(|row| row.name.chars().count()).max().unwrap_or(0).min(usize::from(inner.width) / 3);
    let bar_room = usize::from(inner.width).saturating_sub(label + 19);
    for (row, y) in rows.iter().zip(inner.top()..inner.bottom()) {
        let full = ((row.selected * bar_room as u64) / most) as usize;
        let mass = row.mass.map(|mass| format!("{mass:>5.1} %")).unwrap_or_default();
        let symbol = if scene.look.ascii { "=" } else { "▇" };
        let name: String = row.name.chars().skip(row.name.chars().count().saturating_sub(label)).collect();
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

/// The last lines of the log.
pub fn draw_log(frame: &mut Frame, area: Rect, scene: Scene) {
    let theme = &scene.look.theme;
    let title = Title::named("Log");
    let inner = panel(frame, area, scene.look, false, title);
    let log = &scene.run.log;
    let skip = log.len().saturating_sub(usize::from(inner.height));
    for ((level, message), y) in log.iter().skip(skip).zip(inner.top()..inner.bottom()) {
        frame.render_widget(
            Line::styled(message.as_str(), theme.style(level_hue(scene, *level))),
            Rect { y, height: 1, ..inner },
        );
    }
}
