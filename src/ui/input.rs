//! What the user does with the keyboard and the mouse: the one type of input that screens and overlays handle.

use crossterm::event::{Event, KeyEvent, KeyEventKind, MouseButton, MouseEvent, MouseEventKind};
use ratatui::layout::Position;

/// An input of the user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UserInput {
    Key(KeyEvent),
    Paste(String),
    /// The left button was pressed.
    Click(Position),
    /// The mouse moved with the left button pressed.
    Drag(Position),
    ScrollUp(Position),
    ScrollDown(Position),
}

impl UserInput {
    /// The input that a terminal event stands for. Released keys, other buttons and mere movement are none.
    pub fn of(event: Event) -> Option<UserInput> {
        match event {
            Event::Key(key) if key.kind != KeyEventKind::Release => Some(UserInput::Key(key)),
            Event::Paste(text) => Some(UserInput::Paste(text)),
            Event::Mouse(mouse) => UserInput::of_mouse(mouse),
            _ => None,
        }
    }

    fn of_mouse(mouse: MouseEvent) -> Option<UserInput> {
        let at = Position::new(mouse.column, mouse.row);
        match mouse.kind {
            MouseEventKind::Down(MouseButton::Left) => Some(UserInput::Click(at)),
            MouseEventKind::Drag(MouseButton::Left) => Some(UserInput::Drag(at)),
            MouseEventKind::ScrollUp => Some(UserInput::ScrollUp(at)),
            MouseEventKind::ScrollDown => Some(UserInput::ScrollDown(at)),
            _ => None,
        }
    }
}
