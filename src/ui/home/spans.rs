//! Styled text in lines: broken between words, with the characters that a terminal does not show made visible.

use ratatui::style::Style;
use ratatui::text::{Line, Span};
use unicode_segmentation::UnicodeSegmentation;

use crate::ui::format::width;

/// The text of a token: tabs and line breaks as signs, a combining mark without a character before it on a dotted circle.
pub fn visible(text: &str, ascii: bool) -> String {
    let (tab, newline) = if ascii { ("\\t", "\\n") } else { ("⇥", "↵") };
    let mut shown = String::new();
    if !ascii
        && text.graphemes(true).next().is_some_and(|first| width(first) == 0 && !first.starts_with(char::is_control))
    {
        shown.push('◌');
    }
    for character in text.chars() {
        match character {
            '\t' => shown.push_str(tab),
            '\n' => shown.push_str(newline),
            character if character.is_control() => shown.push(' '),
            character => shown.push(character),
        }
    }
    shown
}

/// A line in rows of at most `room` cells, broken after a space where there is one.
pub fn wrap(line: &Line, room: usize) -> Vec<Line<'static>> {
    let characters = characters(line);
    let row = |from: usize, to: usize| joined(&characters[from..to]).style(line.style);
    let cells = |from: usize, to: usize| cells(&characters[from..to]);
    let (mut rows, mut start, mut taken, mut space) = (Vec::new(), 0, 0, None);
    for (place, (character, _)) in characters.iter().enumerate() {
        while taken + width(character) > room.max(1) && place > start {
            let end = space.filter(|space| *space > start).unwrap_or(place);
            rows.push(row(start, end));
            (start, taken) = (end, cells(end, place));
        }
        taken += width(character);
        if character == " " {
            space = Some(place + 1);
        }
    }
    rows.push(row(start, characters.len()));
    rows
}

/// The rows that fit into `height`; if there are more, the last one ends with an ellipsis.
pub fn clipped(mut rows: Vec<Line<'static>>, height: usize, room: usize, ascii: bool) -> Vec<Line<'static>> {
    if rows.len() <= height {
        return rows;
    }
    rows.truncate(height);
    if let Some(last) = rows.last_mut() {
        let mark = if ascii { " ~" } else { " …" };
        let mut kept = characters(last);
        while kept.last().is_some_and(|(character, _)| character == " ") || cells(&kept) + width(mark) > room {
            if kept.pop().is_none() {
                break;
            }
        }
        *last = joined(&kept).style(last.style);
        last.push_span(mark);
    }
    rows
}

/// The characters of a line with their styles.
fn characters(line: &Line) -> Vec<(String, Style)> {
    let of_span = |span: &Span| {
        let style = span.style;
        span.content.graphemes(true).map(|character| (character.to_owned(), style)).collect::<Vec<_>>()
    };
    line.spans.iter().flat_map(of_span).collect()
}

/// Characters as a line: those of one style in one span.
fn joined(characters: &[(String, Style)]) -> Line<'static> {
    let text = |run: &[(String, Style)]| run.iter().map(|(character, _)| character.as_str()).collect::<String>();
    Line::from_iter(characters.chunk_by(|a, b| a.1 == b.1).map(|run| Span::styled(text(run), run[0].1)))
}

fn cells(characters: &[(String, Style)]) -> usize {
    characters.iter().map(|(character, _)| width(character)).sum()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn text(line: &Line) -> String {
        line.spans.iter().map(|span| span.content.as_ref()).collect()
    }

    #[test]
    fn characters_that_are_not_shown_are_made_visible() {
        assert_eq!([visible("a\tb\n", false), visible("a\tb\n", true)], ["a⇥b↵", "a\\tb\\n"]);
        assert_eq!([visible("\u{301}x", false), visible("e\u{301}", false)], ["◌\u{301}x", "e\u{301}"]);
        assert_eq!(visible("\u{1b}[2J", false), " [2J");
    }

    #[test]
    fn rows_break_after_spaces_and_the_last_one_says_that_there_are_more() {
        let rows = wrap(&Line::from("one two three 很好很好"), 8);
        assert_eq!(rows.iter().map(text).collect::<Vec<_>>(), ["one two ", "three ", "很好很好"]);
        let clipped = clipped(rows, 2, 8, false);
        assert_eq!(clipped.iter().map(text).collect::<Vec<_>>(), ["one two ", "three …"]);
    }

    proptest! {
        #[test]
        fn rows_fit_and_keep_the_text(words in prop::collection::vec("[a 很👩‍🔬e\u{301}⇥]{0,9}", 1..8), room in 1usize..20, height in 0usize..6) {
            let line = Line::from_iter(words.iter().map(|word| Span::styled(word.clone(), Style::new())));
            let rows = wrap(&line, room);
            let widest = text(&line).graphemes(true).map(width).max().unwrap_or(0);
            for row in &rows {
                prop_assert!(row.width() <= room.max(widest), "{:?}", row);
            }
            prop_assert_eq!(rows.iter().map(text).collect::<String>(), text(&line));
            let shown = clipped(rows.clone(), height, room, false);
            prop_assert!(shown.len() <= height.max(rows.len().min(height)));
            for row in &shown {
                prop_assert!(row.width() <= room.max(widest).max(2), "{:?}", row);
            }
            if rows.len() > height && height > 0 {
                prop_assert!(text(shown.last().unwrap()).ends_with('…'));
            }
        }
    }
}
