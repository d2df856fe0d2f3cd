//! The last line of the screen: the keys that do something now. A click on one of them is that key.

use ratatui::Frame;
use ratatui::layout::{Position, Rect};
use ratatui::text::{Line, Span};

use super::format;
use super::keymap::{Action, AppAction, Hint, Key, Keymap};
use super::overlay::Overlay;
use super::place::Place;
use super::theme::Look;

/// The keys, and where each of them is drawn.
pub struct Footer {
    hints: Vec<(Rect, Hint)>,
}

impl Footer {
    /// The keys of the overlay, or else those of the place, as many as there is room for; those of palette, help and quit
    /// in any case.
    pub fn new(area: Rect, place: &Place, keymap: &Keymap, overlay: Option<&Overlay>) -> Footer {
        let (others, end) = match overlay.map(Overlay::hints).or_else(|| place.dialog()) {
            Some(hints) => (hints, Vec::new()),
            None => of_bindings(place, keymap),
        };
        let room = end.iter().map(width).sum::<u16>();
        let room = Rect { width: area.width.saturating_sub(room), ..area };
        let mut hints = in_row(room, others);
        let rest = Rect { x: room.right(), width: area.width - room.width, ..area };
        hints.extend(in_row(rest, end));
        Footer { hints }
    }

    /// The key at a position.
    pub fn key_at(&self, at: Position) -> Option<Key> {
        self.hints.iter().find(|(area, _)| area.contains(at)).map(|(_, hint)| hint.key)
    }

    pub fn draw(&self, frame: &mut Frame, look: &Look) {
        let theme = &look.theme;
        for (area, Hint { key, word }) in &self.hints {
            let key = Span::styled(format!(" {}", key.name()), theme.bold(theme.accent));
            let word = Span::styled(format!(" {word} "), theme.style(theme.dim));
            frame.render_widget(Line::from(vec![key, word]), *area);
        }
    }
}

/// The keys of the place, and those at the end of the line.
fn of_bindings(place: &Place, keymap: &Keymap) -> (Vec<Hint>, Vec<Hint>) {
    let (mut others, mut end) = (Vec::<Hint>::new(), Vec::new());
    for (binding, keys) in place.bindings(keymap) {
        let (word, Some(key)) = (place.word(binding), keys.first()) else { continue };
        let hint = Hint::new(*key, word);
        match binding.action {
            Action::App(AppAction::Palette | AppAction::Help | AppAction::Quit) => end.push(hint),
            // Two keys may do the same here.
            _ if word.is_empty() || others.iter().any(|other| other.word == word) => {}
            _ => others.push(hint),
        }
    }
    (others, end)
}

/// Hints beside each other, as many as fit.
fn in_row(area: Rect, hints: Vec<Hint>) -> Vec<(Rect, Hint)> {
    let mut x = area.x;
    let mut placed = Vec::new();
    for hint in hints {
        let width = width(&hint);
        if width > area.right().saturating_sub(x) {
            break;
        }
        placed.push((Rect { x, width, height: area.height.min(1), ..area }, hint));
        x += width;
    }
    placed
}

/// Columns of a hint with the spaces around it.
fn width(hint: &Hint) -> u16 {
    u16::try_from(format::width(&hint.key.name()) + format::width(hint.word) + 3).unwrap_or(u16::MAX)
}
