//! The layers: a heat map of modules by layers, what the marked target is exactly, and its history.

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Position, Rect};
use ratatui::style::{Modifier, Style};
use ratatui::text::{Line, Span};

use super::layers_view::{LayersView, Metric};
use super::list::moved;
use super::panel::Panel;
use super::panels;
use super::scene::Scene;
use super::view::View;
use crate::runs::History;
use crate::runs::{TargetHistories, TargetHistory};
use crate::ui::format::{grouped, percent, plain};
use crate::ui::keymap::Action;
use crate::ui::theme::Look;
use crate::ui::theme::{Depth, Hue};
use crate::ui::widgets::panel::{Title, panel};

/// Does what a key says.
pub fn act(whole: &mut View, run: &History, action: Action, body: Rect) {
    let (targets, view) = (&run.targets, &mut whole.layers);
    let (rows, columns) = (targets.modules.len(), targets.layers.len());
    match action {
        Action::Metric | Action::FocusNext => view.metric = view.metric.next(),
        Action::FocusPrevious => view.metric = view.metric.next().next(),
        Action::Left => view.layer = moved(view.layer, Action::Up, 1, columns),
        Action::Right => view.layer = moved(view.layer, Action::Down, 1, columns),
        Action::First | Action::Last => view.layer = moved(view.layer, action, 1, columns),
        Action::Enter => whole.full = view.target(run).is_some(),
        action => view.module = moved(view.module, action, usize::from(body.height / 2), rows),
    }
}

/// One click marks a target, a second opens its history.
pub fn click(whole: &mut View, run: &History, at: Position, body: Rect) {
    let Some((module, layer)) = Map::of(&run.targets, &whole.layers, body).cell_at(at) else { return };
    if run.targets.at(module, layer).is_none() {
        return;
    }
    let view = &mut whole.layers;
    whole.full = (view.module, view.layer) == (module, layer);
    (view.module, view.layer) = (module, layer);
}

/// Where the two charts of a target's history are in full screen.
pub fn full(body: Rect) -> [Rect; 2] {
    Layout::vertical([Constraint::Fill(1); 2]).areas(body)
}

/// Draws the map, or the history of the marked target in full.
pub fn draw(frame: &mut Frame, body: Rect, scene: Scene) {
    let marked = scene.view.layers.target(scene.run);
    if let (true, Some(number)) = (scene.view.full, marked) {
        let [mass, update] = full(body);
        panels::draw_full(frame, mass, scene, Panel::TargetMass(number));
        return panels::draw_full(frame, update, scene, Panel::TargetUpdate(number));
    }
    let theme = &scene.look.theme;
    let map = Map::of(&scene.run.targets, &scene.view.layers, body);
    let metric = scene.view.layers.metric;
    let title = Title {
        name: "Layers",
        values: vec![Span::styled(metric.name(), theme.bold(hue(scene.look, metric)))],
        note: "m next metric  enter history".into(),
    };
    panel(frame, map.frame, scene.look, true, title);
    let targets = &scene.run.targets;
    if targets.all.is_empty() {
        let text = match &scene.run.selected {
            Some(_) => "no target is sparse: only what is trained in full",
            None => "waiting for the selection",
        };
        let line = Line::styled(text, theme.style(theme.dim)).centered();
        let middle = Rect { y: map.cells.y + map.cells.height / 2, height: 1.min(map.cells.height), ..map.cells };
        return frame.render_widget(line, middle);
    }
    let values: Vec<f64> = targets.all.iter().filter_map(|target| metric.of(target)).collect();
    let range = values.iter().fold(None, |range: Option<(f64, f64)>, &value| {
        Some(range.map_or((value, value), |(low, high)| (low.min(value), high.max(value))))
    });
    map.draw(frame, scene, range);
    draw_scale(frame, map.scale, scene, range);
    if let Some(number) = marked {
        draw_readout(frame, map.readout, scene, &targets.all[number]);
        for (area, which) in map.charts.into_iter().zip([Panel::TargetMass(number), Panel::TargetUpdate(number)]) {
            if !area.is_empty() {
                panels::draw(frame, area, scene, which);
            }
        }
    }
}

fn hue(look: &Look, metric: Metric) -> Hue {
    match metric {
        Metric::Mass => look.theme.mass,
        Metric::Update => look.theme.evaluation,
        Metric::Density => look.theme.selected,
    }
}

/// Where everything lies.
struct Map {
    frame: Rect,
    /// The first line of it numbers the layers.
    cells: Rect,
    /// Columns of the modules' names.
    gutter: u16,
    /// Size of a cell.
    cell: (u16, u16),
    /// The first row and column shown.
    first: (usize, usize),
    shown: (usize, usize),
    scale: Rect,
    readout: Rect,
    charts: [Rect; 2],
}

impl Map {
    fn of(targets: &TargetHistories, view: &LayersView, body: Rect) -> Map {
        // A file may name as many as it likes; what is shown of them is a screenful.
        let count = |number: usize| number.clamp(1, 4096) as u16;
        let (rows, columns) = (count(targets.modules.len()), count(targets.layers.len()));
        let longest = targets.modules.iter().map(|module| module.chars().count()).max().unwrap_or(0);
        let gutter = (count(longest) + 2).min(body.width / 3);
        // Beside the map or below it, wherever there is room, the history of the marked target.
        let wide = gutter + 7 * columns + 2;
        let [left, right] = if body.height >= 14 && wide + 44 <= body.width {
            Layout::horizontal([Constraint::Length(wide.max(body.width / 2)), Constraint::Fill(1)]).areas(body)
        } else {
            [body, Rect::ZERO]
        };
        let needed = rows + 5 + 2;
        let [left, below] = if right.is_empty() && left.height >= needed + 10 {
            let map = needed.max(left.height / 2);
            Layout::vertical([Constraint::Length(map), Constraint::Fill(1)]).areas(left)
        } else {
            [left, Rect::ZERO]
        };
        let charts = match (right.is_empty(), below.is_empty()) {
            (false, _) => Layout::vertical([Constraint::Fill(1); 2]).areas(right),
            (_, false) => Layout::horizontal([Constraint::Fill(1); 2]).areas(below),
            _ => [Rect::ZERO; 2],
        };
        let inner = left.inner(ratatui::layout::Margin::new(1, 1));
        let lines = [Constraint::Fill(1), Constraint::Length(1), Constraint::Length(3)];
        let [cells, scale, readout] = Layout::vertical(lines).areas(inner);
        let room = cells.width.saturating_sub(gutter);
        let cell = ((room / columns).clamp(2, 9), (cells.height.saturating_sub(1) / rows).clamp(1, 3));
        let (rows, columns) = (targets.modules.len(), targets.layers.len());
        let shown =
            (usize::from(cells.height.saturating_sub(1) / cell.1).min(rows), usize::from(room / cell.0).min(columns));
        let first = |marked: usize, shown: usize, all: usize| {
            (marked + 1).saturating_sub(shown.div_ceil(2)).min(all.saturating_sub(shown))
        };
        let first = (first(view.module, shown.0, rows), first(view.layer, shown.1, columns));
        Map { frame: left, cells, gutter, cell, first, shown, scale, readout, charts }
    }

    fn area(&self, row: usize, column: usize) -> Rect {
        let (width, height) = self.cell;
        let x = self.cells.x + self.gutter + column as u16 * width;
        let y = self.cells.y + 1 + row as u16 * height;
        Rect { x, y, width, height }.intersection(self.cells)
    }

    /// The module and layer at a place of the screen.
    fn cell_at(&self, at: Position) -> Option<(usize, usize)> {
        let all = (0..self.shown.0).flat_map(|row| (0..self.shown.1).map(move |column| (row, column)));
        let mut hit = all.filter(|(row, column)| self.area(*row, *column).contains(at));
        hit.next().map(|(row, column)| (row + self.first.0, column + self.first.1))
    }

    fn draw(&self, frame: &mut Frame, scene: Scene, range: Option<(f64, f64)>) {
        let (targets, view, theme) = (&scene.run.targets, &scene.view.layers, &scene.look.theme);
        // As many numbers as there is room for.
        let widest = targets.layers.last().copied().flatten().map_or(1, |last| last.to_string().len()) + 1;
        let every = widest.div_ceil(usize::from(self.cell.0)).max(1);
        let mut free = 0;
        for column in 0..self.shown.1 {
            let layer = targets.layers[column + self.first.1];
            let marked = column + self.first.1 == view.layer;
            let style = if marked { theme.bold(theme.text) } else { theme.style(theme.dim) };
            let name = layer.map_or("-".to_owned(), |layer| layer.to_string());
            let area = Rect { y: self.cells.y, height: 1.min(self.cells.height), ..self.area(0, column) };
            let area = Rect { width: area.width.max(name.len() as u16), ..area }.intersection(self.cells);
            if (column % every == 0 || marked) && area.x >= free {
                frame.render_widget(Line::styled(name, style).centered(), area);
                free = area.right();
            }
        }
        for row in 0..self.shown.0 {
            let module = row + self.first.0;
            let style = if module == view.module { theme.bold(theme.text) } else { theme.style(theme.dim) };
            let first = self.area(row, 0);
            let name = Rect {
                x: self.cells.x,
                width: self.gutter.saturating_sub(1),
                y: first.y + first.height / 2,
                height: 1,
            };
            frame.render_widget(Line::styled(plain(&targets.modules[module]), style), name.intersection(self.cells));
            for column in 0..self.shown.1 {
                let layer = column + self.first.1;
                let target = targets.at(module, layer).map(|number| &targets.all[number]);
                let value = target.and_then(|target| view.metric.of(target));
                let marked = (module, layer) == (view.module, view.layer);
                self.draw_cell(frame, scene, self.area(row, column), value.zip(range), marked);
            }
        }
    }

    fn draw_cell(&self, frame: &mut Frame, scene: Scene, area: Rect, value: Option<(f64, (f64, f64))>, marked: bool) {
        let theme = &scene.look.theme;
        let (style, fill) = match value {
            Some((value, range)) => shade(scene.look, scene.view.layers.metric, share(value, range)),
            None => (theme.style(theme.dim), if scene.look.ascii { "." } else { "·" }),
        };
        for y in area.top()..area.bottom() {
            let room = usize::from(area.width);
            let text = match value {
                Some((value, _)) if y == area.y + area.height / 2 && room >= 5 => {
                    // Where characters stand for colours, some are seen beside the number.
                    let edge = fill.repeat((room - 5) / 2);
                    let middle = room - 2 * edge.chars().count();
                    format!("{edge}{:^middle$}{edge}", figure(value))
                }
                _ => fill.repeat(room),
            };
            frame.render_widget(Span::styled(text, style), Rect { y, height: 1, ..area });
        }
        if marked && !area.is_empty() {
            let y = area.y + area.height / 2;
            let buffer = frame.buffer_mut();
            if area.width >= 3 && scene.look.depth == Depth::None {
                for (x, bracket) in [(area.x, "["), (area.right() - 1, "]")] {
                    buffer[(x, y)].set_symbol(bracket).modifier.insert(Modifier::BOLD);
                }
            }
            for (x, y) in area.positions().map(|place| (place.x, place.y)) {
                buffer[(x, y)].modifier.insert(Modifier::REVERSED);
            }
        }
    }
}

/// Where a value lies in its range; in the middle if there is but one.
fn share(value: f64, (low, high): (f64, f64)) -> f64 {
    if high > low { (value - low) / (high - low) } else { 0.5 }
}

/// How a share of the range looks: a colour between track and the metric's, or a denser character where colours are few.
fn shade(look: &Look, metric: Metric, share: f64) -> (Style, &'static str) {
    let theme = &look.theme;
    match theme.between(theme.track, hue(look, metric), share, look.depth) {
        Some((colour, ink)) => (Style::new().bg(colour.0).fg(ink.0), " "),
        None => {
            let steps = if look.ascii { [".", ":", "+", "#"] } else { ["░", "▒", "▓", "█"] };
            let step = ((share * 4.0) as usize).min(3);
            (theme.style(hue(look, metric)), steps[step])
        }
    }
}

/// A percentage in four characters at most.
fn figure(value: f64) -> String {
    match value.abs() {
        99.95.. => format!("{value:.0}"),
        9.995.. => format!("{value:.1}"),
        0.01.. => format!("{value:.2}"),
        0.0 => "0".into(),
        _ => format!("{value:.0e}"),
    }
}

/// What the colours stand for.
fn draw_scale(frame: &mut Frame, area: Rect, scene: Scene, range: Option<(f64, f64)>) {
    let (theme, metric) = (&scene.look.theme, scene.view.layers.metric);
    let Some((low, high)) = range else {
        let text = Line::styled(format!(" no {} was told", metric.name()), theme.style(theme.dim));
        return frame.render_widget(text, area);
    };
    let mut line = Line::from(Span::styled(format!(" {} ", percent(low)), theme.style(theme.dim)));
    let steps = 16;
    for step in 0..steps {
        let (style, fill) = shade(scene.look, metric, f64::from(step) / f64::from(steps - 1));
        line.push_span(Span::styled(fill, style));
    }
    line.push_span(Span::styled(format!(" {}  ", percent(high)), theme.style(theme.dim)));
    let step = scene.run.latest_mass.as_ref().map(|mass| format!("as of step {}", grouped(mass.step)));
    if metric != Metric::Density {
        line.push_span(Span::styled(step.unwrap_or_default(), theme.style(theme.dim)));
    }
    frame.render_widget(line, area);
}

/// The marked target, exactly.
fn draw_readout(frame: &mut Frame, area: Rect, scene: Scene, target: &TargetHistory) {
    let theme = &scene.look.theme;
    let shape: Vec<String> = target.shape.iter().map(i64::to_string).collect();
    let exactly = |value: Option<f64>| value.map_or("-".to_owned(), |value| format!("{value:.4} %"));
    let first = Line::from(vec![
        Span::styled(format!(" {} ", plain(&target.name)), theme.bold(theme.text)),
        Span::styled(format!(" {}", shape.join(if scene.look.ascii { " x " } else { " × " })), theme.style(theme.dim)),
    ]);
    let value = |name: &str, value: String, hue: Hue| {
        [Span::styled(format!(" {name} "), theme.style(theme.dim)), Span::styled(value, theme.bold(hue))]
    };
    let count = format!("{} of {}", grouped(target.selected), grouped(target.components() as u64));
    let selected = [("selected", count, theme.selected), ("density", exactly(Some(target.density())), theme.selected)];
    let measured = [
        ("mass", exactly(target.mass.last()), theme.mass),
        ("update", exactly(target.update.last()), theme.evaluation),
    ];
    let values = |values: [(&str, String, Hue); 2]| {
        values.into_iter().flat_map(|(name, text, hue)| value(name, text, hue)).collect::<Line>()
    };
    for (line, y) in [first, values(selected), values(measured)].into_iter().zip(area.top()..area.bottom()) {
        frame.render_widget(line, Rect { y, height: 1, ..area });
    }
}
