//! What lies above a screen: help, themes, a comparison, and the questions before it is left. An overlay takes all keys.

mod help;
mod quit;
mod themes;

use crossterm::event::{KeyEvent, MouseButton, MouseEvent, MouseEventKind};
use ratatui::Frame;
use ratatui::layout::{Constraint, Flex, Layout, Position, Rect};
use ratatui::text::{Line, Text};
use ratatui::widgets::{Clear, Paragraph, Wrap};

use super::app::{App, Effect, Look};
use super::keymap::Action;
use super::runs::Comparison;
use super::widgets::panel::{Title, panel};
pub use quit::{Question, ask, export_ended, go_on_after};
pub use themes::Picker;

/// What may lie above a screen.
#[derive(Clone, Debug, PartialEq)]
pub enum Overlay {
    /// All keys, from so many lines on.
    Help(usize),
    /// A question before the screen is left, and the answer that is marked.
    Quit(Question, usize),
    /// The themes to choose from.
    Themes(Picker),
    /// What runs differ in, from such a row on.
    Comparison(Comparison, usize),
}

impl Overlay {
    /// Takes up a key. The overlay was taken from the app; one that stays puts itself back.
    pub fn key(self, app: &mut App, key: KeyEvent) -> Option<Effect> {
        let action = app.keymap.action(app.context(), &key);
        match self {
            Overlay::Quit(question, marked) => quit::answer(app, question, marked, key),
            Overlay::Themes(picker) => picker.key(app, action),
            Overlay::Help(from) => scrolled(app, action, from, help::most(app), Overlay::Help),
            Overlay::Comparison(comparison, from) => {
                let most = comparison.most(app.body());
                scrolled(app, action, from, most, |from| Overlay::Comparison(comparison, from))
            }
        }
    }

    /// Takes up the mouse. The overlay was taken from the app, as for a key.
    pub fn mouse(self, app: &mut App, mouse: MouseEvent) -> Option<Effect> {
        let at = Position::new(mouse.column, mouse.row);
        let action = match mouse.kind {
            MouseEventKind::ScrollUp => Some(Action::Up),
            MouseEventKind::ScrollDown => Some(Action::Down),
            MouseEventKind::Down(MouseButton::Left) => Some(Action::Back),
            _ => None,
        };
        match self {
            Overlay::Quit(..) => app.overlay = Some(self),
            Overlay::Themes(picker) if action == Some(Action::Back) => return picker.click(app, at),
            Overlay::Themes(picker) => return picker.key(app, action),
            Overlay::Help(from) => return scrolled(app, action, from, help::most(app), Overlay::Help),
            Overlay::Comparison(comparison, from) => {
                let most = comparison.most(app.body());
                return scrolled(app, action, from, most, |from| Overlay::Comparison(comparison, from));
            }
        }
        None
    }

    /// Draws it in the middle of an area.
    pub fn draw(&self, frame: &mut Frame, area: Rect, app: &App) {
        match self {
            Overlay::Help(from) => help::draw(frame, area, app, *from),
            Overlay::Quit(question, marked) => quit::draw(frame, area, app, *question, *marked),
            Overlay::Themes(picker) => picker.draw(frame, area, &app.look),
            Overlay::Comparison(comparison, from) => comparison.draw(frame, area, &app.look, *from),
        }
    }
}

/// Scrolls a text of which at most `most` lines can be above the window; any key that does not scroll closes it.
fn scrolled(
    app: &mut App,
    action: Option<Action>,
    from: usize,
    most: usize,
    again: impl FnOnce(usize) -> Overlay,
) -> Option<Effect> {
    const PAGE: usize = 10;
    let from = match action {
        Some(Action::Help | Action::Back | Action::Quit | Action::Enter | Action::Compare) => return None,
        Some(Action::Up) => from.saturating_sub(1),
        Some(Action::Down) => from + 1,
        Some(Action::PageUp) => from.saturating_sub(PAGE),
        Some(Action::PageDown) => from + PAGE,
        Some(Action::First) => 0,
        Some(Action::Last) => most,
        _ => from,
    };
    app.overlay = Some(again(from.min(most)));
    None
}

/// A rectangle in the middle of another.
pub fn middle(within: Rect, width: u16, height: u16) -> Rect {
    let [area] = Layout::vertical([Constraint::Length(height)]).flex(Flex::Center).areas(within);
    let [area] = Layout::horizontal([Constraint::Length(width)]).flex(Flex::Center).areas(area);
    area
}

/// An empty frame over what is below, and what is within.
pub fn window(frame: &mut Frame, area: Rect, look: &Look, title: Title) -> Rect {
    frame.render_widget(Clear, area);
    panel(frame, area, look, true, title)
}

/// A frame in the middle, as high as its text. Returns what is within.
pub fn popup(frame: &mut Frame, within: Rect, look: &Look, name: &str, lines: Vec<Line>, width: u16) -> Rect {
    let text = Text::from(lines);
    let width = width.min(within.width);
    // Long lines take several rows.
    let room = usize::from(width.saturating_sub(2)).max(1);
    let rows: usize = text.lines.iter().map(|line| line.width().div_ceil(room).max(1)).sum();
    let area = middle(within, width, u16::try_from(rows + 2).unwrap_or(u16::MAX));
    let inner = window(frame, area, look, Title::named(name));
    frame.render_widget(Paragraph::new(text).wrap(Wrap { trim: false }), inner);
    inner
}
