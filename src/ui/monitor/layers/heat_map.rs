//! A heat map of a metric by module and layer: its layout for an area, its cells and their shades.

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Margin, Position, Rect};
use ratatui::style::{Modifier, Style};
use ratatui::text::{Line, Span};

use crate::runs::TargetHistories;
use crate::ui::format::{fitted_end, plain, width};
use crate::ui::monitor::layers_view::{LayersView, Metric};
use crate::ui::monitor::scene::Scene;
use crate::ui::theme::{Depth, Look};

/// Characters of a figure within a cell.
const FIGURE: usize = 5;

/// The areas of the tab. Rows are modules, columns are layers.
pub(super) struct HeatMap {
    /// The panel of the map.
    pub(super) panel: Rect,
    /// The cells, below a line with the layers' indices.
    pub(super) cells: Rect,
    /// Columns of the modules' names.
    gutter: u16,
    /// Width and height of a cell.
    cell: (u16, u16),
    /// The first visible row and column.
    first: (usize, usize),
    /// The number of visible rows and columns.
    visible: (usize, usize),
    pub(super) scale: Rect,
    pub(super) readout: Rect,
    /// The charts of the target under the cursor; empty where there is no room.
    pub(super) charts: [Rect; 2],
}

/// The lowest and the highest value of the metric.
#[derive(Clone, Copy)]
pub(super) struct Range {
    pub(super) low: f64,
    pub(super) high: f64,
}

impl Range {
    /// The range of values; `None` without values.
    pub(super) fn over(values: impl Iterator<Item = f64>) -> Option<Range> {
        values.fold(None, |range: Option<Range>, value| {
            let Range { low, high } = range.unwrap_or(Range { low: value, high: value });
            Some(Range { low: low.min(value), high: high.max(value) })
        })
    }

    /// The share of the range below a value; a half if all values are equal.
    fn share(self, value: f64) -> f64 {
        if self.high > self.low { (value - self.low) / (self.high - self.low) } else { 0.5 }
    }
}

impl HeatMap {
    pub(super) fn layout(targets: &TargetHistories, view: &LayersView, body: Rect) -> HeatMap {
        // The counts come from a file and may be any number; one screen shows far fewer than the limit.
        let count = |number: usize| number.clamp(1, 4096) as u16;
        let (rows, columns) = (count(targets.modules.len()), count(targets.layers.len()));
        let longest = targets.modules.iter().map(|module| width(module)).max().unwrap_or(0);
        let gutter = (count(longest) + 2).min(body.width / 3);
        // The charts lie beside the map or below it, wherever there is room.
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
        let inner = left.inner(Margin::new(1, 1));
        let lines = [Constraint::Fill(1), Constraint::Length(1), Constraint::Length(3)];
        let [cells, scale, readout] = Layout::vertical(lines).areas(inner);
        let room = cells.width.saturating_sub(gutter);
        let cell = ((room / columns).clamp(2, 9), (cells.height.saturating_sub(1) / rows).clamp(1, 3));
        let (rows, columns) = (targets.modules.len(), targets.layers.len());
        let visible =
            (usize::from(cells.height.saturating_sub(1) / cell.1).min(rows), usize::from(room / cell.0).min(columns));
        let first = |cursor: usize, visible: usize, all: usize| {
            (cursor + 1).saturating_sub(visible.div_ceil(2)).min(all.saturating_sub(visible))
        };
        let first = (first(view.module, visible.0, rows), first(view.layer, visible.1, columns));
        HeatMap { panel: left, cells, gutter, cell, first, visible, scale, readout, charts }
    }

    fn area(&self, row: usize, column: usize) -> Rect {
        let (width, height) = self.cell;
        let x = self.cells.x + self.gutter + column as u16 * width;
        let y = self.cells.y + 1 + row as u16 * height;
        Rect { x, y, width, height }.intersection(self.cells)
    }

    /// The module and layer at a screen position.
    pub(super) fn cell_at(&self, position: Position) -> Option<(usize, usize)> {
        let all = (0..self.visible.0).flat_map(|row| (0..self.visible.1).map(move |column| (row, column)));
        let mut hit = all.filter(|(row, column)| self.area(*row, *column).contains(position));
        hit.next().map(|(row, column)| (row + self.first.0, column + self.first.1))
    }

    pub(super) fn draw(&self, frame: &mut Frame, scene: Scene, range: Option<Range>) {
        self.draw_layer_indices(frame, scene);
        self.draw_rows(frame, scene, range);
    }

    /// Draws the indices of the layers, as many as there is room for.
    fn draw_layer_indices(&self, frame: &mut Frame, scene: Scene) {
        let (targets, view, theme) = (&scene.run.targets, &scene.view.layers, &scene.look.theme);
        let widest = targets.layers.last().copied().flatten().map_or(1, |last| last.to_string().len()) + 1;
        let every = widest.div_ceil(usize::from(self.cell.0)).max(1);
        let mut free = 0;
        for column in 0..self.visible.1 {
            let layer = targets.layers[column + self.first.1];
            let at_cursor = column + self.first.1 == view.layer;
            let style = if at_cursor { theme.bold(theme.text) } else { theme.style(theme.dim) };
            let name = layer.map_or("-".to_owned(), |layer| layer.to_string());
            let area = Rect { y: self.cells.y, height: 1.min(self.cells.height), ..self.area(0, column) };
            let area = Rect { width: area.width.max(name.len() as u16), ..area }.intersection(self.cells);
            if (column % every == 0 || at_cursor) && area.x >= free {
                frame.render_widget(Line::styled(name, style).centered(), area);
                free = area.right();
            }
        }
    }

    /// Draws the names of the modules and their cells.
    fn draw_rows(&self, frame: &mut Frame, scene: Scene, range: Option<Range>) {
        let (targets, view, theme) = (&scene.run.targets, &scene.view.layers, &scene.look.theme);
        for row in 0..self.visible.0 {
            let module = row + self.first.0;
            let style = if module == view.module { theme.bold(theme.text) } else { theme.style(theme.dim) };
            let first = self.area(row, 0);
            let name = Rect {
                x: self.cells.x,
                width: self.gutter.saturating_sub(1),
                y: first.y + first.height / 2,
                height: 1,
            };
            let text = fitted_end(&plain(&targets.modules[module]), usize::from(name.width), scene.look.ascii);
            frame.render_widget(Line::styled(text, style), name.intersection(self.cells));
            for column in 0..self.visible.1 {
                let layer = column + self.first.1;
                let target = targets.at(module, layer).map(|index| &targets.all[index]);
                let value = target.and_then(|target| view.metric.of(target)).zip(range);
                let area = self.area(row, column);
                draw_cell(frame, scene, area, value);
                if (module, layer) == (view.module, view.layer) {
                    draw_cursor(frame, scene.look.depth, area);
                }
            }
        }
    }
}

/// Draws a cell with its shade, and where there is room its value.
fn draw_cell(frame: &mut Frame, scene: Scene, area: Rect, value: Option<(f64, Range)>) {
    let theme = &scene.look.theme;
    let (style, fill) = match value {
        Some((value, range)) => shade(scene.look, scene.view.layers.metric, range.share(value)),
        None => (theme.style(theme.dim), if scene.look.ascii { "." } else { "·" }),
    };
    let width = usize::from(area.width);
    for y in area.top()..area.bottom() {
        let text = match value {
            Some((value, _)) if y == area.y + area.height / 2 && width >= FIGURE => {
                // Where characters stand for colours, some stay visible beside the figure.
                let edge = fill.repeat((width - FIGURE) / 2);
                let middle = width - 2 * edge.chars().count();
                format!("{edge}{:^middle$}{edge}", figure(value))
            }
            _ => fill.repeat(width),
        };
        frame.render_widget(Span::styled(text, style), Rect { y, height: 1, ..area });
    }
}

/// Reverses a cell; without colours it gets brackets too.
fn draw_cursor(frame: &mut Frame, depth: Depth, area: Rect) {
    if area.is_empty() {
        return;
    }
    let y = area.y + area.height / 2;
    let buffer = frame.buffer_mut();
    if area.width >= 3 && depth == Depth::None {
        for (x, bracket) in [(area.x, "["), (area.right() - 1, "]")] {
            buffer[(x, y)].set_symbol(bracket).modifier.insert(Modifier::BOLD);
        }
    }
    for position in area.positions() {
        buffer[position].modifier.insert(Modifier::REVERSED);
    }
}

/// The style and fill of a share of the range: a colour between the track's and the metric's, or characters of growing density
/// where the terminal has few colours.
pub(super) fn shade(look: &Look, metric: Metric, share: f64) -> (Style, &'static str) {
    let theme = &look.theme;
    match theme.between(theme.track, metric.hue(look), share, look.depth) {
        Some((colour, ink)) => (Style::new().bg(colour.0).fg(ink.0), " "),
        None => {
            let steps = if look.ascii { [".", ":", "+", "#"] } else { ["░", "▒", "▓", "█"] };
            let step = ((share * 4.0) as usize).min(3);
            (theme.style(metric.hue(look)), steps[step])
        }
    }
}

/// A percentage in at most four characters.
fn figure(value: f64) -> String {
    match value.abs() {
        99.95.. => format!("{value:.0}"),
        9.995.. => format!("{value:.1}"),
        0.01.. => format!("{value:.2}"),
        0.0 => "0".into(),
        _ => format!("{value:.0e}"),
    }
}
