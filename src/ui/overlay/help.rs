//! The help: the key bindings of the screen in front, then those of every screen.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;

use super::scene::Scene;
use crate::ui::keymap::{Binding, Context, Key};
use crate::ui::theme::Look;
use crate::ui::widgets::panel::Title;
use crate::ui::widgets::popup::{middle, window};

/// Width of a column.
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
    fn scrollable(&self) -> usize {
        self.rows().saturating_sub(usize::from(self.area.height.saturating_sub(2)))
    }
}

/// Lines that can be scrolled past.
pub(super) fn scrollable(scene: &Scene) -> usize {
    page(scene).scrollable()
}

pub(super) fn draw(frame: &mut Frame, scene: &Scene, from: usize) {
    let page = page(scene);
    let (from, below) = (from.min(page.scrollable()), page.scrollable().saturating_sub(from));
    let note = match (from, below) {
        (0, 0) => "esc or a click closes".to_owned(),
        _ => format!("{below} more below"),
    };
    let inner = window(frame, page.area, scene.look, Title { note, ..Title::named("Keys") });
    let width = inner.width / page.columns.len() as u16;
    for (number, lines) in page.columns.into_iter().enumerate() {
        let column = Rect { x: inner.x + number as u16 * width, width, ..inner };
        frame.render_widget(Paragraph::new(lines).scroll((from as u16, 0)), column);
    }
}

fn page<'a>(scene: &Scene<'a>) -> Page<'a> {
    let within = scene.area;
    let screen = group(scene, scene.screen.into(), scene.screen.name());
    let anywhere = group(scene, Context::Anywhere, "Anywhere");
    let columns: Vec<Vec<Line>> = if within.width >= 2 * COLUMN {
        vec![screen, anywhere]
    } else {
        vec![screen.into_iter().chain([Line::default()]).chain(anywhere).collect()]
    };
    let rows = columns.iter().map(Vec::len).max().unwrap_or(0);
    let width = (COLUMN * columns.len() as u16 + 2).min(within.width);
    let height = u16::try_from(rows + 2).unwrap_or(u16::MAX).min(within.height);
    Page { columns, area: middle(within, width, height) }
}

fn group<'a>(scene: &Scene<'a>, context: Context, name: &'a str) -> Vec<Line<'a>> {
    let look = scene.look;
    let lines = scene.keymap.lines(scene.screen.into()).filter(|(binding, _)| binding.context == context);
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
