//! A frame with a title that carries a value.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::symbols::border;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Borders};

use crate::ui::theme::Look;

/// Borders of characters that every terminal has.
const ASCII: border::Set<'static> = border::Set {
    top_left: "+",
    top_right: "+",
    bottom_left: "+",
    bottom_right: "+",
    vertical_left: "|",
    vertical_right: "|",
    horizontal_top: "-",
    horizontal_bottom: "-",
};

/// What the frame says.
pub struct Title<'a> {
    /// What it shows.
    pub name: &'a str,
    /// Its values now.
    pub values: Vec<Span<'a>>,
    /// What else there is to say, on the right, if there is room.
    pub note: String,
}

impl<'a> Title<'a> {
    /// A name and nothing else.
    pub fn named(name: &'a str) -> Title<'a> {
        Title { name, values: Vec::new(), note: String::new() }
    }
}

/// Draws the frame and returns what is within.
pub fn panel(frame: &mut Frame, area: Rect, look: &Look, focused: bool, title: Title) -> Rect {
    let theme = &look.theme;
    let edge = theme.style(if focused { theme.focus } else { theme.border });
    let set = if look.ascii { ASCII } else { border::ROUNDED };
    let name = Span::styled(format!(" {} ", title.name), theme.style(if focused { theme.focus } else { theme.dim }));
    let mut left = Line::from(vec![name]);
    for value in title.values {
        left.push_span(value);
        left.push_span(" ");
    }
    let room = usize::from(area.width).saturating_sub(left.width() + 4);
    let mut block = Block::new().borders(Borders::ALL).border_set(set).border_style(edge).title_top(left);
    let note = Line::styled(format!(" {} ", title.note), theme.style(theme.dim)).right_aligned();
    if !title.note.is_empty() && note.width() <= room {
        block = block.title_top(note);
    }
    let inner = block.inner(area);
    frame.render_widget(block, area);
    inner
}
