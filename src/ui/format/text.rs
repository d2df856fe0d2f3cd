//! Text without control characters, wrapped or fitted to a width.

use ratatui::text::Span;
use unicode_segmentation::UnicodeSegmentation;

/// Text without control characters, which could move the cursor or change the terminal's state.
pub fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// Text in lines of at most `width` characters, broken between words where possible.
pub fn wrapped(text: &str, width: usize) -> Vec<String> {
    let width = width.max(1);
    let mut lines = vec![String::new()];
    let mut length = 0;
    for word in text.split_whitespace() {
        // A word longer than a line, such as a path, continues on the next.
        let letters: Vec<char> = word.chars().collect();
        for (number, part) in letters.chunks(width).enumerate() {
            let space = usize::from(length > 0 && number == 0);
            if length + space + part.len() > width {
                lines.push(String::new());
                length = 0;
            } else if space == 1 {
                lines.last_mut().into_iter().for_each(|line| line.push(' '));
                length += 1;
            }
            lines.last_mut().into_iter().for_each(|line| line.extend(part));
            length += part.len();
        }
    }
    lines
}

/// Text in a column of `width` cells: truncated with an ellipsis, or padded with spaces.
pub fn fitted(text: &str, width: usize, ascii: bool) -> String {
    let (mark, mut fitted) = (if ascii { "~" } else { "…" }, String::new());
    let long = Span::raw(text).width() > width;
    let room = if long { width.saturating_sub(1) } else { width };
    for character in text.graphemes(true) {
        if Span::raw(fitted.as_str()).width() + Span::raw(character).width() > room {
            break;
        }
        fitted.push_str(character);
    }
    if long && width > 0 {
        fitted.push_str(mark);
    }
    padded(fitted, width)
}

/// The same, truncated at the start: for names whose end is the more specific part.
pub fn fitted_end(text: &str, width: usize, ascii: bool) -> String {
    let mark = if ascii { "~" } else { "…" };
    if width == 0 {
        return String::new();
    }
    if Span::raw(text).width() <= width {
        return padded(text.to_owned(), width);
    }
    let mut starts = text.grapheme_indices(true).map(|(start, _)| start).chain([text.len()]);
    let start = starts.find(|start| Span::raw(&text[*start..]).width() < width);
    padded(format!("{mark}{}", &text[start.unwrap_or(text.len())..]), width)
}

fn padded(text: String, width: usize) -> String {
    let missing = width.saturating_sub(Span::raw(text.as_str()).width());
    text + &" ".repeat(missing)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_break_between_words_and_within_long_ones() {
        assert_eq!(wrapped("one two  three", 7), ["one two", "three"]);
        assert_eq!(wrapped("a /very/long/path", 6), ["a", "/very/", "long/p", "ath"]);
        assert_eq!(wrapped("", 5), [""]);
        assert_eq!(wrapped("ab", 0), ["a", "b"]);
    }

    #[test]
    fn long_texts_are_truncated_at_either_end() {
        assert_eq!([fitted("query bias", 6, false), fitted("key", 6, false)], ["query…", "key   "]);
        assert_eq!([fitted_end("query bias", 6, true), fitted_end("key", 6, true)], ["~ bias", "key   "]);
        assert_eq!(
            [fitted_end("很好", 3, false), fitted_end("很好", 1, false), fitted_end("a", 0, false)],
            ["…好", "…", ""]
        );
    }
}
