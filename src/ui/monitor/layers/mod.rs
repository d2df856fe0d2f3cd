//! The Layers tab: a heat map of modules by layers, the exact values of the target under the cursor, and their history.

mod heat_map;

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Position, Rect};
use ratatui::text::{Line, Span};

use super::layers_view::Metric;
use super::list::move_cursor;
use super::panel::Panel;
use super::panels;
use super::scene::Scene;
use super::view::View;
use crate::runs::{History, TargetHistory};
use crate::ui::format::{grouped, percent, plain};
use crate::ui::keymap::Action;
use crate::ui::theme::Hue;
use crate::ui::widgets::panel::{Title, panel, placeholder};
use heat_map::{HeatMap, Range, shade};

pub(super) fn act(view: &mut View, run: &History, action: Action, body: Rect) {
    let (targets, layers) = (&run.targets, &mut view.layers);
    let (rows, columns) = (targets.modules.len(), targets.layers.len());
    match action {
        Action::Metric | Action::FocusNext => layers.metric = layers.metric.next(),
        Action::FocusPrevious => layers.metric = layers.metric.next().next(),
        Action::Left => layers.layer = move_cursor(layers.layer, Action::Up, 1, columns),
        Action::Right => layers.layer = move_cursor(layers.layer, Action::Down, 1, columns),
        Action::First | Action::Last => layers.layer = move_cursor(layers.layer, action, 1, columns),
        Action::Enter => view.full = layers.target(run).is_some(),
        action => layers.module = move_cursor(layers.module, action, usize::from(body.height / 2), rows),
    }
}

/// The first click moves the cursor to a target, the second opens its history.
pub(super) fn click(view: &mut View, run: &History, at: Position, body: Rect) {
    let map = HeatMap::layout(&run.targets, &view.layers, body);
    let Some((module, layer)) = map.cell_at(at) else { return };
    if run.targets.at(module, layer).is_none() {
        return;
    }
    view.full = (view.layers.module, view.layers.layer) == (module, layer);
    (view.layers.module, view.layers.layer) = (module, layer);
}

/// The areas of a target's two charts in full screen.
pub(super) fn full_screen(body: Rect) -> [Rect; 2] {
    Layout::vertical([Constraint::Fill(1); 2]).areas(body)
}

/// Draws the heat map, or the history of the target under the cursor in full screen.
pub(super) fn draw(frame: &mut Frame, body: Rect, scene: Scene) {
    let current = scene.view.layers.target(scene.run);
    if let (true, Some(index)) = (scene.view.full, current) {
        let [mass, update] = full_screen(body);
        panels::draw_full(frame, mass, scene, Panel::TargetMass(index));
        return panels::draw_full(frame, update, scene, Panel::TargetUpdate(index));
    }
    let theme = &scene.look.theme;
    let map = HeatMap::layout(&scene.run.targets, &scene.view.layers, body);
    let metric = scene.view.layers.metric;
    let title = Title {
        name: "Layers",
        values: vec![Span::styled(metric.name(), theme.bold(metric.hue(scene.look)))],
        note: "m next metric  enter history".into(),
    };
    panel(frame, map.panel, scene.look, true, title);
    let targets = &scene.run.targets;
    if targets.all.is_empty() {
        let text = match &scene.run.selected {
            Some(_) => "no sparse targets: only dense parameters are trained",
            None => "waiting for the selection",
        };
        return placeholder(frame, map.cells, scene.look, text);
    }
    let range = Range::over(targets.all.iter().filter_map(|target| metric.of(target)));
    map.draw(frame, scene, range);
    draw_scale(frame, map.scale, scene, range);
    if let Some(index) = current {
        draw_readout(frame, map.readout, scene, &targets.all[index]);
        for (area, which) in map.charts.into_iter().zip([Panel::TargetMass(index), Panel::TargetUpdate(index)]) {
            if !area.is_empty() {
                panels::draw(frame, area, scene, which);
            }
        }
    }
}

/// Draws the colours from the lowest to the highest value.
fn draw_scale(frame: &mut Frame, area: Rect, scene: Scene, range: Option<Range>) {
    let (theme, metric) = (&scene.look.theme, scene.view.layers.metric);
    let Some(Range { low, high }) = range else {
        let text = Line::styled(format!(" no {} measured yet", metric.name()), theme.style(theme.dim));
        return frame.render_widget(text, area);
    };
    let mut line = Line::from(Span::styled(format!(" {} ", percent(low)), theme.style(theme.dim)));
    let steps = 16;
    for step in 0..steps {
        let (style, fill) = shade(scene.look, metric, f64::from(step) / f64::from(steps - 1));
        line.push_span(Span::styled(fill, style));
    }
    line.push_span(Span::styled(format!(" {}  ", percent(high)), theme.style(theme.dim)));
    let step = scene.run.latest_mass.as_ref().map(|mass| format!("at step {}", grouped(mass.step)));
    if metric != Metric::Density {
        line.push_span(Span::styled(step.unwrap_or_default(), theme.style(theme.dim)));
    }
    frame.render_widget(line, area);
}

/// Draws the exact values of the target under the cursor.
fn draw_readout(frame: &mut Frame, area: Rect, scene: Scene, target: &TargetHistory) {
    let theme = &scene.look.theme;
    let shape: Vec<String> = target.shape.iter().map(i64::to_string).collect();
    let exactly = |value: Option<f64>| value.map_or("-".to_owned(), |value| format!("{value:.4} %"));
    let first = Line::from(vec![
        Span::styled(format!(" {} ", plain(&target.name)), theme.bold(theme.text)),
        Span::styled(format!(" {}", shape.join(if scene.look.ascii { " x " } else { " × " })), theme.style(theme.dim)),
    ]);
    let value = |name: &str, value: String, hue: Hue| {
        [Span::styled(format!(" {name} "), theme.style(theme.dim)), Span::styled(format!("{value} "), theme.bold(hue))]
    };
    let count = format!("{} of {}", grouped(target.selected), grouped(target.components() as u64));
    let selected = [("selected", count, theme.selected), ("density", exactly(Some(target.density())), theme.selected)];
    let measured = [
        ("gradient mass", exactly(target.mass.last()), theme.mass),
        ("update size", exactly(target.update.last()), theme.evaluation),
    ];
    let values = |values: [(&str, String, Hue); 2]| {
        values.into_iter().flat_map(|(name, text, hue)| value(name, text, hue)).collect::<Line>()
    };
    for (line, y) in [first, values(selected), values(measured)].into_iter().zip(area.top()..area.bottom()) {
        frame.render_widget(line, Rect { y, height: 1, ..area });
    }
}
