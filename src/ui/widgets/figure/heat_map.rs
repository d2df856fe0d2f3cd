//! A heat map: two cells of the grid in one of the terminal, by half blocks; characters of rising density where there are no colours.

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Style};
use ratatui::text::{Line, Span};

use crate::figure::{Figure, HeatMap, VIRIDIS, cell_edges, colour_range, colour_step};
use crate::ui::format::{number, plain, truncated, width};
use crate::ui::theme::{Depth, Look};
use crate::ui::widgets::panel::placeholder;

/// Characters of rising density.
const DENSITY: [char; 10] = ['.', ':', '-', '=', '+', 'o', '*', '%', '#', '@'];

/// Draws a heat map, with the cursor at a share of the x axis on the row of the lowest value there.
pub(super) fn draw(frame: &mut Frame, area: Rect, look: &Look, figure: &Figure, map: &HeatMap, cursor: Option<f64>) {
    let theme = &look.theme;
    let Some(((x, y), range)) =
        figure.axes(usize::from(area.width / 12), usize::from(area.height / 3)).zip(colour_range(&map.values))
    else {
        return placeholder(frame, area, look, "nothing to draw yet");
    };
    let labels = y.ticks.iter().map(|tick| width(&tick.label) as u16).max().unwrap_or(0) + 1;
    let [top, middle, ticks, bottom] =
        Layout::vertical([Constraint::Length(1), Constraint::Fill(1), Constraint::Length(1), Constraint::Length(1)])
            .areas(area);
    let [gutter, plot] = Layout::horizontal([Constraint::Length(labels), Constraint::Fill(1)]).areas(middle);
    let Grid { columns, rows } = Grid::new(figure, map, plot, &x, &y);
    let coloured = !look.ascii && matches!(look.depth, Depth::True | Depth::Indexed);
    let value = |column: usize, row: usize| {
        let (x, y) = (columns.get(column).copied().flatten()?, rows.get(row).copied().flatten()?);
        map.values.get(y * map.xs.len() + x).copied()
    };
    let buffer = frame.buffer_mut();
    for row in 0..usize::from(plot.height) {
        for column in 0..usize::from(plot.width) {
            let step =
                |half: usize, steps| value(column, 2 * row + half).and_then(|value| colour_step(value, range, steps));
            let Some(cell) = buffer.cell_mut((plot.x + column as u16, plot.y + row as u16)) else { continue };
            if coloured {
                let colour = |half| step(half, VIRIDIS.len()).map(|step| rgb(look, VIRIDIS[step]));
                let (symbol, style) = match (colour(0), colour(1)) {
                    (None, None) => continue,
                    (Some(upper), None) => ("▀", Style::new().fg(upper)),
                    (None, Some(lower)) => ("▄", Style::new().fg(lower)),
                    (Some(upper), Some(lower)) => ("▀", Style::new().fg(upper).bg(lower)),
                };
                cell.set_symbol(symbol).set_style(style);
            } else if let Some(step) = step(0, DENSITY.len()) {
                cell.set_char(DENSITY[step]).set_style(theme.style(theme.text));
            }
        }
    }
    for (at_x, at_y, _) in map.marks.iter().filter(|(at_x, at_y, _)| figure.x.shows(*at_x) && figure.y.shows(*at_y)) {
        let share = |axis: &crate::axis::Axis, value: f64| axis.scale.share(axis.scale.position(value));
        let (across, up) = (share(&x, *at_x), share(&y, *at_y));
        if (0.0..=1.0).contains(&across) && (0.0..=1.0).contains(&up) {
            let column = plot.x + x.scale.cell(x.scale.position(*at_x), plot.width);
            let row = plot.bottom().saturating_sub(1 + y.scale.cell(y.scale.position(*at_y), plot.height));
            if let Some(cell) = buffer.cell_mut((column, row)).filter(|_| plot.contains((column, row).into())) {
                cell.set_symbol("X").set_style(theme.bold(theme.error));
            }
        }
    }
    for tick in &y.ticks {
        let row = middle.bottom().saturating_sub(1 + y.scale.cell(tick.at, plot.height));
        if gutter.height > 0 && row >= middle.y {
            buffer.set_stringn(gutter.x, row, &tick.label, usize::from(gutter.width), theme.style(theme.dim));
        }
    }
    let mut free = ticks.x;
    for tick in &x.ticks {
        let length = width(&tick.label) as u16;
        let start = (plot.x + x.scale.cell(tick.at, plot.width)).saturating_sub(length / 2);
        if start >= free && start + length <= ticks.right() {
            buffer.set_stringn(start, ticks.y, &tick.label, usize::from(length), theme.style(theme.dim));
            free = start + length + 1;
        }
    }
    frame.render_widget(key(look, map, range, coloured, top.width), top);
    let text = match cursor.and_then(|share| lowest(map, share)) {
        Some((x, y, value)) => format!("lowest in column x {}: {} at y {}", number(x), number(value), number(y)),
        None => format!("x: {}   y: {}", plain(&figure.x.label), plain(&figure.y.label)),
    };
    let text = truncated(&text, usize::from(bottom.width), look.ascii);
    frame.render_widget(Line::styled(text, theme.style(theme.dim)).right_aligned(), bottom);
}

/// The column of the map below each column of the plot, and the row below each half row.
struct Grid {
    columns: Vec<Option<usize>>,
    rows: Vec<Option<usize>>,
}

impl Grid {
    fn new(figure: &Figure, map: &HeatMap, plot: Rect, x: &crate::axis::Axis, y: &crate::axis::Axis) -> Grid {
        let shares = |axis: &crate::axis::Axis, edges: Vec<f64>| -> Vec<f64> {
            edges.into_iter().map(|edge| axis.scale.share(axis.scale.position(edge))).collect()
        };
        let (xs, ys) = (shares(x, cell_edges(&map.xs, &figure.x)), shares(y, cell_edges(&map.ys, &figure.y)));
        let find = |edges: &[f64], share: f64| edges.windows(2).position(|pair| (pair[0]..pair[1]).contains(&share));
        let at = |number: usize, of: usize| (number as f64 + 0.5) / of as f64;
        let (columns, rows) = (usize::from(plot.width), 2 * usize::from(plot.height));
        Grid {
            columns: (0..columns).map(|column| find(&xs, at(column, columns))).collect(),
            rows: (0..rows).map(|row| find(&ys, 1.0 - at(row, rows))).collect(),
        }
    }
}

/// The place and the value of the lowest cell in the column of the map at a share of its x axis.
fn lowest(map: &HeatMap, share: f64) -> Option<(f64, f64, f64)> {
    let column = ((share * map.xs.len() as f64) as usize).min(map.xs.len().checked_sub(1)?);
    let values =
        map.ys.iter().enumerate().filter_map(|(row, y)| Some((*y, *map.values.get(row * map.xs.len() + column)?)));
    let lowest = values.filter(|(_, value)| value.is_finite()).min_by(|a, b| a.1.total_cmp(&b.1))?;
    Some((map.xs[column], lowest.0, lowest.1))
}

/// The colours from the lowest to the highest value, and the names of the marks.
fn key<'a>(look: &Look, map: &HeatMap, range: (f64, f64), coloured: bool, room: u16) -> Line<'a> {
    let theme = &look.theme;
    let mut line = Line::from(Span::styled(format!(" {} ", number(range.0)), theme.style(theme.text)));
    if coloured {
        line.extend(VIRIDIS.map(|colour| Span::styled("█", Style::new().fg(rgb(look, colour)))));
    } else {
        line.push_span(Span::styled(DENSITY.iter().collect::<String>(), theme.style(theme.text)));
    }
    line.push_span(Span::styled(format!(" {}  ", number(range.1)), theme.style(theme.text)));
    let marks: Vec<String> = map.marks.iter().map(|(_, _, name)| plain(name)).collect();
    let marks = if marks.is_empty() { String::new() } else { format!("   X {}", marks.join(", ")) };
    let text = format!("{}{marks}", plain(&map.label));
    let rest = usize::from(room).saturating_sub(line.width());
    line.push_span(Span::styled(truncated(&text, rest, look.ascii), theme.style(theme.dim)));
    line
}

fn rgb(look: &Look, [r, g, b]: [u8; 3]) -> Color {
    look.depth.nearest(Color::Rgb(r, g, b))
}
