//! A figure in the terminal.
//!
//! ```text
//! curves     curves and histograms as charts
//! heat_map   cells of a grid in colours
//! points     points with whiskers over one x axis
//! rows       points with whiskers, a row each
//! legend     names in their colours, in lines
//! ```

mod curves;
mod heat_map;
mod legend;
mod points;
mod rows;

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::text::Line;
use ratatui::widgets::Paragraph;

use crate::figure::{Figure, Plot};
use crate::ui::format::{plain, truncated, wrapped_at_most};
use crate::ui::theme::{Look, RUN_COLOURS};

/// The characters that series are drawn with in ASCII.
const GLYPHS: [char; RUN_COLOURS] = ['*', 'o', '+', 'x', '#', '@', '%', '&'];

/// Draws a figure without its title, with the cursor at a share of the x axis.
pub fn draw(frame: &mut Frame, area: Rect, look: &Look, figure: &Figure, cursor: Option<f64>) {
    match &figure.plot {
        Plot::HeatMap(map) => heat_map::draw(frame, area, look, figure, map, cursor),
        Plot::Curves(_) | Plot::Histograms(_) => curves::draw(frame, area, look, figure, cursor),
        Plot::Points(all) => {
            let above = above_note(frame, area, look, &all.note);
            points::draw(frame, above, look, figure, all);
        }
        Plot::Rows(all) => {
            let above = above_note(frame, area, look, &all.note);
            rows::draw(frame, above, look, figure, all);
        }
    }
}

/// Draws a note at the bottom, where there is room for it. Returns the area above.
fn above_note(frame: &mut Frame, area: Rect, look: &Look, note: &str) -> Rect {
    /// Lines of a figure for each line of a note.
    const LINES: u16 = 6;
    let note = shown(note, look);
    let room = usize::from(area.width.saturating_sub(2));
    let lines = wrapped_at_most(&note, room, usize::from(area.height / LINES).min(3), look.ascii);
    let [above, below] = Layout::vertical([Constraint::Fill(1), Constraint::Length(lines.len() as u16)]).areas(area);
    let style = look.theme.style(look.theme.dim);
    let lines: Vec<Line> = lines.into_iter().map(|line| Line::styled(format!(" {line}"), style)).collect();
    frame.render_widget(Paragraph::new(lines), below);
    above
}

/// What the axes are, in a line.
fn draw_labels(frame: &mut Frame, area: Rect, look: &Look, figure: &Figure) {
    let named = [("x", &figure.x), ("y", &figure.y)].into_iter().filter(|(_, axis)| !axis.label.is_empty());
    let labels: Vec<String> = named.map(|(name, axis)| format!("{name}: {}", plain(&axis.label))).collect();
    let labels = truncated(&labels.join("   "), usize::from(area.width), look.ascii);
    frame.render_widget(Line::styled(labels, look.theme.style(look.theme.dim)).right_aligned(), area);
}

/// Text of a figure for the terminal.
fn shown(text: &str, look: &Look) -> String {
    let text = plain(text);
    if look.ascii { text.replace('±', "+-") } else { text }
}

/// Where a value lies on an axis: itself, or its power of ten.
fn position(axis: &crate::figure::Axis, value: f64) -> Option<f64> {
    axis.shows(value).then(|| if axis.is_log() { value.log10() } else { value })
}
