//! All keys of the screen in front: those of the place, then those that count anywhere.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;

use super::{middle, window};
use crate::ui::app::{App, Look, Screen};
use crate::ui::keymap::{Binding, Context, Key};
use crate::ui::widgets::panel::Title;

/// A column's width.
const COLUMN: u16 = 68;

/// The columns of lines, and where they are drawn.
struct Page<'a> {
    columns: Vec<Vec<Line<'a>>>,
    area: Rect,
}

impl Page<'_> {
    fn rows(&self) -> usize {
        self.columns.iter().map(Vec::len).max().unwrap_or(0)
    }

    /// Lines that can be above the window.
    fn most(&self) -> usize {
        self.rows().saturating_sub(usize::from(self.area.height.saturating_sub(2)))
    }
}

/// Lines of the help that can be above its window.
pub(super) fn most(app: &App) -> usize {
    page(app.body(), app).most()
}

pub(super) fn draw(frame: &mut Frame, within: Rect, app: &App, from: usize) {
    let page = page(within, app);
    let (from, below) = (from.min(page.most()), page.most().saturating_sub(from));
    let note = match (from, below) {
        (0, 0) => "any click or esc closes".to_owned(),
        _ => format!("{below} more below"),
    };
    let inner = window(frame, page.area, &app.look, Title { note, ..Title::named("Keys") });
    let width = inner.width / page.columns.len() as u16;
    for (number, lines) in page.columns.into_iter().enumerate() {
        let column = Rect { x: inner.x + number as u16 * width, width, ..inner };
        frame.render_widget(Paragraph::new(lines).scroll((from as u16, 0)), column);
    }
}

fn page(within: Rect, app: &App) -> Page<'_> {
    let place = match app.context() {
        Context::Anywhere => None,
        place => {
            Some(group(app, place, Screen::ALL.iter().find(|(screen, _)| *screen == app.screen).map_or("", |s| s.1)))
        }
    };
    let anywhere = group(app, Context::Anywhere, "Anywhere");
    let columns: Vec<Vec<Line>> = if within.width >= 2 * COLUMN {
        place.into_iter().chain([anywhere]).collect()
    } else {
        let mut lines = place.unwrap_or_default();
        if !lines.is_empty() {
            lines.push(Line::default());
        }
        lines.extend(anywhere);
        vec![lines]
    };
    let rows = columns.iter().map(Vec::len).max().unwrap_or(0);
    let width = (COLUMN * columns.len() as u16 + 2).min(within.width);
    let height = u16::try_from(rows + 2).unwrap_or(u16::MAX).min(within.height);
    Page { columns, area: middle(within, width, height) }
}

fn group<'a>(app: &'a App, place: Context, name: &'a str) -> Vec<Line<'a>> {
    let look = &app.look;
    let lines = app.keymap.lines(place).filter(|(binding, _)| binding.context == place);
    let heading = Line::styled(format!(" {name}"), look.theme.bold(look.theme.text));
    std::iter::once(heading).chain(lines.map(|(binding, keys)| line(look, binding, keys))).collect()
}

fn line<'a>(look: &Look, binding: &'a Binding, keys: &[Key]) -> Line<'a> {
    let theme = &look.theme;
    let keys: Vec<String> = keys.iter().map(|key| key.name()).collect();
    Line::from(vec![
        Span::styled(format!("   {:<14}", keys.join(" ")), theme.bold(theme.accent)),
        Span::styled(binding.help, theme.style(theme.dim)),
    ])
}
