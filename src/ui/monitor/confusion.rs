//! The confusion matrix beside the examples: a row for each label, a column for each predicted class.

use ratatui::Frame;
use ratatui::layout::{Position, Rect};
use ratatui::style::{Modifier, Style};
use ratatui::text::{Line, Span};

use super::confusion_view::{CellFilter, ConfusionView, Matrix};
use super::list::move_cursor;
use super::scene::Scene;
use crate::protocol::Confusion;
use crate::text::{padded, padded_start};
use crate::ui::format::{fitted, fitted_end, grouped, percent, plain, truncated, width};
use crate::ui::keymap::Action;
use crate::ui::widgets::panel::{Title, panel};

/// Columns of the recall behind each row.
const RECALL: u16 = 8;

/// The widest column of names, and the widest and the tallest cell.
const NAME: usize = 20;
const CELL: (u16, u16) = (14, 3);

/// The visible part of a matrix on the screen.
struct Grid {
    /// The area inside the frame.
    inner: Rect,
    /// Columns of the labels, with a space behind them.
    names: u16,
    /// Size of a cell.
    cell: (u16, u16),
    /// Rows or columns that are visible, from the first on.
    rows: std::ops::Range<usize>,
    columns: std::ops::Range<usize>,
}

/// The columns that a matrix with its frame needs for whole names.
pub(super) fn wanted_width(matrix: &Confusion) -> u16 {
    let names = name_width(matrix);
    let cell = (names + 1).clamp(least_cell(matrix), CELL.0);
    names + (matrix.classes.len() as u16).saturating_mul(cell) + RECALL + 2
}

pub(super) fn act(view: &mut ConfusionView, matrix: &Confusion, action: Action, page: usize) {
    let classes = matrix.classes.len();
    match action {
        Action::Enter => view.toggle_filter(matrix),
        Action::Left => view.predicted = move_cursor(view.predicted, Action::Up, 1, classes),
        Action::Right => view.predicted = move_cursor(view.predicted, Action::Down, 1, classes),
        action => view.label = move_cursor(view.label, action, page, classes),
    }
    if action != Action::Enter {
        view.follow(matrix);
    }
}

/// The first click moves the cursor to a cell, the second filters by it.
pub(super) fn click(view: &mut ConfusionView, matrix: &Confusion, at: Position, area: Rect) {
    let grid = Grid::of(matrix, view, area);
    let Some((label, predicted)) = grid.cell_at(at) else { return };
    let again = view.focused && (view.label, view.predicted) == (label, predicted);
    (view.focused, view.label, view.predicted) = (true, label, predicted);
    if again { view.toggle_filter(matrix) } else { view.follow(matrix) }
}

pub(super) fn draw(frame: &mut Frame, area: Rect, scene: Scene, matrix: &Matrix) {
    let (theme, view) = (&scene.look.theme, &scene.view.confusion);
    let Matrix { confusion, listed_only } = matrix;
    let grid = Grid::of(confusion, view, area);
    panel(frame, area, scene.look, view.focused, title(scene, matrix, &grid));
    // Right below the matrix, with an empty line between if there is one.
    let below = grid.inner.y + 2 + grid.rows.len() as u16 * grid.cell.1;
    let last = grid.inner.bottom().saturating_sub(1).min(below);
    let last = Rect { y: last, height: 1, ..grid.inner }.intersection(grid.inner);
    truncated_line(frame, last, scene, readout(scene, confusion));
    let line = |row: u16| Rect { y: grid.inner.y + row, height: 1, ..grid.inner }.intersection(grid.inner);
    let name = |class: usize| confusion.classes.get(class).map(|name| plain(name)).unwrap_or_default();
    let mut head = vec![Span::raw(" ".repeat(usize::from(grid.names)))];
    let shown: Vec<String> = grid.columns.clone().map(name).collect();
    for (class, shown) in grid.columns.clone().zip(headings(&shown, usize::from(grid.cell.0) - 1, scene.look.ascii)) {
        let style =
            if view.predicted == class && view.focused { theme.bold(theme.text) } else { theme.style(theme.dim) };
        head.push(Span::styled(centered(&shown, usize::from(grid.cell.0)), style));
    }
    if !listed_only {
        head.push(Span::styled(padded_start("recall", usize::from(RECALL)), theme.style(theme.dim)));
    }
    frame.render_widget(Line::from(head), line(0));
    for (row, label) in (0u16..).zip(grid.rows.clone()) {
        for part in 0..grid.cell.1 {
            let middle = part == grid.cell.1 / 2;
            let named = if middle { name(label) } else { String::new() };
            let named = fitted(&named, usize::from(grid.names).saturating_sub(1), scene.look.ascii) + " ";
            let style =
                if view.label == label && view.focused { theme.bold(theme.text) } else { theme.style(theme.dim) };
            let mut spans = vec![Span::styled(named, style)];
            spans.extend(grid.columns.clone().map(|predicted| cell(scene, confusion, label, predicted, &grid, middle)));
            let recall = confusion.recall(label).filter(|_| middle && !listed_only);
            spans.extend(recall.map(|recall| {
                Span::styled(padded_start(&percent(100.0 * recall), usize::from(RECALL)), theme.style(theme.score))
            }));
            frame.render_widget(Line::from(spans), line(1 + row * grid.cell.1 + part));
        }
    }
}

/// Names that are no wider than a column. Those that begin alike are truncated at the start instead of the end.
fn headings(names: &[String], room: usize, ascii: bool) -> Vec<String> {
    let fit = |fit: fn(&str, usize, bool) -> String| {
        names.iter().map(|name| fit(name, room, ascii).trim_end().to_owned()).collect::<Vec<_>>()
    };
    let heads = fit(fitted);
    let alike = heads.iter().enumerate().any(|(index, head)| heads[..index].contains(head));
    if alike { fit(fitted_end) } else { heads }
}

/// How many examples are right, or that the matrix is of few examples.
fn title(scene: Scene, matrix: &Matrix, grid: &Grid) -> Title<'static> {
    let (theme, confusion) = (&scene.look.theme, &matrix.confusion);
    let all: u64 = confusion.counts.iter().flatten().sum();
    let right: u64 = (0..confusion.classes.len()).map(|class| confusion.count(class, class)).sum();
    let (classes, shown) = (confusion.classes.len() as u64, grid.columns.len().min(grid.rows.len()) as u64);
    let (value, hue) = match matrix.listed_only {
        // The highest losses are mostly of wrong predictions: their share of right ones would mislead.
        true => (format!("of the {all} listed"), theme.warning),
        false if classes < confusion.of => (format!("{classes} of {} classes", confusion.of), theme.dim),
        false => (format!("{} of {} right", grouped(right), grouped(all)), theme.score),
    };
    let note = match () {
        () if shown < classes => format!("{shown} of {classes} classes"),
        () if scene.view.confusion.focused => "enter filter".into(),
        () => "tab select".into(),
    };
    Title { values: vec![Span::styled(value, theme.style(hue))], note, ..Title::named("Confusion") }
}

/// The cell under the cursor in words, or what rows and columns are.
fn readout(scene: Scene, confusion: &Confusion) -> Line<'static> {
    let (theme, view) = (&scene.look.theme, &scene.view.confusion);
    let Some(cell) = view.cell(confusion).filter(|_| view.focused) else {
        return Line::styled("rows: label, columns: predicted", theme.style(theme.dim));
    };
    let (count, of) = (confusion.count(view.label, view.predicted), confusion.labelled.get(view.label).copied());
    let of = of.unwrap_or(0);
    let share = percent(100.0 * count as f64 / of.max(1) as f64);
    Line::from(vec![
        Span::styled(format!("{} of {} ({share})  ", grouped(count), grouped(of)), theme.bold(theme.text)),
        Span::styled(arrow(scene, &cell), theme.style(theme.accent)),
    ])
}

/// `positive → negative`: the label and the predicted class.
pub(super) fn arrow(scene: Scene, cell: &CellFilter) -> String {
    let arrow = if scene.look.ascii { "->" } else { "→" };
    format!("{} {arrow} {}", plain(&cell.label), plain(&cell.predicted))
}

/// A cell, shaded by its share of the label's examples: right ones in one colour, wrong ones in another.
fn cell(scene: Scene, matrix: &Confusion, label: usize, predicted: usize, grid: &Grid, middle: bool) -> Span<'static> {
    let (look, view) = (scene.look, &scene.view.confusion);
    let theme = &look.theme;
    let count = matrix.count(label, predicted);
    let share = count as f64 / matrix.labelled.get(label).copied().unwrap_or(0).max(1) as f64;
    // Wrong predictions are few: the square root makes a difference among them visible.
    let (hue, share) = if label == predicted { (theme.good, share) } else { (theme.error, share.sqrt()) };
    let style = match theme.between(theme.track, hue, share.clamp(0.0, 1.0), look.depth) {
        Some((colour, ink)) => Style::new().bg(colour.0).fg(ink.0),
        None if count == 0 => theme.style(theme.dim),
        None => theme.style(hue),
    };
    let is = |filter: &CellFilter| {
        let is_class = |index: usize, name: &String| matrix.classes.get(index) == Some(name);
        is_class(label, &filter.label) && is_class(predicted, &filter.predicted)
    };
    let filtered = view.filter.as_ref().is_some_and(is);
    let text = match (middle, filtered) {
        (false, _) => String::new(),
        (true, true) => format!("[{}]", grouped(count)),
        (true, false) => grouped(count),
    };
    let under_cursor = view.focused && (view.label, view.predicted) == (label, predicted);
    let marks = if under_cursor { Modifier::REVERSED | Modifier::BOLD } else { Modifier::empty() };
    Span::styled(centered(&text, usize::from(grid.cell.0)), style.add_modifier(marks))
}

impl Grid {
    /// The part of a matrix around the cursor that fits an area.
    fn of(matrix: &Confusion, view: &ConfusionView, area: Rect) -> Grid {
        let inner = area.inner(ratatui::layout::Margin::new(1, 1));
        let classes = matrix.classes.len();
        let names = name_width(matrix).min(inner.width / 3);
        let room = inner.width.saturating_sub(names + RECALL);
        let wide = (room / (classes.max(1) as u16)).min(CELL.0).max(least_cell(matrix));
        // The first line has the names of the columns, the last one the cell in words.
        let lines = inner.height.saturating_sub(2);
        // An odd height has a middle.
        let high = if usize::from(lines / CELL.1) >= classes { CELL.1 } else { 1 };
        let visible = |cursor: usize, count: u16| {
            let count = usize::from(count).clamp(1, classes.max(1));
            let first =
                cursor.min(classes.saturating_sub(1)).saturating_sub(count / 2).min(classes - count.min(classes));
            first..(first + count).min(classes)
        };
        let rows = visible(view.label, lines / high);
        Grid { inner, names, cell: (wide, high), rows, columns: visible(view.predicted, room / wide) }
    }

    fn cell_at(&self, at: Position) -> Option<(usize, usize)> {
        let x = usize::from(at.x.checked_sub(self.inner.x + self.names)? / self.cell.0);
        let y = usize::from(at.y.checked_sub(self.inner.y + 1)? / self.cell.1);
        let inside = self.inner.contains(at) && x < self.columns.len() && y < self.rows.len();
        inside.then_some((self.rows.start + y, self.columns.start + x))
    }
}

fn name_width(matrix: &Confusion) -> u16 {
    matrix.classes.iter().map(|name| width(name)).max().unwrap_or(0).clamp(5, NAME) as u16 + 1
}

/// The width of a cell that shows the largest number in brackets.
fn least_cell(matrix: &Confusion) -> u16 {
    let largest = matrix.counts.iter().flatten().copied().max().unwrap_or(0);
    grouped(largest).len() as u16 + 2
}

/// Draws a line that ends with an ellipsis where it is too long.
fn truncated_line(frame: &mut Frame, area: Rect, scene: Scene, line: Line<'static>) {
    let mut shown = Line::default();
    for span in line.spans {
        let room = usize::from(area.width).saturating_sub(shown.width());
        shown.push_span(Span::styled(truncated(&span.content, room, scene.look.ascii), span.style.patch(line.style)));
    }
    frame.render_widget(shown, area);
}

fn centered(text: &str, room: usize) -> String {
    let left = room.saturating_sub(width(text)) / 2;
    padded(&(" ".repeat(left) + text), room)
}
