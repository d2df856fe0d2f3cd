//! Editing by keys, beside a string and a cursor.

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
