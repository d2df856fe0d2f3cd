//! The dialogs above the list: what they say, and which key a click on one of them stands for.

use std::path::PathBuf;

use crossterm::event::KeyCode;
use ratatui::Frame;
use ratatui::layout::{Position, Rect};
use ratatui::text::{Line, Span};

use super::line_input::LineInput;
use super::mode::Mode;
use crate::ui::format::{plain, truncated, width, wrapped};
use crate::ui::theme::Look;
use crate::ui::widgets::popup::{PopupHit, PopupLayout, popup};

/// A dialog of a few lines.
struct Dialog {
    title: String,
    rows: Vec<Row>,
    width: u16,
}

/// A line of a dialog.
enum Row {
    Blank,
    Text(String),
    Hint(&'static str),
    /// A text being typed: what is before the cursor and behind it.
    Typed(String, String),
    /// The keys y and n with what yes does.
    YesOrNo(&'static str),
}

/// Draws the dialog that keys go to, if there is one.
pub(super) fn draw(mode: &Mode, frame: &mut Frame, area: Rect, look: &Look) {
    match mode {
        Mode::Export(form) => form.draw(frame, area, look),
        Mode::Pins(pins) => pins.draw(frame, area, look),
        Mode::Rename(renaming) => renaming.draw(frame, area, look),
        mode => {
            if let Some(Dialog { title, rows, width }) = dialog(mode, look.ascii) {
                let lines = rows.iter().map(|row| row.line(look)).collect();
                popup(frame, area, look, &title, lines, width);
            }
        }
    }
}

/// The key that a click on a dialog stands for; one beside it is esc.
pub(super) fn key_at(mode: &Mode, area: Rect, at: Position) -> Option<KeyCode> {
    // How a name is cut changes no line's place.
    let Dialog { rows, width, .. } = dialog(mode, false)?;
    match PopupLayout::new(area, rows.iter().map(Row::text), width).hit(at) {
        PopupHit::Outside => Some(KeyCode::Esc),
        PopupHit::Line(index, column) => match rows.get(index)? {
            Row::YesOrNo(yes) => Some(KeyCode::Char(if column < no_column(yes) { 'y' } else { 'n' })),
            _ => None,
        },
        PopupHit::Frame => None,
    }
}

fn dialog(mode: &Mode, ascii: bool) -> Option<Dialog> {
    let (title, rows, width) = match mode {
        Mode::List | Mode::Filter { .. } | Mode::Rename(_) | Mode::Export(_) | Mode::Pins(_) => return None,
        Mode::Tag(runs, input) => {
            let title = if runs.len() == 1 { "Tags".to_owned() } else { format!("Tags of {} runs", runs.len()) };
            let hint = Row::Hint("separated by spaces  enter save  esc cancel");
            (title, vec![Row::typed(input), Row::Blank, hint], 60)
        }
        Mode::TrainLonger(longer) => {
            let rows = vec![
                Row::Blank,
                Row::Text(format!("{} {}", short(&longer.name, ascii), longer.ended)),
                Row::Hint("settings for the steps to come:"),
                Row::Blank,
                Row::typed(&longer.input),
                Row::Blank,
                Row::Hint("KEY=VALUE ...  enter resume  esc cancel"),
            ];
            ("Train for longer".to_owned(), rows, 64)
        }
        Mode::Delete(runs) => {
            let rows = vec![
                Row::Blank,
                Row::Text(question(runs, ascii)),
                Row::Hint("with all checkpoints, to .trash in the runs folder"),
                Row::Blank,
                Row::YesOrNo("move to trash"),
            ];
            ("Move to trash".to_owned(), rows, 64)
        }
        Mode::Biases(order, biases) => {
            let name = order.run.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let why = wrapped(&plain(&biases.to_string()), 62).into_iter().map(Row::Text);
            let rows = std::iter::once(Row::Blank).chain(why);
            let rows = rows.chain([Row::Blank, Row::YesOrNo("export without biases")]).collect();
            (format!("Export {}", plain(&name)), rows, 68)
        }
    };
    Some(Dialog { title, rows, width })
}

impl Row {
    fn typed(input: &LineInput) -> Row {
        let (before, after) = input.parts();
        Row::Typed(before, after)
    }

    fn text(&self) -> String {
        match self {
            Row::Blank => String::new(),
            Row::Text(text) => format!(" {text}"),
            Row::Hint(text) => format!(" {text}"),
            Row::Typed(before, after) => format!(" {before}_{after}"),
            Row::YesOrNo(yes) => format!(" y {yes}   n cancel"),
        }
    }

    fn line<'a>(&self, look: &Look) -> Line<'a> {
        let theme = &look.theme;
        match self {
            Row::Blank => Line::default(),
            Row::Text(text) => Line::styled(format!(" {text}"), theme.style(theme.text)),
            Row::Hint(text) => Line::styled(format!(" {text}"), theme.style(theme.dim)),
            Row::Typed(before, after) => Line::from(vec![
                Span::styled(format!(" {before}"), theme.bold(theme.text)),
                Span::styled("_", theme.bold(theme.accent)),
                Span::styled(after.clone(), theme.bold(theme.text)),
            ]),
            Row::YesOrNo(yes) => {
                let key = |key: &'static str| Span::styled(key, theme.bold(theme.accent));
                let word = |word: String| Span::styled(word, theme.style(theme.text));
                Line::from(vec![key(" y"), word(format!(" {yes}   ")), key("n"), word(" cancel".into())])
            }
        }
    }
}

/// The column of the key n after what yes does.
fn no_column(yes: &str) -> u16 {
    width(yes) as u16 + 6
}

/// A name within a sentence of a dialog.
fn short(name: &str, ascii: bool) -> String {
    truncated(name, 36, ascii)
}

fn question(runs: &[PathBuf], ascii: bool) -> String {
    match runs {
        [one] => {
            let name = plain(&one.file_name().unwrap_or_default().to_string_lossy());
            format!("Move {} to the trash?", short(&name, ascii))
        }
        many => format!("Move {} runs to the trash?", many.len()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_say_what_is_drawn() -> Result<(), Box<dyn std::error::Error>> {
        use crate::ui::theme::{Depth, Theme};

        let theme = Theme::load("dark", Depth::True)?;
        let look = Look { theme, name: "dark".into(), depth: Depth::True, ascii: false, pixels: None };
        let typed = Row::Typed("c".into(), "d".into());
        for row in [Row::Blank, Row::Text("a標".into()), Row::Hint("b"), typed, Row::YesOrNo("go")] {
            assert_eq!(row.line(&look).to_string(), row.text());
        }
        Ok(())
    }

    #[test]
    fn a_click_answers_a_question_and_one_beside_it_cancels() {
        let (area, mode) = (Rect::new(0, 0, 80, 22), Mode::Delete(vec!["runs/a".into()]));
        let layout = PopupLayout::new(area, std::iter::repeat_n(String::new(), 5), 64);
        let (x, y) = (layout.area.x + 1, layout.area.y + 5);
        let key = |x, y| key_at(&mode, area, Position::new(x, y));
        assert_eq!(key(x + 1, y), Some(KeyCode::Char('y')));
        assert_eq!(key(x + 18, y), Some(KeyCode::Char('y')));
        assert_eq!(key(x + 19, y), Some(KeyCode::Char('n')));
        assert_eq!(key(x + 1, y - 3), None);
        assert_eq!(key(0, 0), Some(KeyCode::Esc));
    }
}
