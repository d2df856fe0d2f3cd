//! Where the parts of the chat lie: the conversation, the state, the help of a command, the input.

use ratatui::layout::{Constraint, Layout, Margin, Rect};

use crate::ui::widgets::input::Input;

/// Rows of the input at most, where there is room.
const INPUT_ROWS: u16 = 10;

/// The parts of the chat.
pub struct Parts {
    /// The conversation, with its border.
    pub transcript: Rect,
    /// The line of state.
    pub state: Rect,
    /// The commands that match what is typed.
    pub suggestions: Rect,
    /// The input, with its border.
    pub input: Rect,
}

impl Parts {
    pub fn of(area: Rect, input: &Input, suggestions: usize) -> Parts {
        let third = (area.height / 3).max(1);
        let text = input.row_count(area.width.saturating_sub(4)).min(usize::from(INPUT_ROWS.min(third))) as u16;
        let rows = [
            Constraint::Fill(1),
            Constraint::Length(1),
            Constraint::Length(u16::try_from(suggestions).unwrap_or(u16::MAX).min(third)),
            Constraint::Length(text + 2),
        ];
        let [transcript, state, suggestions, input] = Layout::vertical(rows).areas(area);
        Parts { transcript, state, suggestions, input }
    }

    /// Where the lines of the conversation lie.
    pub fn lines(&self) -> Rect {
        self.transcript.inner(Margin::new(2, 1))
    }

    /// Rows of the conversation that are seen.
    pub fn rows(&self) -> usize {
        usize::from(self.lines().height)
    }

    /// Where the text of the input lies.
    pub fn field(&self) -> Rect {
        self.input.inner(Margin::new(2, 1))
    }
}
