//! A table: long headers take several lines, and an ellipsis says that columns without room follow.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::Line;
use ratatui::widgets::Paragraph;

use crate::analysis::Table;
use crate::ui::format::{padded, padded_start, plain, truncated, width, wrapped};
use crate::ui::theme::Look;

/// Columns of a header that is wrapped.
const HEADER: usize = 16;

/// Space between columns.
const GAP: usize = 2;

pub(super) fn draw(frame: &mut Frame, area: Rect, look: &Look, table: &Table, (scrolled, column): (usize, usize)) {
    let theme = &look.theme;
    let room = usize::from(area.width).saturating_sub(2);
    let kept: Vec<usize> = (0..table.columns.len()).filter(|at| *at == 0 || *at > column).collect();
    let (headers, widths) = columns(table, &kept, room);
    let lines = headers.iter().map(Vec::len).max().unwrap_or(0);
    let cell = |column: usize, text: &str| {
        let text = truncated(&plain(text), widths[column], look.ascii);
        if column == 0 { padded(&text, widths[column]) } else { padded_start(&text, widths[column]) }
    };
    let left_out = widths.len() < kept.len();
    let ellipsis = if look.ascii { "  .." } else { "  …" };
    let joined = |cells: Vec<String>| format!(" {}{}", cells.join("  "), if left_out { ellipsis } else { "" });
    let mut shown: Vec<Line> = Vec::new();
    for line in 0..lines {
        // Headers stand at the bottom of their lines.
        let text = |header: &Vec<String>| {
            let at = (line + header.len()).checked_sub(lines);
            at.and_then(|at| header.get(at)).cloned().unwrap_or_default()
        };
        let cells = (0..widths.len()).map(|column| cell(column, &text(&headers[column]))).collect();
        shown.push(Line::styled(joined(cells), theme.style(theme.dim)));
    }
    let rows = usize::from(area.height).saturating_sub(lines);
    // The last page stays full.
    let from = scrolled.min(table.rows.len().saturating_sub(rows));
    for row in table.rows.iter().skip(from).take(rows) {
        let cells =
            (0..widths.len()).map(|column| cell(column, row.get(kept[column]).map_or("", String::as_str))).collect();
        shown.push(Line::styled(joined(cells), theme.style(theme.text)));
    }
    frame.render_widget(Paragraph::new(shown), area);
}

/// The lines of each column's header and the width of each column, for as many columns as fit.
fn columns(table: &Table, kept: &[usize], room: usize) -> (Vec<Vec<String>>, Vec<usize>) {
    let headers: Vec<Vec<String>> = kept.iter().map(|at| wrapped(&plain(&table.columns[*at]), HEADER)).collect();
    let widest = |column: usize| {
        let cells = table.rows.iter().filter_map(|row| row.get(kept[column])).map(|cell| width(&plain(cell)));
        cells.chain(headers[column].iter().map(|line| width(line))).max().unwrap_or(0)
    };
    let mut widths = Vec::new();
    let mut used = 0;
    for column in 0..headers.len() {
        let last = column + 1 == headers.len();
        // Room for the ellipsis of what follows.
        let wanted = widest(column) + if column > 0 { GAP } else { 0 } + if last { 0 } else { GAP + 2 };
        if column > 0 && used + wanted > room {
            break;
        }
        used += widest(column) + if column > 0 { GAP } else { 0 };
        widths.push(widest(column).min(room));
    }
    (headers, widths)
}
