//! The list of the values that a setting may have, each with a line of help.

use crossterm::event::KeyCode;
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use super::moved;
use super::pointer;
use crate::preset::{Choice, PresetKey};
use crate::ui::format::{truncated, width, wrapped};
use crate::ui::home::layout::window as visible;
use crate::ui::theme::Look;
use crate::ui::widgets::panel::Title;
use crate::ui::widgets::popup::{middle, window};

/// A key without a default may also be left out.
const NOT_SET: Choice = Choice { name: "not set", help: "leave the key out" };

/// A value to choose.
#[derive(Clone, Debug)]
pub struct ChoiceList {
    choices: Vec<Choice>,
    default: Option<&'static str>,
    cursor: usize,
}

impl ChoiceList {
    /// Begins at the current value.
    pub fn new(key: &str, choices: &[Choice], value: &str) -> ChoiceList {
        let default = PresetKey::of(key).and_then(|key| key.default);
        let not_set = default.is_none().then_some(NOT_SET);
        let choices: Vec<Choice> = not_set.into_iter().chain(choices.iter().copied()).collect();
        let cursor = choices.iter().position(|choice| choice.name == value).unwrap_or(0);
        ChoiceList { choices, default, cursor }
    }

    /// Whether the key changes the value.
    pub fn key(&mut self, key: KeyCode) -> bool {
        moved(&mut self.cursor, self.choices.len(), key)
    }

    /// The value as typed text.
    pub fn text(&self) -> &'static str {
        self.choices.get(self.cursor).filter(|choice| **choice != NOT_SET).map_or("", |choice| choice.name)
    }

    pub fn draw(&self, frame: &mut Frame, within: Rect, look: &Look, key: &str) {
        let (theme, ascii) = (&look.theme, look.ascii);
        let label = |choice: &Choice| {
            let default = if self.default == Some(choice.name) { " (default)" } else { "" };
            format!("{}{default}", choice.name)
        };
        let names = self.choices.iter().map(|choice| width(&label(choice))).max().unwrap_or(0);
        let helps = self.choices.iter().map(|choice| width(choice.help)).max().unwrap_or(0);
        // Without room for every help beside its value, that of the selected one stands below.
        let beside = 4 + names + 2 + helps + 3 <= usize::from(within.width);
        let wide = if beside { 4 + names + 2 + helps + 3 } else { usize::from(within.width).min(60) };
        let room = wide.saturating_sub(4);
        let selected = self.choices.get(self.cursor).map_or("", |choice| choice.help);
        let below = if beside { Vec::new() } else { wrapped(selected, room) };
        let height = self.choices.len() + below.len() + usize::from(!beside) + 3;
        let area = middle(within, wide as u16, height as u16).intersection(within);
        let inner = window(frame, area, look, Title::named(key));
        let [list, notes] = super::super::layout::list_and_notes(inner, below.len() + 1 + usize::from(!beside));
        let first = visible(self.cursor, usize::from(list.height), self.choices.len());
        for ((number, choice), y) in self.choices.iter().enumerate().skip(first).zip(list.top()..list.bottom()) {
            let here = number == self.cursor;
            let pointer = pointer(here, ascii);
            let style = if here { theme.bold(theme.accent) } else { theme.style(theme.text) };
            let mut line = Line::from(Span::styled(pointer, theme.bold(theme.focus)));
            line.push_span(Span::styled(
                truncated(&label(choice), usize::from(list.width).saturating_sub(2), ascii),
                style,
            ));
            if beside {
                let gap = " ".repeat(names - width(&label(choice)) + 2);
                line.push_span(Span::styled(format!("{gap}{}", choice.help), theme.style(theme.dim)));
            }
            let row = Rect { y, height: 1, ..list };
            if here {
                frame.buffer_mut().set_style(row, theme.marked_line());
            }
            frame.render_widget(line, row);
        }
        let mut lines: Vec<Line> = Vec::new();
        if !beside {
            lines.push(Line::default());
            lines.extend(below.into_iter().map(|part| Line::styled(format!("  {part}"), theme.style(theme.dim))));
        }
        lines.push(hint("enter set  esc cancel", look));
        frame.render_widget(ratatui::text::Text::from(lines), notes);
    }
}

/// The keys of a list.
pub fn hint<'a>(keys: &str, look: &Look) -> Line<'a> {
    Line::styled(format!("  {keys}"), look.theme.style(look.theme.dim))
}
