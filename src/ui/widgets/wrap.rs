//! Lines of several styles that wrap at the width they have, and say how much of them there is no room for.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use unicode_segmentation::UnicodeSegmentation;

use crate::text::rows;
use crate::ui::theme::Look;

/// A line in rows of at most `room` cells, broken between words where possible. Rows after the first are indented.
pub fn wrap(line: &Line, room: usize, indent: usize) -> Vec<Line<'static>> {
    let characters = line.spans.iter().flat_map(|span| span.content.graphemes(true).map(|text| (text, span.style)));
    let (texts, styles): (Vec<&str>, Vec<Style>) = characters.unzip();
    let row = |range: std::ops::Range<usize>, indent: usize| {
        let mut spans: Vec<Span> = (indent > 0).then(|| Span::raw(" ".repeat(indent))).into_iter().collect();
        for (text, style) in texts[range.clone()].iter().zip(&styles[range]) {
            match spans.last_mut().filter(|span| span.style == *style) {
                Some(span) => span.content.to_mut().push_str(text),
                None => spans.push(Span::styled((*text).to_owned(), *style)),
            }
        }
        Line { spans, style: line.style, alignment: line.alignment }
    };
    let first = rows(&texts, room).first().map_or(0, |first| first.end);
    // A row that wraps ends with the space between two words.
    let rest = first + texts[first..].iter().take_while(|text| **text == " ").count();
    let indent = indent.min(room / 2);
    let others = if rest < texts.len() { rows(&texts[rest..], room - indent) } else { Vec::new() };
    let others = others.into_iter().map(|range| row(range.start + rest..range.end + rest, indent));
    std::iter::once(row(0..first, 0)).chain(others).collect()
}

/// Draws lines that wrap. Where there are too many, the last row says how many more there are.
pub fn draw_wrapped(frame: &mut Frame, area: Rect, lines: &[Line], indent: usize, look: &Look) {
    if area.is_empty() {
        return;
    }
    let rows: Vec<Line> = lines.iter().flat_map(|line| wrap(line, usize::from(area.width), indent)).collect();
    let room = usize::from(area.height);
    let shown = if rows.len() > room { room - 1 } else { rows.len() };
    for (row, y) in rows.iter().take(shown).zip(area.top()..) {
        frame.render_widget(row, Rect { y, height: 1, ..area });
    }
    let more = rows.len() - shown;
    if more > 0 {
        let noun = if more == 1 { "line" } else { "lines" };
        let note = format!("{} {more} more {noun}", if look.ascii { "~" } else { "…" });
        let style = look.theme.style(look.theme.dim);
        frame.render_widget(Line::styled(note, style), Rect { y: area.bottom() - 1, height: 1, ..area });
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::text::width;

    fn texts(lines: Vec<Line>) -> Vec<String> {
        lines.iter().map(Line::to_string).collect()
    }

    #[test]
    fn rows_after_the_first_are_indented_and_keep_their_styles() {
        let line = Line::from(vec![Span::raw(" about  "), Span::styled("one two three four", Style::new().bold())]);
        assert_eq!(texts(wrap(&line, 16, 8)), [" about  one two ", "        three ", "        four"]);
        let rows = wrap(&line, 16, 8);
        assert!(rows[1].spans.last().is_some_and(|span| span.style == Style::new().bold()));
        assert_eq!(texts(wrap(&Line::raw(""), 5, 2)), [""]);
    }

    proptest! {
        #[test]
        fn every_row_fits_and_no_word_is_lost(text in "[a 很é]{0,30}", room in 4usize..20, indent in 0usize..6) {
            let rows = texts(wrap(&Line::raw(text.clone()), room, indent));
            for row in &rows {
                prop_assert!(width(row.trim_end()) <= room, "{:?}", rows);
            }
            let letters = |text: &str| text.chars().filter(|c| *c != ' ').collect::<String>();
            prop_assert_eq!(letters(&rows.concat()), letters(&text));
        }
    }
}
