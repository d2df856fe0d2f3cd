//! The Log tab: follows the newest line until scrolled, and filters by text and level.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;

use super::header::level_hue;
use super::scene::Scene;
use super::view::View;
use crate::protocol::Level;
use crate::runs::{History, LogLine};
use crate::ui::format::{duration, grouped};
use crate::ui::keymap::Action;
use crate::ui::widgets::cut::cut;
use crate::ui::widgets::panel::{Title, panel, placeholder};

/// Columns that left and right scroll by.
const SIDE_STEP: u16 = 16;

pub(super) fn act(view: &mut View, run: &History, action: Action, body: Rect) {
    let rows = usize::from(body.height.saturating_sub(2));
    let view = &mut view.lines;
    let lines = view.lines(run);
    let first = view.first_visible(&lines, rows);
    let to = match action {
        Action::Filter => {
            view.typing = true;
            return;
        }
        Action::Level => {
            view.min_level = match view.min_level {
                Level::Info => Level::Warning,
                Level::Warning => Level::Error,
                Level::Error => Level::Info,
            };
            return;
        }
        Action::Back => {
            view.filter.clear();
            return;
        }
        Action::Left => {
            view.column = view.column.saturating_sub(SIDE_STEP);
            return;
        }
        Action::Right => {
            view.column = view.column.saturating_add(SIDE_STEP).min(u16::MAX / 2);
            return;
        }
        Action::Last => None,
        Action::First => Some(0),
        Action::Up => Some(first.saturating_sub(1)),
        Action::Down => Some(first + 1),
        Action::PageUp => Some(first.saturating_sub(rows.max(1))),
        Action::PageDown => Some(first + rows.max(1)),
        _ => return,
    };
    // Scrolling to the end follows new lines again.
    let end = lines.len().saturating_sub(rows);
    view.top = to.filter(|to| *to < end).and_then(|to| lines.get(to)).map(|line| line.number);
}

pub(super) fn draw(frame: &mut Frame, body: Rect, scene: Scene) {
    let (theme, view) = (&scene.look.theme, &scene.view.lines);
    let lines = view.lines(scene.run);
    let mut values = Vec::new();
    if view.typing || !view.filter.is_empty() {
        let cursor = if view.typing { "_" } else { "" };
        values.push(Span::styled(format!("/{}{cursor}", view.filter), theme.bold(theme.accent)));
    }
    match view.min_level {
        Level::Info => {}
        Level::Warning => values.push(Span::styled("warnings and errors", theme.bold(theme.warning))),
        Level::Error => values.push(Span::styled("errors", theme.bold(theme.error))),
    }
    let rows = usize::from(body.height.saturating_sub(2));
    let first = view.first_visible(&lines, rows);
    let position = if view.top.is_some() {
        let last = (first + rows).min(lines.len());
        format!("lines {}-{last} of {}", first + 1, grouped(lines.len() as u64))
    } else {
        let unit = if lines.len() == 1 { "line" } else { "lines" };
        format!("{} {unit}, following", grouped(lines.len() as u64))
    };
    let note = format!("{position}  / filter  v level  end follow");
    let inner = panel(frame, body, scene.look, true, Title { name: "Log", values, note });
    if lines.is_empty() {
        let text = if scene.run.log.is_empty() { "no log lines yet" } else { "no line matches" };
        return placeholder(frame, inner, scene.look, text);
    }
    draw_lines(frame, inner, scene, &lines[first..], view.column);
}

/// Draws the latest lines as a panel of the overview.
pub(super) fn draw_latest(frame: &mut Frame, area: Rect, scene: Scene) {
    let inner = panel(frame, area, scene.look, false, Title::named("Log"));
    let skip = scene.run.log.len().saturating_sub(usize::from(inner.height));
    let lines: Vec<&LogLine> = scene.run.log.iter().skip(skip).collect();
    draw_lines(frame, inner, scene, &lines, 0);
}

fn draw_lines(frame: &mut Frame, area: Rect, scene: Scene, lines: &[&LogLine], column: u16) {
    let theme = &scene.look.theme;
    let shown = &lines[..lines.len().min(usize::from(area.height))];
    let time = shown.iter().map(|line| duration(line.at).len()).max().unwrap_or(0) as u16;
    for (line, y) in shown.iter().zip(area.top()..area.bottom()) {
        let (mark, hue) = match line.level {
            Level::Info => (" ", theme.text),
            Level::Warning => ("!", level_hue(scene, line.level)),
            Level::Error => (if scene.look.ascii { "x" } else { "✖" }, level_hue(scene, line.level)),
        };
        let head = Line::from(vec![
            Span::styled(format!("{:>width$} ", duration(line.at), width = usize::from(time)), theme.style(theme.dim)),
            Span::styled(format!("{mark} "), theme.bold(hue)),
        ]);
        let width = (time + 3).min(area.width);
        frame.render_widget(head, Rect { y, height: 1, width, ..area });
        let rest = Rect { x: area.x + width, y, width: area.width - width, height: 1 };
        let text = Line::styled(line.text.as_str(), theme.style(hue));
        let scrolled = usize::from(column) + usize::from(rest.width);
        frame.render_widget(Paragraph::new(cut(text, scrolled, scene.look.ascii)).scroll((0, column)), rest);
    }
}
