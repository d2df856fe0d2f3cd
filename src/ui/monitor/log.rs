//! What the run said: it follows the newest line until it is scrolled, and shows what a filter and a level leave.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;

use super::header::level_hue;
use super::{Monitor, Scene};
use crate::protocol::Level;
use crate::runs::{History, LogLine};
use crate::ui::format::{duration, grouped};
use crate::ui::keymap::Action;
use crate::ui::widgets::panel::{Title, panel};

/// Columns that left and right move by.
const ASIDE: u16 = 16;

/// What is looked at of the log.
pub struct LogView {
    /// Number of the first line shown; `None` follows the newest.
    top: Option<u64>,
    /// Columns left out at the left.
    aside: u16,
    /// What a line must hold.
    filter: String,
    /// Whether keys are written into the filter.
    pub typing: bool,
    /// The least grave lines shown.
    least: Level,
}

impl Default for LogView {
    fn default() -> LogView {
        LogView { top: None, aside: 0, filter: String::new(), typing: false, least: Level::Info }
    }
}

impl LogView {
    /// Whether only some of the lines are shown.
    pub fn filtered(&self) -> bool {
        !self.filter.is_empty()
    }

    /// Takes up a key that is text, unless it is none.
    pub fn key(&mut self, key: &KeyEvent) -> bool {
        match key.code {
            _ if key.modifiers.intersects(KeyModifiers::CONTROL | KeyModifiers::ALT) => return false,
            KeyCode::Enter => self.typing = false,
            KeyCode::Esc => {
                self.typing = false;
                self.filter.clear();
            }
            KeyCode::Backspace => {
                self.filter.pop();
            }
            KeyCode::Char(c) => self.filter.push(c),
            _ => return false,
        }
        true
    }

    /// Takes up pasted text.
    pub fn pasted(&mut self, text: &str) {
        self.filter.extend(text.chars().filter(|c| !c.is_control()));
    }

    /// The lines that filter and level leave.
    fn lines<'a>(&self, run: &'a History) -> Vec<&'a LogLine> {
        let wanted = self.filter.to_lowercase();
        let lines = run.log.iter().filter(|line| line.level >= self.least);
        lines.filter(|line| wanted.is_empty() || line.text.to_lowercase().contains(&wanted)).collect()
    }

    /// The first of these lines to show on so many rows.
    fn first(&self, lines: &[&LogLine], rows: usize) -> usize {
        let end = lines.len().saturating_sub(rows);
        self.top.map_or(end, |top| lines.partition_point(|line| line.number < top).min(end))
    }
}

/// Does what a key says.
pub fn act(monitor: &mut Monitor, action: Action, body: Rect) {
    let rows = usize::from(body.height.saturating_sub(2));
    let view = &mut monitor.view.lines;
    let lines = view.lines(&monitor.run);
    let first = view.first(&lines, rows);
    let to = match action {
        Action::Filter => {
            view.typing = true;
            return;
        }
        Action::Level => {
            view.least = match view.least {
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
            view.aside = view.aside.saturating_sub(ASIDE);
            return;
        }
        Action::Right => {
            view.aside = view.aside.saturating_add(ASIDE).min(u16::MAX / 2);
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
    // Whoever comes down to the end follows it again.
    let end = lines.len().saturating_sub(rows);
    view.top = to.filter(|to| *to < end).and_then(|to| lines.get(to)).map(|line| line.number);
}

/// Draws the tab.
pub fn draw(frame: &mut Frame, body: Rect, scene: Scene) {
    let (theme, view) = (&scene.look.theme, &scene.view.lines);
    let lines = view.lines(scene.run);
    let mut values = Vec::new();
    if view.typing || !view.filter.is_empty() {
        let cursor = if view.typing { "_" } else { "" };
        values.push(Span::styled(format!("/{}{cursor}", view.filter), theme.bold(theme.accent)));
    }
    match view.least {
        Level::Info => {}
        Level::Warning => values.push(Span::styled("warnings and errors", theme.bold(theme.warning))),
        Level::Error => values.push(Span::styled("errors", theme.bold(theme.error))),
    }
    let rows = usize::from(body.height.saturating_sub(2));
    let first = view.first(&lines, rows);
    let place = if view.top.is_some() {
        format!("{} to {} of {}", first + 1, (first + rows).min(lines.len()), grouped(lines.len() as u64))
    } else {
        format!("{} lines, following", grouped(lines.len() as u64))
    };
    let note = format!("{place}  / filter  v level  end follow");
    let inner = panel(frame, body, scene.look, true, Title { name: "Log", values, note });
    if lines.is_empty() {
        let text = if scene.run.log.is_empty() { "nothing was said yet" } else { "no line is like that" };
        let middle = Rect { y: inner.y + inner.height / 2, height: 1.min(inner.height), ..inner };
        return frame.render_widget(Line::styled(text, theme.style(theme.dim)).centered(), middle);
    }
    draw_lines(frame, inner, scene, &lines[first..], view.aside);
}

/// The end of the log, as a panel among others.
pub fn draw_end(frame: &mut Frame, area: Rect, scene: Scene) {
    let inner = panel(frame, area, scene.look, false, Title::named("Log"));
    let skip = scene.run.log.len().saturating_sub(usize::from(inner.height));
    let lines: Vec<&LogLine> = scene.run.log.iter().skip(skip).collect();
    draw_lines(frame, inner, scene, &lines, 0);
}

fn draw_lines(frame: &mut Frame, area: Rect, scene: Scene, lines: &[&LogLine], aside: u16) {
    let theme = &scene.look.theme;
    let shown = &lines[..lines.len().min(usize::from(area.height))];
    let time = shown.iter().map(|line| duration(line.at).len()).max().unwrap_or(0) as u16;
    for (line, y) in shown.iter().zip(area.top()..area.bottom()) {
        let (mark, hue) = match line.level {
            Level::Info => (" ", theme.text),
            Level::Warning => ("!", level_hue(scene, line.level)),
            Level::Error => ("x", level_hue(scene, line.level)),
        };
        let head = Line::from(vec![
            Span::styled(format!("{:>width$} ", duration(line.at), width = usize::from(time)), theme.style(theme.dim)),
            Span::styled(format!("{mark} "), theme.bold(hue)),
        ]);
        let width = (time + 3).min(area.width);
        frame.render_widget(head, Rect { y, height: 1, width, ..area });
        let rest = Rect { x: area.x + width, y, width: area.width - width, height: 1 };
        let text = Line::styled(line.text.as_str(), theme.style(hue));
        frame.render_widget(Paragraph::new(text).scroll((0, aside)), rest);
    }
}
