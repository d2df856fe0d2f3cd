//! A single-line text input whose cursor moves by grapheme clusters.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use ratatui::Frame;
use ratatui::layout::{Position, Rect};
use ratatui::style::Style;
use ratatui::text::Line;
use unicode_segmentation::UnicodeSegmentation;
use unicode_width::UnicodeWidthStr;

/// Longest text, in graphemes: enough for any path; more is a pasting mistake.
const MAX_LENGTH: usize = 4096;

/// A line of text with a cursor.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Input {
    /// Grapheme clusters.
    characters: Vec<String>,
    /// Index of the character under the cursor; the number of characters at the end of the text.
    cursor: usize,
}

impl Input {
    /// An input with a text and the cursor at its end.
    pub fn new(text: &str) -> Input {
        let mut input = Input::default();
        input.insert(text);
        input
    }

    pub fn is_empty(&self) -> bool {
        self.characters.is_empty()
    }

    pub fn text(&self) -> String {
        self.characters.concat()
    }

    /// Handles a key; returns whether it is bound.
    pub fn key(&mut self, key: KeyEvent) -> bool {
        let control = key.modifiers.contains(KeyModifiers::CONTROL);
        match key.code {
            KeyCode::Char(c) if !control && !key.modifiers.contains(KeyModifiers::ALT) => {
                self.insert(c.encode_utf8(&mut [0; 4]));
            }
            // The keys of readline.
            KeyCode::Char('a') if control => self.cursor = 0,
            KeyCode::Char('e') if control => self.cursor = self.characters.len(),
            KeyCode::Char('u') if control => {
                self.characters.drain(..self.cursor);
                self.cursor = 0;
            }
            KeyCode::Char('k') if control => self.characters.truncate(self.cursor),
            KeyCode::Char('w') if control => self.delete_word(),
            KeyCode::Left => self.cursor = self.cursor.saturating_sub(1),
            KeyCode::Right => self.cursor = (self.cursor + 1).min(self.characters.len()),
            KeyCode::Home => self.cursor = 0,
            KeyCode::End => self.cursor = self.characters.len(),
            KeyCode::Backspace if self.cursor > 0 => {
                self.cursor -= 1;
                self.characters.remove(self.cursor);
            }
            KeyCode::Delete if self.cursor < self.characters.len() => {
                self.characters.remove(self.cursor);
            }
            KeyCode::Backspace | KeyCode::Delete => {}
            _ => return false,
        }
        true
    }

    /// Inserts text at the cursor. Control characters become spaces, so that the text stays one line.
    pub fn insert(&mut self, text: &str) {
        let plain: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        let (before, after) = self.characters.split_at(self.cursor);
        // Inserted characters may combine with those before them.
        let before = before.concat() + &plain;
        let after = after.concat();
        let all = before.clone() + &after;
        self.characters = all.graphemes(true).take(MAX_LENGTH).map(str::to_owned).collect();
        let mut bytes = 0;
        let behind = self.characters.iter().position(|character| {
            bytes += character.len();
            bytes > before.len()
        });
        self.cursor = behind.unwrap_or(self.characters.len());
    }

    /// Draws the text in one line, scrolled so that the cursor is visible, and places the terminal's cursor.
    pub fn draw(&self, frame: &mut Frame, area: Rect, style: Style) {
        if area.is_empty() {
            return;
        }
        let column = self.draw_unfocused(frame, area, style);
        frame.set_cursor_position(Position::new(area.x + column, area.y));
    }

    /// Draws the text without the terminal's cursor; returns the column the cursor would have.
    pub fn draw_unfocused(&self, frame: &mut Frame, area: Rect, style: Style) -> u16 {
        let width = |characters: &[String]| characters.iter().map(|c| c.width()).sum::<usize>();
        let room = usize::from(area.width).saturating_sub(1);
        let mut first = 0;
        while width(&self.characters[first..self.cursor]) > room {
            first += 1;
        }
        let column = width(&self.characters[first..self.cursor]) as u16;
        let line = Rect { height: 1, ..area }.intersection(area);
        frame.render_widget(Line::styled(self.characters[first..].concat(), style), line);
        column
    }

    fn delete_word(&mut self) {
        let blank = |character: &String| character.trim().is_empty();
        let before = &self.characters[..self.cursor];
        let word = before.iter().rposition(|character| !blank(character)).unwrap_or(0);
        let start = before[..word].iter().rposition(blank).map_or(0, |space| space + 1);
        self.characters.drain(start..self.cursor);
        self.cursor = start;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use ratatui::Terminal;
    use ratatui::backend::TestBackend;

    fn press(input: &mut Input, code: KeyCode) {
        assert!(input.key(KeyEvent::new(code, KeyModifiers::NONE)));
    }

    fn control(input: &mut Input, c: char) {
        assert!(input.key(KeyEvent::new(KeyCode::Char(c), KeyModifiers::CONTROL)));
    }

    #[test]
    fn keys_edit_at_the_cursor() {
        let mut input = Input::new("roberta-base");
        control(&mut input, 'w');
        assert_eq!(input.text(), "");
        input.insert("a b\r\nc\x1b[2J");
        assert_eq!(input.text(), "a b  c [2J");
        press(&mut input, KeyCode::Home);
        press(&mut input, KeyCode::Delete);
        press(&mut input, KeyCode::Char('x'));
        press(&mut input, KeyCode::Right);
        control(&mut input, 'k');
        assert_eq!(input.text(), "x ");
        press(&mut input, KeyCode::Left);
        press(&mut input, KeyCode::Backspace);
        press(&mut input, KeyCode::Backspace);
        assert_eq!(input.text(), " ");
        press(&mut input, KeyCode::End);
        input.insert("one two  ");
        control(&mut input, 'w');
        assert_eq!(input.text(), " one ");
        control(&mut input, 'u');
        assert_eq!(input.text(), "");
        assert!(!input.key(KeyEvent::new(KeyCode::Enter, KeyModifiers::NONE)));
    }

    #[test]
    fn a_grapheme_cluster_is_one_character() {
        let mut input = Input::new("e\u{301}日本👩‍👩‍👧");
        press(&mut input, KeyCode::Backspace);
        assert_eq!(input.text(), "e\u{301}日本");
        press(&mut input, KeyCode::Home);
        press(&mut input, KeyCode::Right);
        press(&mut input, KeyCode::Backspace);
        assert_eq!(input.text(), "日本");
        // A combining mark joins the character before it.
        press(&mut input, KeyCode::Char('a'));
        press(&mut input, KeyCode::Char('\u{308}'));
        press(&mut input, KeyCode::Backspace);
        assert_eq!(input.text(), "日本");
    }

    #[test]
    fn the_cursor_is_always_visible() {
        let mut terminal = Terminal::new(TestBackend::new(6, 1)).unwrap();
        let mut input = Input::new("日本日本");
        let mut draw = |input: &Input| {
            terminal.draw(|frame| input.draw(frame, frame.area(), Style::new())).unwrap();
            terminal.get_cursor_position().unwrap().x
        };
        assert_eq!(draw(&input), 4);
        press(&mut input, KeyCode::Home);
        assert_eq!(draw(&input), 0);
    }

    proptest! {
        #[test]
        fn the_cursor_stays_within_the_text_whatever_is_typed(keys in prop::collection::vec(0u8..9, 0..60), text in "\\PC{0,12}") {
            let mut input = Input::default();
            for key in keys {
                match key {
                    0 => input.insert(&text),
                    1 => press(&mut input, KeyCode::Left),
                    2 => press(&mut input, KeyCode::Right),
                    3 => press(&mut input, KeyCode::Backspace),
                    4 => press(&mut input, KeyCode::Delete),
                    5 => press(&mut input, KeyCode::Home),
                    6 => control(&mut input, 'w'),
                    7 => press(&mut input, KeyCode::Char('\u{301}')),
                    _ => control(&mut input, 'u'),
                }
                prop_assert!(input.cursor <= input.characters.len());
            }
        }
    }
}
