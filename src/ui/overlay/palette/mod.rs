//! The palette: a search over everything that can be done here and now. Choosing an entry closes it.

mod choice;
mod draw;
mod entries;
mod search;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use ratatui::layout::Position;
use ratatui::layout::Rect;

use super::{Outcome, Scene};
use crate::ui::input::UserInput;
use crate::ui::theme::Themes;
use crate::ui::widgets::input::Input;
pub use choice::{Choice, remember};
use draw::Layout;
use entries::Entry;
use search::Hit;

/// The entries, and those of them that match what is typed.
#[derive(Clone, Debug, PartialEq)]
pub struct Palette {
    query: Input,
    /// All entries; the most useful first.
    entries: Vec<Entry>,
    /// The entries that match, the best first; of very many only the first ones.
    hits: Vec<Hit>,
    /// How many match.
    matches: usize,
    /// Index into `hits`.
    selected: usize,
}

impl Palette {
    /// Everything that can be done at a place. `recent` holds earlier choices, the latest first.
    pub fn open(scene: &Scene, themes: &Themes, recent: &[Choice]) -> Palette {
        let mut palette = Palette {
            query: Input::default(),
            entries: entries::at(scene, themes, recent),
            hits: Vec::new(),
            matches: 0,
            selected: 0,
        };
        palette.search();
        palette
    }

    /// The same search over the entries of now. The selected entry stays selected.
    pub fn renew(&mut self, scene: &Scene, themes: &Themes, recent: &[Choice]) {
        let selected = self.chosen().cloned();
        self.entries = entries::at(scene, themes, recent);
        self.search();
        let place = self.hits.iter().position(|hit| Some(&self.entries[hit.entry].choice) == selected.as_ref());
        self.selected = place.unwrap_or(0);
    }

    /// Handles an input on a palette in the middle of an area.
    pub(super) fn handle(&mut self, input: &UserInput, within: Rect) -> Outcome {
        match input {
            UserInput::Key(key) => return self.key(key, within),
            UserInput::Paste(text) => {
                self.query.insert(text.trim());
                self.search();
            }
            UserInput::ScrollUp(_) => self.go(-1),
            UserInput::ScrollDown(_) => self.go(1),
            UserInput::Click(at) => return self.click(*at, within),
            UserInput::Drag(_) => {}
        }
        Outcome::Stay
    }

    fn key(&mut self, key: &KeyEvent, within: Rect) -> Outcome {
        let page = self.layout(within).list.height.max(1) as isize;
        match key.code {
            KeyCode::Esc => return Outcome::Close,
            KeyCode::Char(c) if key.modifiers.contains(KeyModifiers::CONTROL) => match c {
                'c' | 'g' => return Outcome::Close,
                'p' => self.go(-1),
                'n' => self.go(1),
                _ => self.edit(key),
            },
            KeyCode::Enter => return self.chosen().cloned().map_or(Outcome::Stay, Outcome::Choose),
            KeyCode::Up | KeyCode::BackTab => self.go(-1),
            KeyCode::Down | KeyCode::Tab => self.go(1),
            KeyCode::PageUp => self.go(-page),
            KeyCode::PageDown => self.go(page),
            _ => self.edit(key),
        }
        Outcome::Stay
    }

    fn edit(&mut self, key: &KeyEvent) {
        let before = self.query.text();
        self.query.key(*key);
        if self.query.text() != before {
            self.search();
        }
    }

    /// A click on an entry chooses it, one beside the palette closes it.
    fn click(&mut self, at: Position, within: Rect) -> Outcome {
        let layout = self.layout(within);
        if !layout.window.contains(at) {
            return Outcome::Close;
        }
        if !layout.list.contains(at) {
            return Outcome::Stay;
        }
        match self.hits.get(layout.first + usize::from(at.y - layout.list.y)) {
            Some(hit) => Outcome::Choose(self.entries[hit.entry].choice.clone()),
            None => Outcome::Stay,
        }
    }

    fn layout(&self, within: Rect) -> Layout {
        Layout::new(within, self.hits.len(), self.selected)
    }

    fn go(&mut self, by: isize) {
        self.selected = self.selected.saturating_add_signed(by).min(self.hits.len().saturating_sub(1));
    }

    fn chosen(&self) -> Option<&Choice> {
        self.hits.get(self.selected).map(|hit| &self.entries[hit.entry].choice)
    }

    fn search(&mut self) {
        (self.hits, self.matches) = search::search(&self.entries, &self.query.text());
        self.selected = 0;
    }
}
