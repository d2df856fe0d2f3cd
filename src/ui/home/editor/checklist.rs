//! The modules of the model as a checklist, with the number of their parameters. What is checked follows from the patterns.

use crossterm::event::KeyCode;
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span, Text};

use super::choices::hint;
use super::modules::{Matched, Module, is_known, modules, toggled};
use super::moved;
use super::pointer;
use crate::estimate::ParameterCount;
use crate::suggest::did_you_mean;
use crate::ui::format::{fitted, number, plain, truncated, width, wrapped};
use crate::ui::home::layout::{list_and_notes, window as visible};
use crate::ui::theme::Look;
use crate::ui::widgets::panel::Title;
use crate::ui::widgets::popup::{middle, window};

/// Patterns, edited by the modules that they match.
#[derive(Clone, Debug)]
pub struct Checklist {
    modules: Vec<Module>,
    patterns: Vec<String>,
    /// Patterns that match none of the modules, as the list was opened.
    unknown: Vec<String>,
    cursor: usize,
}

impl Checklist {
    pub fn new(layout: &[ParameterCount], only_linear: bool, patterns: Vec<String>) -> Checklist {
        let modules = modules(layout, only_linear);
        let unknown = patterns.iter().filter(|pattern| !is_known(&modules, pattern)).cloned().collect();
        Checklist { modules, patterns, unknown, cursor: 0 }
    }

    /// Whether the key changes the value.
    pub fn key(&mut self, key: KeyCode) -> bool {
        if key != KeyCode::Char(' ') {
            let rows = self.rows();
            moved(&mut self.cursor, rows, key);
            return false;
        }
        match self.cursor.checked_sub(self.modules.len()).and_then(|place| self.unknown.get(place)) {
            Some(unknown) if self.patterns.contains(unknown) => self.patterns.retain(|pattern| pattern != unknown),
            Some(unknown) => self.patterns.push(unknown.clone()),
            None => self.patterns = toggled(&self.modules, &self.patterns, self.cursor),
        }
        true
    }

    /// The patterns as TOML.
    pub fn text(&self) -> String {
        toml::Value::from(self.patterns.clone()).to_string()
    }

    fn rows(&self) -> usize {
        self.modules.len() + self.unknown.len()
    }

    pub fn draw(&self, frame: &mut Frame, within: Rect, look: &Look, key: &str) {
        let (theme, ascii) = (&look.theme, look.ascii);
        let names = self.modules.iter().map(|module| &module.name).chain(&self.unknown);
        let longest = names.map(|name| width(&plain(name))).max().unwrap_or(0);
        let wide = (longest + 28).clamp(44, 76).min(usize::from(within.width));
        let room = wide.saturating_sub(6);
        let said = wrapped(&self.note(), room);
        let height = self.rows() + said.len() + 3;
        let area = middle(within, wide as u16, u16::try_from(height).unwrap_or(u16::MAX)).intersection(within);
        let inner = window(frame, area, look, Title::named(key));
        let [list, notes] = list_and_notes(inner, said.len() + 1);
        let first = visible(self.cursor, usize::from(list.height), self.rows());
        for (place, y) in (first..self.rows()).zip(list.top()..list.bottom()) {
            let here = place == self.cursor;
            let row = Rect { y, height: 1, ..list };
            let (matched, name, note, known) = match self.modules.get(place) {
                Some(module) => {
                    let times = if ascii { "x" } else { "×" };
                    let layers = if module.layers > 1 { format!("{times}{}", module.layers) } else { String::new() };
                    let note = format!("{layers:>4} {:>7}", number(module.components as f64));
                    (module.matched(&self.patterns), module.name.as_str(), note, true)
                }
                None => {
                    let pattern = &self.unknown[place - self.modules.len()];
                    let matched = if self.patterns.contains(pattern) { Matched::All } else { Matched::None };
                    (matched, pattern.as_str(), "no match".to_owned(), false)
                }
            };
            let mark = match matched {
                Matched::All => "[x]",
                Matched::Some => "[-]",
                Matched::None => "[ ]",
            };
            let pointer = pointer(here, ascii);
            let hue = match (known, matched) {
                (false, _) => theme.error,
                (true, Matched::None) => theme.dim,
                (true, _) => theme.text,
            };
            let room = usize::from(row.width).saturating_sub(2 + 4 + width(&note) + 2);
            let style = if here { theme.bold(hue) } else { theme.style(hue) };
            let line = Line::from(vec![
                Span::styled(pointer, theme.bold(theme.focus)),
                Span::styled(
                    format!("{mark} "),
                    theme.style(if matched == Matched::None { theme.dim } else { theme.selected }),
                ),
                Span::styled(fitted(&plain(name), room, ascii), style),
                Span::styled(format!(" {note}"), theme.style(theme.dim)),
            ]);
            if here {
                frame.buffer_mut().set_style(row, theme.marked_line());
            }
            frame.render_widget(line, row);
        }
        let keys = if room >= 50 {
            "space check  e edit as text  enter set  esc cancel"
        } else {
            "space check  e text  enter set"
        };
        let said = said.into_iter().map(|line| Line::styled(format!("  {line}"), theme.style(theme.text)));
        frame.render_widget(Text::from_iter(said.chain([hint(&truncated(keys, room, ascii), look)])), notes);
    }

    /// What is matched in all, or what a pattern under the cursor may have meant.
    fn note(&self) -> String {
        if let Some(unknown) = self.cursor.checked_sub(self.modules.len()).and_then(|place| self.unknown.get(place)) {
            let known = self.modules.iter().map(|module| module.pattern.as_str());
            return format!("\"{}\" matches no parameter{}", plain(unknown), did_you_mean(unknown, known));
        }
        let matched: Vec<&Module> =
            self.modules.iter().filter(|module| module.matched(&self.patterns) != Matched::None).collect();
        let components = matched.iter().fold(0u64, |sum, module| sum.saturating_add(module.components));
        format!("{} of {} modules, {} parameters", matched.len(), self.modules.len(), number(components as f64))
    }
}
