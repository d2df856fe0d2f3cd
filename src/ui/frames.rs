//! Where the parts lie that every screen has: the line of screens, the body, the toasts and the footer.

use ratatui::layout::{Constraint, Layout, Position, Rect};

use super::screen::Screen;

/// The least columns and rows that a screen is drawn on. Below, there is a strip.
pub const MIN_SIZE: (u16, u16) = (60, 16);

/// The program's name at the start of the first line.
pub const NAME: &str = " finesift ";

/// Whether a terminal with this area has room for a screen.
pub fn fits(area: Rect) -> bool {
    area.width >= MIN_SIZE.0 && area.height >= MIN_SIZE.1
}

/// The parts of the terminal.
pub struct Frames {
    /// The first line, with the names of the screens.
    pub top: Rect,
    /// The area of the screen in front.
    pub body: Rect,
    /// The lines of the toasts. They shrink the body, so that they cover nothing.
    pub toasts: Rect,
    /// The last line, with the keys.
    pub footer: Rect,
}

impl Frames {
    /// The parts of a terminal with this area, while the toasts take so many lines.
    pub fn of(area: Rect, toasts: u16) -> Frames {
        let lines = [Constraint::Length(1), Constraint::Fill(1), Constraint::Length(toasts), Constraint::Length(1)];
        let [top, body, toasts, footer] = Layout::vertical(lines).areas(area);
        Frames { top, body, toasts, footer }
    }

    /// Which of the screens that the first line names is at a position.
    pub fn screen_at(&self, at: Position, mut screens: impl Iterator<Item = Screen>) -> Option<Screen> {
        let mut x = self.top.x + NAME.len() as u16;
        let mut named = |screen: &Screen| {
            let width = screen.name().len() as u16 + 2;
            let area = Rect { x, y: self.top.y, width, height: 1 }.intersection(self.top);
            x += width;
            area.contains(at)
        };
        screens.find(|screen| named(screen))
    }
}
