//! A text input whose cursor moves by grapheme clusters: of one line, or of several that wrap at the width they have.

use std::ops::Range;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use ratatui::Frame;
use ratatui::layout::{Position, Rect};
use ratatui::style::Style;
use ratatui::text::Line;
use unicode_segmentation::UnicodeSegmentation;
use unicode_width::UnicodeWidthStr;

use crate::text::{plain, plain_lines, rows};

/// Longest text of one line, in graphemes: enough for any path; more is a pasting mistake.
const MAX_LENGTH: usize = 4096;

/// Longest text of several lines.
const MAX_LINES_LENGTH: usize = 65_536;

/// A text with a cursor.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Input {
    /// Grapheme clusters.
    characters: Vec<String>,
    /// Index of the character under the cursor; the number of characters at the end of the text.
    cursor: usize,
    /// Whether it may have several lines.
    multiline: bool,
}

impl Input {
    /// A line with a text and the cursor at its end.
    pub fn new(text: &str) -> Input {
        let mut input = Input::default();
        input.insert(text);
        input
    }

    /// The same for text of several lines.
    pub fn multiline(text: &str) -> Input {
        let mut input = Input { multiline: true, ..Input::default() };
        input.insert(text);
        input
    }

    pub fn text(&self) -> String {
        self.characters.concat()
    }

    /// The text before the cursor and behind it.
    pub fn parts(&self) -> (String, String) {
        let (before, after) = self.characters.split_at(self.cursor);
        (before.concat(), after.concat())
    }

    pub fn is_empty(&self) -> bool {
        self.characters.is_empty()
    }

    /// Handles a key; returns whether it is bound.
    pub fn key(&mut self, key: KeyEvent) -> bool {
        let (control, alt) = (key.modifiers.contains(KeyModifiers::CONTROL), key.modifiers.contains(KeyModifiers::ALT));
        match key.code {
            KeyCode::Char(c) if !control && !alt => {
                self.insert(c.encode_utf8(&mut [0; 4]));
            }
            KeyCode::Enter if alt && self.multiline => {
                self.insert("\n");
            }
            KeyCode::Char('j') if control && self.multiline => {
                self.insert("\n");
            }
            // The keys of readline.
            KeyCode::Char('a') if control => self.cursor = self.line().start,
            KeyCode::Char('e') if control => self.cursor = self.line().end,
            KeyCode::Char('u') if control => self.delete(self.line().start..self.cursor),
            KeyCode::Char('k') if control => self.delete(self.cursor..self.line().end.max(self.cursor + 1)),
            KeyCode::Char('w') if control => self.delete(self.word_start()..self.cursor),
            KeyCode::Char('h') if control => self.delete(self.cursor.saturating_sub(1)..self.cursor),
            KeyCode::Char('d') if control => self.delete(self.cursor..self.cursor + 1),
            KeyCode::Char('b') if alt => self.cursor = self.word_start(),
            KeyCode::Char('f') if alt => self.cursor = self.word_end(),
            KeyCode::Char('d') if alt => self.delete(self.cursor..self.word_end()),
            KeyCode::Left if control || alt => self.cursor = self.word_start(),
            KeyCode::Right if control || alt => self.cursor = self.word_end(),
            KeyCode::Home if control => self.cursor = 0,
            KeyCode::End if control => self.cursor = self.characters.len(),
            KeyCode::Backspace if control || alt => self.delete(self.word_start()..self.cursor),
            KeyCode::Delete if control || alt => self.delete(self.cursor..self.word_end()),
            KeyCode::Left => self.cursor = self.cursor.saturating_sub(1),
            KeyCode::Right => self.cursor = (self.cursor + 1).min(self.characters.len()),
            KeyCode::Home => self.cursor = self.line().start,
            KeyCode::End => self.cursor = self.line().end,
            KeyCode::Backspace => self.delete(self.cursor.saturating_sub(1)..self.cursor),
            KeyCode::Delete => self.delete(self.cursor..self.cursor + 1),
            _ => return false,
        }
        true
    }

    /// Inserts text at the cursor. In a single line, control characters and line breaks become spaces. Returns whether all of
    /// it had room.
    pub fn insert(&mut self, text: &str) -> bool {
        let (text, most) =
            if self.multiline { (plain_lines(text), MAX_LINES_LENGTH) } else { (plain(text), MAX_LENGTH) };
        let (before, after) = self.characters.split_at(self.cursor);
        self.set(&(before.concat() + &text), &after.concat(), most)
    }

    /// Sets the text before and behind the cursor; characters at the cursor may combine. Returns whether all of it had room.
    fn set(&mut self, before: &str, after: &str, most: usize) -> bool {
        let all = before.to_owned() + after;
        let mut characters = all.graphemes(true);
        self.characters = characters.by_ref().take(most).map(str::to_owned).collect();
        let mut bytes = 0;
        let behind = self.characters.iter().position(|character| {
            bytes += character.len();
            bytes > before.len()
        });
        self.cursor = behind.unwrap_or(self.characters.len());
        characters.next().is_none()
    }

    /// Moves the cursor up or down by a row of a text drawn `width` wide. `false` if there is no such row.
    pub fn move_row(&mut self, up: bool, width: u16) -> bool {
        let rows = self.rows(width);
        let row = row_of(&rows, self.cursor);
        let target = if up { row.checked_sub(1) } else { Some(row + 1) };
        let Some(range) = target.and_then(|target| rows.get(target)) else { return false };
        let column = cells(&self.characters[rows[row].start..self.cursor]);
        // The place after the last character of a row that wraps is in the next row.
        let wraps = self.characters.get(range.end).is_some_and(|end| end != "\n");
        let last = if wraps { range.end.saturating_sub(1).max(range.start) } else { range.end };
        let reached = (range.start..last).find(|&place| cells(&self.characters[range.start..=place]) > column);
        self.cursor = reached.unwrap_or(last);
        true
    }

    /// The number of rows of a text drawn `width` wide.
    pub fn row_count(&self, width: u16) -> usize {
        self.rows(width).len()
    }

    /// Draws the text in rows, scrolled so that the cursor is visible, and places the terminal's cursor.
    pub fn draw_rows(&self, frame: &mut Frame, area: Rect, style: Style) {
        if area.is_empty() {
            return;
        }
        let rows = self.rows(area.width);
        let row = row_of(&rows, self.cursor);
        let first = (row + 1).saturating_sub(usize::from(area.height));
        for (range, y) in rows[first..].iter().zip(area.top()..area.bottom()) {
            let text = self.characters[range.clone()].concat();
            frame.render_widget(Line::styled(text, style), Rect { y, height: 1, ..area });
        }
        let column = cells(&self.characters[rows[row].start..self.cursor]) as u16;
        // Spaces at the end of a row may exceed it.
        let x = area.x + column.min(area.width - 1);
        frame.set_cursor_position(Position::new(x, area.y + (row - first) as u16));
    }

    /// The rows, with a cell left for the cursor behind each.
    fn rows(&self, width: u16) -> Vec<Range<usize>> {
        rows(&self.characters, usize::from(width.saturating_sub(1)))
    }

    /// Draws the text in one line, scrolled so that the cursor is visible, and places the terminal's cursor.
    pub fn draw(&self, frame: &mut Frame, area: Rect, style: Style) {
        if area.is_empty() {
            return;
        }
        let room = usize::from(area.width).saturating_sub(1);
        let mut first = 0;
        while cells(&self.characters[first..self.cursor]) > room {
            first += 1;
        }
        let column = cells(&self.characters[first..self.cursor]) as u16;
        let line = Rect { height: 1, ..area }.intersection(area);
        frame.render_widget(Line::styled(self.characters[first..].concat(), style), line);
        frame.set_cursor_position(Position::new(area.x + column, area.y));
    }

    /// The line of the cursor, without its line break.
    fn line(&self) -> Range<usize> {
        let is_break = |character: &String| character == "\n";
        let start = self.characters[..self.cursor].iter().rposition(is_break).map_or(0, |line_break| line_break + 1);
        let length = self.characters[self.cursor..].iter().position(is_break);
        start..length.map_or(self.characters.len(), |length| self.cursor + length)
    }

    fn word_start(&self) -> usize {
        let before = &self.characters[..self.cursor];
        let word = before.iter().rposition(|character| !is_blank(character)).unwrap_or(0);
        before[..word].iter().rposition(|character| is_blank(character)).map_or(0, |space| space + 1)
    }

    fn word_end(&self) -> usize {
        let after = &self.characters[self.cursor..];
        let word = after.iter().position(|character| !is_blank(character)).unwrap_or(after.len());
        let length = after[word..].iter().position(|character| is_blank(character)).unwrap_or(after.len() - word);
        self.cursor + word + length
    }

    /// Deletes characters next to the cursor.
    fn delete(&mut self, range: Range<usize>) {
        let (before, after) =
            (&self.characters[..range.start], &self.characters[range.end.min(self.characters.len())..]);
        let (before, after) = (before.concat(), after.concat());
        self.set(&before, &after, usize::MAX);
    }
}

fn cells(characters: &[String]) -> usize {
    characters.iter().map(|character| character.width()).sum()
}

fn is_blank(character: &str) -> bool {
    character.trim().is_empty()
}

/// The row of a cursor: the last that starts at or before it.
fn row_of(rows: &[Range<usize>], cursor: usize) -> usize {
    rows.partition_point(|row| row.start <= cursor).saturating_sub(1)
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

    #[test]
    fn rows_are_moved_through_and_the_cursor_is_in_the_drawn_row() {
        let mut terminal = Terminal::new(TestBackend::new(6, 2)).unwrap();
        let mut at = |input: &Input| {
            terminal.draw(|frame| input.draw_rows(frame, frame.area(), Style::new())).unwrap();
            let position = terminal.get_cursor_position().unwrap();
            let buffer = terminal.backend().buffer();
            let row = |y| (0..6).map(|x| buffer[(x, y)].symbol()).collect::<String>().split_whitespace().collect();
            (position.x, position.y, [row(0), row(1)])
        };
        let mut input = Input::multiline("ab cd ef\n\n日本語");
        assert_eq!(at(&input), (2, 1, ["日本".to_owned(), "語".to_owned()]));
        assert_eq!(input.row_count(6), 5);
        assert!(!input.move_row(false, 6));
        assert!(input.move_row(true, 6));
        assert_eq!(at(&input), (2, 1, [String::new(), "日本".to_owned()]));
        assert!(input.move_row(true, 6) && input.move_row(true, 6));
        assert_eq!(at(&input), (0, 1, ["abcd".to_owned(), "ef".to_owned()]));
        press(&mut input, KeyCode::End);
        assert!(input.move_row(true, 6));
        input.insert("X");
        assert_eq!(input.text(), "abX cd ef\n\n日本語");
    }

    #[test]
    fn lines_are_pasted_and_a_text_that_is_too_long_is_reported() {
        let mut input = Input::multiline("");
        assert!(input.insert("a\r\nb\tc\u{1b}"));
        assert_eq!(input.text(), "a\nb    c ");
        assert!(!input.insert(&"x".repeat(MAX_LINES_LENGTH)));
        assert!(input.key(KeyEvent::new(KeyCode::Enter, KeyModifiers::ALT)));
        let mut line = Input::new("a");
        assert!(!line.key(KeyEvent::new(KeyCode::Enter, KeyModifiers::ALT)));
        assert!(!line.insert(&"x".repeat(MAX_LENGTH)));
    }

    /// The same editing on a string and a byte position, whose places are those between grapheme clusters.
    #[derive(Default)]
    struct Model {
        text: String,
        at: usize,
    }

    impl Model {
        fn places(&self) -> Vec<usize> {
            self.text.grapheme_indices(true).map(|(place, _)| place).chain([self.text.len()]).collect()
        }

        fn before(&self) -> usize {
            self.places().into_iter().rfind(|&place| place < self.at).unwrap_or(0)
        }

        fn after(&self) -> usize {
            self.places().into_iter().find(|&place| place > self.at).unwrap_or(self.text.len())
        }

        fn line(&self) -> (usize, usize) {
            let start = self.text[..self.at].rfind('\n').map_or(0, |place| place + 1);
            (start, self.text[self.at..].find('\n').map_or(self.text.len(), |length| self.at + length))
        }

        fn word_start(&self) -> usize {
            let before = self.text[..self.at].trim_end();
            before.char_indices().rev().find(|(_, c)| c.is_whitespace()).map_or(0, |(place, c)| place + c.len_utf8())
        }

        fn word_end(&self) -> usize {
            let after = &self.text[self.at..];
            let word = after.len() - after.trim_start().len();
            self.at + after[word..].find(char::is_whitespace).map_or(after.len(), |length| word + length)
        }

        fn replace(&mut self, from: usize, to: usize, with: &str) {
            self.text.replace_range(from..to, with);
            let at = from + with.len();
            // What now combines is one character, and the cursor is behind it.
            let places = self.places();
            let behind = places.iter().rposition(|&place| place <= at).unwrap_or(0);
            self.at = if places[behind] == at { at } else { places[behind] };
        }
    }

    fn typed() -> impl Strategy<Value = String> {
        let pieces = ["a", "bc", " ", "\n", "日", "é", "e\u{301}", "👩‍👩‍👧", "🇩🇪", "\u{1f44d}\u{1f3fd}"];
        prop::collection::vec(prop::sample::select(pieces.to_vec()), 0..5).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #[test]
        fn editing_is_that_of_a_string_and_a_cursor(
            moves in prop::collection::vec((0u8..16, typed()), 0..60),
        ) {
            let (mut input, mut model) = (Input::multiline(""), Model::default());
            for (kind, text) in moves {
                let (start, end) = model.line();
                let at = model.at;
                let mut key = |code, modifiers| assert!(input.key(KeyEvent::new(code, modifiers)));
                let (none, control, alt) = (KeyModifiers::NONE, KeyModifiers::CONTROL, KeyModifiers::ALT);
                match kind {
                    0 | 1 => { input.insert(&text); model.replace(at, at, &text) }
                    2 => { key(KeyCode::Left, none); model.at = model.before() }
                    3 => { key(KeyCode::Right, none); model.at = model.after() }
                    4 => { key(KeyCode::Backspace, none); model.replace(model.before(), at, "") }
                    5 => { key(KeyCode::Delete, none); model.replace(at, model.after(), "") }
                    6 => { key(KeyCode::Home, none); model.at = start }
                    7 => { key(KeyCode::Char('e'), control); model.at = end }
                    8 => { key(KeyCode::Char('u'), control); model.replace(start, at, "") }
                    9 => { key(KeyCode::Char('k'), control); model.replace(at, if end > at { end } else { model.after() }, "") }
                    10 => { key(KeyCode::Char('w'), control); model.replace(model.word_start(), at, "") }
                    11 => { key(KeyCode::Left, control); model.at = model.word_start() }
                    12 => { key(KeyCode::Char('f'), alt); model.at = model.word_end() }
                    13 => { key(KeyCode::Char('d'), alt); model.replace(at, model.word_end(), "") }
                    14 => { key(KeyCode::Enter, alt); model.replace(at, at, "\n") }
                    _ => { key(KeyCode::Char('j'), control); model.replace(at, at, "\n") }
                }
                prop_assert_eq!(input.text(), model.text.as_str());
                prop_assert_eq!(input.characters[..input.cursor].concat().len(), model.at, "{:?} {:?}", kind, model.text);
                // Up and down stay within the text, and a row is drawn for every place.
                let mut moved = input.clone();
                while moved.move_row(true, 5) {}
                prop_assert!(!moved.move_row(true, 5) && row_of(&moved.rows(5), moved.cursor) == 0);
                let mut rows = 1;
                while moved.move_row(false, 5) { rows += 1; }
                prop_assert_eq!(rows, moved.row_count(5));
            }
        }

        #[test]
        fn the_cursor_stays_within_the_text_whatever_is_typed(keys in prop::collection::vec(0u8..9, 0..60), text in "\\PC{0,12}") {
            let mut input = Input::default();
            for key in keys {
                match key {
                    0 => drop(input.insert(&text)),
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
