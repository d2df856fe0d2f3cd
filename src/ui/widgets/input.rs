//! A line of text that is typed: its cursor moves by what a reader takes for characters, whatever they are made of.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use ratatui::Frame;
use ratatui::layout::{Position, Rect};
use ratatui::style::Style;
use ratatui::text::Line;
use unicode_segmentation::UnicodeSegmentation;
use unicode_width::UnicodeWidthStr;

/// Characters at most: a path may be long, a novel is a mistake.
const MOST: usize = 4096;

/// A line of text and a cursor in it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Input {
    characters: Vec<String>,
    /// The character that the cursor is on; as many as there are for the place behind the last.
    cursor: usize,
}

impl Input {
    /// With a text, and the cursor behind it.
    pub fn new(text: &str) -> Input {
        let mut input = Input::default();
        input.insert(text);
        input
    }

    /// The text.
    pub fn text(&self) -> String {
        self.characters.concat()
    }

    /// Takes up a key; whether it had a meaning.
    pub fn key(&mut self, key: KeyEvent) -> bool {
        let control = key.modifiers.contains(KeyModifiers::CONTROL);
        match key.code {
            KeyCode::Char(c) if !control && !key.modifiers.contains(KeyModifiers::ALT) => {
                self.insert(c.encode_utf8(&mut [0; 4]));
            }
            // As in a shell.
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

    /// Puts text in at the cursor. It is one line: what ends lines or moves a terminal's cursor becomes a space.
    pub fn insert(&mut self, text: &str) {
        let plain: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        let (before, after) = self.characters.split_at(self.cursor);
        // What is typed may combine with what is there.
        let before = before.concat() + &plain;
        let after = after.concat();
        let all = before.clone() + &after;
        self.characters = all.graphemes(true).take(MOST).map(str::to_owned).collect();
        let mut bytes = 0;
        let behind = self.characters.iter().position(|character| {
            bytes += character.len();
            bytes > before.len()
        });
        self.cursor = behind.unwrap_or(self.characters.len());
    }

    /// Draws it in one line and puts the terminal's cursor there. What does not fit gives way on the side that is farther from
    /// the cursor.
    pub fn draw(&self, frame: &mut Frame, area: Rect, style: Style) {
        if area.is_empty() {
            return;
        }
        let column = self.draw_still(frame, area, style);
        frame.set_cursor_position(Position::new(area.x + column, area.y));
    }

    /// The same without the terminal's cursor, whose column within the area it returns.
    pub fn draw_still(&self, frame: &mut Frame, area: Rect, style: Style) -> u16 {
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
    fn text_is_typed_at_the_cursor() {
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
    fn what_is_seen_as_one_character_is_one() {
        let mut input = Input::new("e\u{301}日本👩‍👩‍👧");
        press(&mut input, KeyCode::Backspace);
        assert_eq!(input.text(), "e\u{301}日本");
        press(&mut input, KeyCode::Home);
        press(&mut input, KeyCode::Right);
        press(&mut input, KeyCode::Backspace);
        assert_eq!(input.text(), "日本");
        // A mark that combines with what is before it.
        press(&mut input, KeyCode::Char('a'));
        press(&mut input, KeyCode::Char('\u{308}'));
        press(&mut input, KeyCode::Backspace);
        assert_eq!(input.text(), "日本");
    }

    #[test]
    fn the_cursor_is_always_in_view() {
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
        fn any_keys_leave_a_cursor_in_the_text(keys in prop::collection::vec(0u8..9, 0..60), text in "\\PC{0,12}") {
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
