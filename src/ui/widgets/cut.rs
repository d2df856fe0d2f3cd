//! Lines of several styles that end with an ellipsis where they are cut off.

use ratatui::text::{Line, Span};

use crate::ui::format::{truncated, width};

/// A line of at most `room` cells: a longer one ends with an ellipsis.
pub fn cut(line: Line<'_>, room: usize, ascii: bool) -> Line<'_> {
    if line.width() <= room {
        return line;
    }
    let (style, alignment) = (line.style, line.alignment);
    let mut left = room;
    let mut spans: Vec<Span> = Vec::new();
    for span in line.spans {
        // Also a span that just fits is cut: more follows it.
        if width(&span.content) >= left {
            let text = truncated(&format!("{} ", span.content), left, ascii);
            spans.push(Span::styled(text, span.style));
            break;
        }
        left -= width(&span.content);
        spans.push(span);
    }
    Line { spans, style, alignment }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_cut_line_keeps_its_styles_and_ends_with_an_ellipsis() {
        let line = || Line::from(vec![Span::raw("loss "), Span::raw("0.25"), Span::raw(" at step 8")]);
        let texts = [30, 19, 18, 10, 9, 5, 1, 0].map(|room| cut(line(), room, false).to_string());
        let expected = [
            "loss 0.25 at step 8",
            "loss 0.25 at step 8",
            "loss 0.25 at step…",
            "loss 0.25…",
            "loss 0.2…",
            "loss…",
            "…",
            "",
        ];
        assert_eq!(texts, expected);
    }

    proptest! {
        #[test]
        fn any_line_fits_its_room(parts in prop::collection::vec("[a 很👩‍🔬é]{0,6}", 0..5), room in 0usize..20, ascii: bool) {
            let line: Line = parts.iter().map(|part| Span::raw(part.clone())).collect();
            let whole = line.width() <= room;
            let cut = cut(line.clone(), room, ascii);
            prop_assert!(cut.width() <= room);
            let marked = room == 0 || cut.to_string().ends_with(if ascii { "~" } else { "…" });
            prop_assert_eq!(whole, cut == line);
            prop_assert!(whole || marked);
        }
    }
}
