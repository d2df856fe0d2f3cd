//! Bordered panels whose title holds a name, current values and a note.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::symbols::border;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Borders};

use crate::ui::format::fitted;
use crate::ui::theme::Look;

/// Borders in ASCII.
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

/// The title of a panel.
pub struct Title<'a> {
    pub name: &'a str,
    /// Current values, after the name; truncated with an ellipsis where there is no room.
    pub values: Vec<Span<'a>>,
    /// A remark at the right, left out where there is no room.
    pub note: String,
}

impl<'a> Title<'a> {
    /// A title without values and note.
    pub fn named(name: &'a str) -> Title<'a> {
        Title { name, values: Vec::new(), note: String::new() }
    }
}

/// Draws the border and title, and returns the area inside.
pub fn panel(frame: &mut Frame, area: Rect, look: &Look, focused: bool, title: Title) -> Rect {
    let theme = &look.theme;
    let edge = theme.style(if focused { theme.focus } else { theme.border });
    let set = if look.ascii { ASCII } else { border::ROUNDED };
    let name = Span::styled(format!(" {} ", title.name), theme.style(if focused { theme.focus } else { theme.dim }));
    let mut left = Line::from(vec![name]);
    for value in title.values {
        // A number that is cut off without a mark would be read as another number.
        let room = usize::from(area.width).saturating_sub(left.width() + 3);
        let fits = value.width() <= room;
        left.push_span(if fits { value } else { Span::styled(fitted(&value.content, room, look.ascii), value.style) });
        left.push_span(" ");
        if !fits {
            break;
        }
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

/// Draws a text in the middle of an area that has nothing else to show.
pub fn placeholder(frame: &mut Frame, area: Rect, look: &Look, text: &str) {
    let middle = Rect { y: area.y + area.height / 2, height: 1.min(area.height), ..area };
    frame.render_widget(Line::styled(text, look.theme.style(look.theme.dim)).centered(), middle);
}

#[cfg(test)]
mod tests {
    use ratatui::Terminal;
    use ratatui::backend::TestBackend;

    use super::*;
    use crate::ui::theme::{Depth, Theme};

    #[test]
    fn values_without_room_end_with_an_ellipsis() -> Result<(), Box<dyn std::error::Error>> {
        let look = Look {
            theme: Theme::load("dark", Depth::True)?,
            name: "dark".into(),
            depth: Depth::True,
            ascii: false,
            pixels: None,
        };
        let title = |width| -> Result<String, Box<dyn std::error::Error>> {
            let values = vec![Span::raw("accuracy 0.3500"), Span::raw("f1 0.1728")];
            let mut terminal = Terminal::new(TestBackend::new(width, 3))?;
            terminal.draw(|frame| {
                panel(frame, frame.area(), &look, false, Title { values, ..Title::named("Evaluation") });
            })?;
            let buffer = terminal.backend().buffer();
            Ok((0..width).map(|x| buffer[(x, 0)].symbol()).collect())
        };
        assert_eq!(title(41)?, "╭ Evaluation accuracy 0.3500 f1 0.1728 ─╮");
        assert_eq!(title(40)?, "╭ Evaluation accuracy 0.3500 f1 0.1728 ╮");
        assert_eq!(title(39)?, "╭ Evaluation accuracy 0.3500 f1 0.17… ╮");
        assert_eq!(title(28)?, "╭ Evaluation accuracy 0.3… ╮");
        Ok(())
    }
}
