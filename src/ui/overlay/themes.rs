//! The themes to choose from. The marked one is shown at once; esc brings the one before back.

use ratatui::Frame;
use ratatui::layout::{Position, Rect};
use ratatui::style::Style;
use ratatui::text::{Line, Span};

use super::{Overlay, middle, window};
use crate::ui::app::{App, Effect, Look};
use crate::ui::keymap::Action;
use crate::ui::theme::Theme;
use crate::ui::widgets::panel::Title;

const WIDTH: u16 = 46;

/// The choice under way.
#[derive(Clone, Debug, PartialEq)]
pub struct Picker {
    /// What there was before.
    before: (String, Theme),
    themes: Vec<(String, Result<Theme, String>)>,
    marked: usize,
}

impl Picker {
    /// Opens at the theme there is.
    pub fn open(app: &App) -> Picker {
        let look = &app.look;
        let load = |name: &str| app.themes.load(name, look.depth).map_err(|error| format!("{error:#}"));
        let names = app.themes.names();
        let marked = names.iter().position(|name| *name == look.name).unwrap_or(0);
        let themes = names.into_iter().map(|name| (name.to_owned(), load(name))).collect();
        Picker { before: (look.name.clone(), look.theme), themes, marked }
    }

    /// Takes up a key; the picker puts itself back if it stays.
    pub(super) fn key(mut self, app: &mut App, action: Option<Action>) -> Option<Effect> {
        let last = self.themes.len().saturating_sub(1);
        match action {
            Some(Action::Back | Action::Quit) => {
                (app.look.name, app.look.theme) = self.before;
                return None;
            }
            Some(Action::Enter) => return self.keep(app),
            Some(Action::Theme | Action::FocusNext) => {
                self.marked = if self.marked >= last { 0 } else { self.marked + 1 }
            }
            Some(Action::FocusPrevious) => self.marked = self.marked.checked_sub(1).unwrap_or(last),
            Some(Action::Up) => self.marked = self.marked.saturating_sub(1),
            Some(Action::Down) => self.marked = (self.marked + 1).min(last),
            Some(Action::First) => self.marked = 0,
            Some(Action::Last) => self.marked = last,
            _ => {}
        }
        self.show(app)
    }

    /// Takes up a click: on a theme it shows that, on the shown one it keeps it, elsewhere it closes.
    pub(super) fn click(mut self, app: &mut App, at: Position) -> Option<Effect> {
        let area = self.area(app.body());
        let row = usize::from(at.y.saturating_sub(area.y + 1));
        if !area.contains(at) {
            (app.look.name, app.look.theme) = self.before;
            return None;
        }
        if row == self.marked {
            return self.keep(app);
        }
        if row < self.themes.len() {
            self.marked = row;
        }
        self.show(app)
    }

    fn show(self, app: &mut App) -> Option<Effect> {
        if let Some((name, Ok(theme))) = self.themes.get(self.marked) {
            (app.look.name, app.look.theme) = (name.clone(), *theme);
        }
        app.overlay = Some(Overlay::Themes(self));
        None
    }

    fn keep(self, app: &mut App) -> Option<Effect> {
        match &self.themes.get(self.marked)?.1 {
            Ok(_) if app.look.name == self.before.0 => None,
            Ok(_) => Some(Effect::KeepTheme(app.look.name.clone())),
            Err(why) => {
                app.toasts.error(why.clone());
                app.overlay = Some(Overlay::Themes(self));
                None
            }
        }
    }

    fn area(&self, within: Rect) -> Rect {
        middle(within, WIDTH.min(within.width), (self.themes.len() as u16 + 2).min(within.height))
    }

    pub(super) fn draw(&self, frame: &mut Frame, within: Rect, look: &Look) {
        let own = &look.theme;
        let title = Title { note: "enter keeps, esc goes back".into(), ..Title::named("Theme") };
        let inner = window(frame, self.area(within), look, title);
        let first = (self.marked + 1).saturating_sub(usize::from(inner.height));
        for ((number, (name, theme)), y) in self.themes.iter().enumerate().skip(first).zip(inner.top()..inner.bottom())
        {
            let here = number == self.marked;
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
                Err(_) => line.push_span(Span::styled("cannot be read", own.style(own.error))),
            }
            let row = Rect { y, height: 1, ..inner };
            if here {
                frame.buffer_mut().set_style(row, own.marked_line());
            }
            frame.render_widget(line, row);
        }
    }
}
