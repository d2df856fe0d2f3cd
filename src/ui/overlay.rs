//! What lies above a screen: the help, and the question what becomes of a run. An overlay takes all keys.

use crossterm::event::{KeyCode, KeyEvent};
use ratatui::Frame;
use ratatui::layout::{Constraint, Flex, Layout, Rect};
use ratatui::text::{Line, Span, Text};
use ratatui::widgets::{Clear, Paragraph, Wrap};

use super::app::{App, Effect, Look};
use super::keymap::{Action, Key};
use super::widgets::panel::{Title, panel};
use crate::protocol::Command;

/// What may lie above a screen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Overlay {
    /// All keys.
    Help,
    /// The question what becomes of the run, and the answer that is marked.
    Quit(usize),
}

/// Answers to the question: key, words, and what they order.
const ANSWERS: [(char, &str, Option<Command>); 3] = [
    ('s', "stop and save a checkpoint", Some(Command::Stop { save: true })),
    ('d', "stop and discard what came after the last checkpoint", Some(Command::Stop { save: false })),
    ('k', "keep running, and stay here", None),
];

impl Overlay {
    /// Takes up a key. The overlay was taken from the app; one that stays puts itself back.
    pub fn key(self, app: &mut App, key: KeyEvent) -> Option<Effect> {
        match self {
            Overlay::Help => {
                let action = app.keymap.action(app.context(), &key);
                if !matches!(action, Some(Action::Help | Action::Back | Action::Quit | Action::Enter)) {
                    app.overlay = Some(Overlay::Help);
                }
                None
            }
            Overlay::Quit(marked) => answer(app, marked, key),
        }
    }

    /// Draws it in the middle of an area.
    pub fn draw(&self, frame: &mut Frame, area: Rect, app: &App) {
        match self {
            Overlay::Help => help(frame, area, app),
            Overlay::Quit(marked) => question(frame, area, &app.look, *marked),
        }
    }
}

fn answer(app: &mut App, marked: usize, key: KeyEvent) -> Option<Effect> {
    let chosen = match key.code {
        KeyCode::Char(c) => ANSWERS.iter().position(|(key, ..)| *key == c),
        KeyCode::Enter => Some(marked),
        KeyCode::Esc => return None,
        KeyCode::Up | KeyCode::BackTab => {
            app.overlay = Some(Overlay::Quit((marked + ANSWERS.len() - 1) % ANSWERS.len()));
            return None;
        }
        KeyCode::Down | KeyCode::Tab => {
            app.overlay = Some(Overlay::Quit((marked + 1) % ANSWERS.len()));
            return None;
        }
        _ => None,
    };
    let Some(chosen) = chosen else {
        app.overlay = Some(Overlay::Quit(marked));
        return None;
    };
    let command = ANSWERS[chosen].2.clone()?;
    app.leaving = true;
    // It may have ended while the question stood.
    match app.live.as_mut().and_then(|live| live.ask("stopping…", command)) {
        Some(order) => Some(order),
        None => Some(Effect::Leave),
    }
}

fn help(frame: &mut Frame, area: Rect, app: &App) {
    let theme = &app.look.theme;
    let line = |(binding, keys): (&'static super::keymap::Binding, &[Key])| {
        let keys: Vec<String> = keys.iter().map(|key| key.name()).collect();
        Line::from(vec![
            Span::styled(format!(" {:<14}", keys.join(" ")), theme.bold(theme.accent)),
            Span::styled(binding.help, theme.style(theme.text)),
        ])
    };
    let lines: Vec<Line> = app.keymap.lines(app.context()).map(line).collect();
    popup(frame, area, &app.look, "Keys", lines, 66);
}

fn question(frame: &mut Frame, area: Rect, look: &Look, marked: usize) {
    let theme = &look.theme;
    let mut lines =
        vec![Line::styled(" A run is going. What becomes of it?", theme.style(theme.text)), Line::default()];
    for (number, (key, words, _)) in ANSWERS.iter().enumerate() {
        let style = if number == marked { theme.bold(theme.accent) } else { theme.style(theme.dim) };
        let pointer = if number == marked { ">" } else { " " };
        lines.push(Line::styled(format!(" {pointer} {key}  {words}"), style));
    }
    popup(frame, area, look, "Quit", lines, 64);
}

/// A frame in the middle, as high as its text. Returns what is within.
pub fn popup(frame: &mut Frame, within: Rect, look: &Look, name: &str, lines: Vec<Line>, width: u16) -> Rect {
    let text = Text::from(lines);
    let width = width.min(within.width);
    // Long lines take several rows.
    let room = usize::from(width.saturating_sub(2)).max(1);
    let rows: usize = text.lines.iter().map(|line| line.width().div_ceil(room).max(1)).sum();
    let [area] = Layout::vertical([Constraint::Length(rows as u16 + 2)]).flex(Flex::Center).areas(within);
    let [area] = Layout::horizontal([Constraint::Length(width)]).flex(Flex::Center).areas(area);
    frame.render_widget(Clear, area);
    let inner = panel(frame, area, look, true, Title::named(name));
    frame.render_widget(Paragraph::new(text).wrap(Wrap { trim: false }), inner);
    inner
}
