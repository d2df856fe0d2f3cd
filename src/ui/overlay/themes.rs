//! The themes to choose from. The selected one is shown at once; esc restores the previous one.

use ratatui::Frame;
use ratatui::layout::{Position, Rect};
use ratatui::style::Style;
use ratatui::text::{Line, Span};

use super::{Outcome, Scene};
use crate::ui::keymap::{Action, AppAction};
use crate::ui::theme::{Look, Theme, Themes};
use crate::ui::widgets::panel::Title;
use crate::ui::widgets::popup::{middle, window};

const WIDTH: u16 = 46;

/// A list of themes, one of them selected.
#[derive(Clone, Debug, PartialEq)]
pub struct Picker {
    /// The theme to restore: its name and its colours.
    before: (String, Theme),
    /// Each theme, or why it cannot be loaded.
    themes: Vec<(String, Result<Theme, String>)>,
    selected: usize,
}

impl Picker {
    /// Selects the theme of the current look.
    pub fn open(look: &Look, themes: &Themes) -> Picker {
        let load = |name: &str| themes.load(name, look.depth).map_err(|error| format!("{error:#}"));
        let names = themes.names();
        let selected = names.iter().position(|name| *name == look.name).unwrap_or(0);
        let themes = names.into_iter().map(|name| (name.to_owned(), load(name))).collect();
        Picker { before: (look.name.clone(), look.theme), themes, selected }
    }

    pub(super) fn act(&mut self, action: Action) -> Outcome {
        let last = self.themes.len().saturating_sub(1);
        match action {
            Action::Back | Action::App(AppAction::Quit) => return self.revert(),
            Action::Enter => return self.keep(),
            Action::App(AppAction::Theme) | Action::FocusNext => {
                self.selected = if self.selected >= last { 0 } else { self.selected + 1 }
            }
            Action::FocusPrevious => self.selected = self.selected.checked_sub(1).unwrap_or(last),
            Action::Up => self.selected = self.selected.saturating_sub(1),
            Action::Down => self.selected = (self.selected + 1).min(last),
            Action::First => self.selected = 0,
            Action::Last => self.selected = last,
            _ => {}
        }
        self.preview()
    }

    /// A click on a theme selects it, one on the selected theme keeps it, and one elsewhere closes the list.
    pub(super) fn click(&mut self, at: Position, scene: &Scene) -> Outcome {
        let area = self.area(scene.area);
        if !area.contains(at) {
            return self.revert();
        }
        let row = usize::from(at.y.saturating_sub(area.y + 1));
        if row == self.selected {
            return self.keep();
        }
        if row < self.themes.len() {
            self.selected = row;
        }
        self.preview()
    }

    fn preview(&self) -> Outcome {
        match self.themes.get(self.selected) {
            Some((name, Ok(theme))) => Outcome::Preview { name: name.clone(), theme: *theme },
            _ => Outcome::Stay,
        }
    }

    fn revert(&self) -> Outcome {
        let (name, theme) = self.before.clone();
        Outcome::Revert { name, theme }
    }

    fn keep(&self) -> Outcome {
        match self.themes.get(self.selected) {
            Some((_, Err(why))) => Outcome::Refuse(why.clone()),
            Some((name, Ok(_))) if *name != self.before.0 => Outcome::KeepTheme(name.clone()),
            _ => Outcome::Close,
        }
    }

    fn area(&self, within: Rect) -> Rect {
        middle(within, WIDTH.min(within.width), (self.themes.len() as u16 + 2).min(within.height))
    }

    pub(super) fn draw(&self, frame: &mut Frame, within: Rect, look: &Look) {
        let own = &look.theme;
        let title = Title { note: "enter keeps, esc reverts".into(), ..Title::named("Theme") };
        let inner = window(frame, self.area(within), look, title);
        let first = (self.selected + 1).saturating_sub(usize::from(inner.height));
        for ((number, (name, theme)), y) in self.themes.iter().enumerate().skip(first).zip(inner.top()..inner.bottom())
        {
            let here = number == self.selected;
            let style = if here { own.bold(own.text) } else { own.style(own.dim) };
            let mut line = Line::from(vec![
                Span::styled(if here { " > " } else { "   " }, own.bold(own.accent)),
                Span::styled(format!("{name:<16}"), style),
            ]);
            match theme {
                Ok(theme) => {
                    let swatch = if look.ascii { "#" } else { "■" };
                    let hues = [theme.accent, theme.loss, theme.evaluation, theme.score, theme.mass, theme.selected];
                    for hue in hues.into_iter().chain([theme.memory, theme.error]) {
                        line.push_span(Span::styled(format!("{swatch} "), Style::new().fg(hue.0)));
                    }
                }
                Err(_) => line.push_span(Span::styled("cannot be loaded", own.style(own.error))),
            }
            let row = Rect { y, height: 1, ..inner };
            if here {
                frame.buffer_mut().set_style(row, own.marked_line());
            }
            frame.render_widget(line, row);
        }
    }
}
