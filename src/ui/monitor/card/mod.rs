//! The card of a run that has ended, over the overview: what came of the run, and what to do next.
//!
//! ```text
//! finished   the facts of a run that completed or was stopped
//! failed     the remedy and the error of a run that failed
//! remedy     what to do about an error
//! choice     what the keys of a card lead to
//! ```

mod choice;
mod failed;
mod finished;
mod remedy;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use ratatui::Frame;
use ratatui::layout::{Margin, Position, Rect};
use ratatui::style::Style;
use ratatui::text::{Line, Span};

use super::files::Files;
use crate::runs::{History, RunEnd};
use crate::ui::format::truncated;
use crate::ui::keymap::Action;
use crate::ui::theme::Look;
use crate::ui::widgets::panel::Title;
use crate::ui::widgets::popup::{middle, window};
pub use choice::{CardAction, Choice};
use failed::Failure;
pub(super) use finished::best;

/// Cells of the widest card.
const WIDTH: u16 = 80;

/// What a part of a line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tone {
    Label,
    Value,
    Score,
    Advice,
    Error,
}

/// A line above the choices.
type CardLine = Vec<(Tone, String)>;

/// A card in front; the state of its keys.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Card {
    /// Index of the selected choice.
    selected: usize,
}

/// The outcome of an input on a card.
#[derive(Debug, PartialEq)]
pub enum CardOutcome {
    Stay,
    Close,
    Chosen(CardAction),
    /// The input is not for the card.
    Ignored,
}

/// The end of a run, as a card shows it.
enum Ending<'a> {
    Finished(&'a crate::protocol::Finished),
    Failed(Failure),
}

/// What a card shows.
pub struct CardContent<'a> {
    run: &'a History,
    ending: Ending<'a>,
    choices: Vec<Choice>,
}

/// Where the parts of a card lie.
struct CardLayout {
    area: Rect,
    lines: Vec<CardLine>,
    /// The lines of the choices.
    choices: Vec<Rect>,
    hint: Rect,
}

impl Tone {
    fn style(self, look: &Look) -> Style {
        let theme = &look.theme;
        match self {
            Tone::Label => theme.style(theme.dim),
            Tone::Value => theme.style(theme.text),
            Tone::Score => theme.bold(theme.score),
            Tone::Advice => theme.bold(theme.text),
            Tone::Error => theme.style(theme.error),
        }
    }
}

impl<'a> CardContent<'a> {
    /// `None` for a run that has not ended.
    pub fn of(run: &'a History, files: Option<&Files>) -> Option<CardContent<'a>> {
        let (ending, choices) = match run.end.as_ref()? {
            RunEnd::Finished(finished) => (Ending::Finished(finished), choice::of_finished(run, finished, files)),
            RunEnd::Failed { error, checkpoint } => {
                let failure = Failure::of(run, error, checkpoint.as_deref(), files);
                let choices = choice::of_failed(&failure, files);
                (Ending::Failed(failure), choices)
            }
        };
        Some(CardContent { run, ending, choices })
    }

    fn title(&self) -> &'static str {
        match &self.ending {
            Ending::Finished(finished) => finished::title(finished),
            Ending::Failed(_) => "Failed",
        }
    }

    /// Choices and hint stay; the lines above them take the rest.
    fn layout(&self, within: Rect, ascii: bool) -> CardLayout {
        let width = WIDTH.min(within.width);
        let room = usize::from(width.saturating_sub(2));
        let below = self.choices.len() + 1;
        let rows = usize::from(within.height).saturating_sub(below + 2);
        let mut lines = match &self.ending {
            Ending::Finished(finished) => finished::lines(self.run, finished, room, rows, ascii),
            Ending::Failed(failure) => failure.lines(room, rows, ascii),
        };
        // Air, where there is room for it.
        for at in [lines.len(), 0] {
            if lines.len() < rows {
                lines.insert(at, CardLine::new());
            }
        }
        let gap = u16::from(within.height > (lines.len() + below + 2) as u16);
        let height = (lines.len() + below + 2) as u16 + gap;
        let area = middle(within, width, height.min(within.height));
        let inner = area.inner(Margin::new(1, 1));
        let row = |number: u16| Rect { y: inner.y.saturating_add(number), height: 1, ..inner }.intersection(inner);
        let first = lines.len() as u16;
        let choices = (0..self.choices.len() as u16).map(|number| row(first + number)).collect();
        CardLayout { area, choices, hint: row(first + self.choices.len() as u16 + gap), lines }
    }
}

impl Card {
    /// Handles a key: the letter of a choice.
    pub fn key(&self, key: &KeyEvent, content: &CardContent) -> CardOutcome {
        let held = key.modifiers.intersects(KeyModifiers::CONTROL | KeyModifiers::ALT);
        let chosen = match key.code {
            KeyCode::Char(c) if !held => content.choices.iter().find(|choice| choice.key == c),
            _ => None,
        };
        chosen.map_or(CardOutcome::Ignored, |choice| CardOutcome::Chosen(choice.action.clone()))
    }

    /// Performs an action.
    pub fn act(&mut self, action: Action, content: &CardContent) -> CardOutcome {
        let count = content.choices.len().max(1);
        match action {
            Action::Back => return CardOutcome::Close,
            Action::Enter => {
                let choice = content.choices.get(self.selected);
                return choice.map_or(CardOutcome::Stay, |choice| CardOutcome::Chosen(choice.action.clone()));
            }
            Action::Up | Action::FocusPrevious => self.selected = (self.selected + count - 1) % count,
            Action::Down | Action::FocusNext => self.selected = (self.selected + 1) % count,
            _ => return CardOutcome::Ignored,
        }
        CardOutcome::Stay
    }

    /// A click on a choice takes it; one beside the card closes it.
    pub fn click(&self, at: Position, content: &CardContent, within: Rect) -> CardOutcome {
        let layout = content.layout(within, false);
        match layout.choices.iter().position(|area| area.contains(at)).and_then(|index| content.choices.get(index)) {
            Some(choice) => CardOutcome::Chosen(choice.action.clone()),
            None if layout.area.contains(at) => CardOutcome::Stay,
            None => CardOutcome::Close,
        }
    }

    /// Draws the card in the middle of an area.
    pub fn draw(&self, frame: &mut Frame, within: Rect, look: &Look, name: &str, content: &CardContent) {
        let theme = &look.theme;
        let CardLayout { area, lines, choices, hint } = content.layout(within, look.ascii);
        let values = vec![Span::styled(name.to_owned(), theme.bold(theme.text))];
        let inner = window(frame, area, look, Title { values, ..Title::named(content.title()) });
        for (line, y) in lines.into_iter().zip(inner.top()..inner.bottom()) {
            let parts = line.into_iter().map(|(tone, text)| Span::styled(text, tone.style(look)));
            frame.render_widget(Line::from_iter(parts), Rect { y, height: 1, ..inner });
        }
        for (number, (choice, area)) in content.choices.iter().zip(choices).enumerate() {
            let here = number == self.selected;
            let style = if here { theme.bold(theme.text) } else { theme.style(theme.dim) };
            let words = truncated(&choice.words, usize::from(area.width).saturating_sub(7), look.ascii);
            let row = Line::from(vec![
                Span::styled(if here { " > " } else { "   " }, theme.bold(theme.accent)),
                Span::styled(format!("{}  ", choice.key), theme.bold(theme.accent)),
                Span::styled(words, style),
            ]);
            frame.render_widget(if here { row.style(theme.marked_line()) } else { row }, area);
        }
        let text = if look.ascii { " up/down enter choose  esc close" } else { " ↑ ↓ enter choose  esc close" };
        frame.render_widget(
            Line::styled(truncated(text, usize::from(hint.width), look.ascii), theme.style(theme.dim)),
            hint,
        );
    }
}
