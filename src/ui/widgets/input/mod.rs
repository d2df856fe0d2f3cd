//! A text input whose cursor moves by grapheme clusters: of one line, or of several that wrap at the width they have.

#[cfg(test)]
mod tests;

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
