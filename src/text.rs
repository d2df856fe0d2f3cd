//! Text in terminal cells: its width, in columns, and in lines. A wide character takes two cells, a combining one none.

use std::ops::Range;

use unicode_segmentation::UnicodeSegmentation;
use unicode_width::UnicodeWidthStr;

/// Cells that a text takes.
pub fn width(text: &str) -> usize {
    UnicodeWidthStr::width(text)
}

/// Text without control characters, which could move the cursor or change the terminal's state.
pub fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// Text of several lines that is harmless in a terminal: line breaks stay, tabs become spaces, and what could move the
/// cursor, change the terminal's state or reverse the text's direction is left out.
pub fn plain_lines(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut characters = text.chars().peekable();
    while let Some(c) = characters.next() {
        match c {
            '\r' if characters.peek() == Some(&'\n') => {}
            '\n' | '\r' => plain.push('\n'),
            '\t' => plain.push_str("    "),
            // Bidirectional overrides and isolates.
            '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {}
            c if c.is_control() => plain.push(' '),
            c => plain.push(c),
        }
    }
    plain
}

/// The rows of a text that keeps its spaces and line breaks, as ranges of its characters (grapheme clusters). Rows have at most
/// `room` cells and are broken between words where possible; spaces at their ends may exceed it.
pub fn rows<S: AsRef<str>>(characters: &[S], room: usize) -> Vec<Range<usize>> {
    let room = room.max(1);
    let cells = |part: &[S]| part.iter().map(|character| width(character.as_ref())).sum::<usize>();
    let mut rows = Vec::new();
    // Where the row and its last word start, and the cells of the row.
    let (mut start, mut word, mut taken) = (0, 0, 0);
    for (index, character) in characters.iter().enumerate() {
        match character.as_ref() {
            "\n" => {
                rows.push(start..index);
                (start, word, taken) = (index + 1, index + 1, 0);
            }
            " " => {
                taken += 1;
                word = index + 1;
            }
            character => {
                let needed = width(character);
                while taken + needed > room && index > start {
                    let end = if word > start { word } else { index };
                    rows.push(start..end);
                    (start, word) = (end, end);
                    taken = cells(&characters[start..index]);
                }
                taken += needed;
            }
        }
    }
    rows.push(start..characters.len());
    rows
}

/// Text in rows as of [`rows`], without the spaces at their ends.
pub fn wrapped_lines(text: &str, room: usize) -> Vec<String> {
    let characters: Vec<&str> = text.graphemes(true).collect();
    rows(&characters, room).into_iter().map(|row| characters[row].concat().trim_end_matches(' ').to_owned()).collect()
}

/// Text in lines of at most `room` cells, broken between words where possible.
pub fn wrapped(text: &str, room: usize) -> Vec<String> {
    let room = room.max(1);
    let mut lines = vec![String::new()];
    let mut taken = 0;
    let mut push = |part: &str, cells: usize, space: bool| {
        let before = usize::from(space && taken > 0);
        if taken > 0 && taken + before + cells > room {
            lines.push(String::new());
            taken = 0;
        } else if before == 1 {
            lines.last_mut().into_iter().for_each(|line| line.push(' '));
            taken += 1;
        }
        lines.last_mut().into_iter().for_each(|line| line.push_str(part));
        taken += cells;
    };
    for word in text.split_whitespace() {
        if width(word) <= room {
            push(word, width(word), true);
            continue;
        }
        // A word longer than a line, such as a path, continues on the next.
        let (mut part, mut space) = (String::new(), true);
        for character in word.graphemes(true) {
            if !part.is_empty() && width(&part) + width(character) > room {
                push(&part, width(&part), space);
                (part, space) = (String::new(), false);
            }
            part.push_str(character);
        }
        push(&part, width(&part), space);
    }
    lines
}

/// Text of at most `room` cells: a longer one ends with an ellipsis.
pub fn truncated(text: &str, room: usize, ascii: bool) -> String {
    if width(text) <= room {
        return text.to_owned();
    }
    let (mark, mut truncated) = (if ascii { "~" } else { "…" }, String::new());
    if room == 0 {
        return truncated;
    }
    for character in text.graphemes(true) {
        if width(&truncated) + width(character) + 1 > room {
            break;
        }
        truncated.push_str(character);
    }
    truncated + mark
}

/// Text in at most `most` lines of at most `room` cells: what is cut off ends with an ellipsis.
pub fn wrapped_at_most(text: &str, room: usize, most: usize, ascii: bool) -> Vec<String> {
    let mut lines = wrapped(text, room);
    if lines.len() > most {
        lines.truncate(most);
        if let Some(last) = lines.last_mut() {
            // Longer than the room in any case.
            *last = truncated(&padded(&format!("{last} "), room + 1), room, ascii);
            let mark = if ascii { "~" } else { "…" };
            *last = format!("{}{mark}", last.strip_suffix(mark).unwrap_or(last).trim_end());
        }
    }
    lines
}

/// Text in a column of `room` cells: truncated with an ellipsis, or padded with spaces.
pub fn fitted(text: &str, room: usize, ascii: bool) -> String {
    padded(&truncated(text, room, ascii), room)
}

/// The same, truncated at the start: for names whose end is the more specific part.
pub fn fitted_end(text: &str, room: usize, ascii: bool) -> String {
    let mark = if ascii { "~" } else { "…" };
    if room == 0 {
        return String::new();
    }
    if width(text) <= room {
        return padded(text, room);
    }
    let mut starts = text.grapheme_indices(true).map(|(start, _)| start).chain([text.len()]);
    let start = starts.find(|start| width(&text[*start..]) < room);
    padded(&format!("{mark}{}", &text[start.unwrap_or(text.len())..]), room)
}

/// Text with spaces behind it up to `room` cells.
pub fn padded(text: &str, room: usize) -> String {
    text.to_owned() + &" ".repeat(room.saturating_sub(width(text)))
}

/// Text with spaces before it up to `room` cells.
pub fn padded_start(text: &str, room: usize) -> String {
    " ".repeat(room.saturating_sub(width(text))) + text
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn lines_break_between_words_and_within_long_ones() {
        assert_eq!(wrapped("one two  three", 7), ["one two", "three"]);
        assert_eq!(wrapped("a /very/long/path", 6), ["a", "/very/", "long/p", "ath"]);
        assert_eq!(wrapped("", 5), [""]);
        assert_eq!(wrapped("ab", 0), ["a", "b"]);
        assert_eq!(wrapped("学习率 很好", 5), ["学习", "率", "很好"]);
    }

    #[test]
    fn rows_keep_spaces_and_line_breaks() {
        assert_eq!(wrapped_lines("one two  three", 7), ["one two", "three"]);
        assert_eq!(wrapped_lines("if x:\n    y = 1\n", 20), ["if x:", "    y = 1", ""]);
        assert_eq!(wrapped_lines("", 5), [""]);
        assert_eq!(wrapped_lines("学习率 很好", 5), ["学习", "率", "很好"]);
        assert_eq!(wrapped_lines("a bc很", 4), ["a", "bc很"]);
        assert_eq!(wrapped_lines("ab", 0), ["a", "b"]);
        assert_eq!(plain_lines("a\r\nb\rc\td\u{1b}[2J\u{9b}\u{202e}e"), "a\nb\nc    d [2J e");
    }

    #[test]
    fn long_texts_are_truncated_at_either_end() {
        assert_eq!([fitted("query bias", 6, false), fitted("key", 6, false)], ["query…", "key   "]);
        assert_eq!([fitted_end("query bias", 6, true), fitted_end("key", 6, true)], ["~ bias", "key   "]);
        assert_eq!(
            [fitted_end("很好", 3, false), fitted_end("很好", 1, false), fitted_end("a", 0, false)],
            ["…好", "…", ""]
        );
        assert_eq!([fitted("很好很", 4, false), padded_start("好", 4)], ["很… ", "  好"]);
        // A character and what combines with it stay together.
        assert_eq!([truncated("e\u{301}tude", 3, false), truncated("👩‍🔬👩‍🔬", 3, true)], ["e\u{301}t…", "👩‍🔬~"]);
    }

    #[test]
    fn lines_that_are_left_out_leave_an_ellipsis() {
        let lines = |most| wrapped_at_most("one two three four", 9, most, false);
        assert_eq!(lines(3), ["one two", "three", "four"]);
        assert_eq!(lines(2), ["one two", "three…"]);
        assert_eq!(lines(1), ["one two…"]);
        assert_eq!(wrapped_at_most("one two", 3, 1, true), ["on~"]);
        assert_eq!(wrapped_at_most("one two", 3, 0, true), [""; 0]);
    }

    proptest! {
        #[test]
        fn any_text_fits_its_room(text in "[a 很👩‍🔬e\u{301}🇩🇪ﷺ]{0,20}", room in 0usize..15) {
            for fitted in [fitted(&text, room, false), fitted_end(&text, room, false), fitted(&text, room, true)] {
                prop_assert_eq!(width(&fitted), room, "{:?}", fitted);
            }
            prop_assert!(width(&truncated(&text, room, false)) <= room);
            // A single character may be wider than the room: "🔬\u{301}\u{200d}🔬" is one of four cells.
            let widest = text.graphemes(true).map(width).max().unwrap_or(0);
            for line in wrapped_at_most(&text, room, 2, false) {
                prop_assert!(width(&line) <= room.max(1).max(widest), "{:?}", line);
            }
            let characters: Vec<&str> = text.graphemes(true).collect();
            let rows = rows(&characters, room);
            prop_assert_eq!(rows.iter().map(|row| characters[row.clone()].concat()).collect::<String>(), text.clone());
            for line in wrapped(&text, room).into_iter().chain(wrapped_lines(&text, room)) {
                prop_assert!(width(&line) <= room.max(1).max(widest), "{:?}", line);
            }
        }
    }
}
