//! The help: the keys that do something now, then the other keys of the screen, then those of every screen.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;

use super::scene::Scene;
use crate::ui::keymap::{Binding, Context, Key};
use crate::ui::theme::Look;
use crate::ui::widgets::cut::cut;
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

/// The area of the help.
pub(super) fn area(scene: &Scene) -> Rect {
    page(scene).area
}

pub(super) fn draw(frame: &mut Frame, scene: &Scene, from: usize) {
    let page = page(scene);
    let (from, below) = (from.min(page.scrollable()), page.scrollable().saturating_sub(from));
    let note = match (from, below) {
        (0, 0) => "esc closes".to_owned(),
        _ => format!("{below} more below"),
    };
    let inner = window(frame, page.area, scene.look, Title { note, ..Title::named("Keys") });
    let width = inner.width / page.columns.len() as u16;
    for (number, lines) in page.columns.into_iter().enumerate() {
        let column = Rect { x: inner.x + number as u16 * width, width, ..inner };
        let lines: Vec<Line> = lines.into_iter().map(|line| cut(line, usize::from(width), scene.look.ascii)).collect();
        frame.render_widget(Paragraph::new(lines).scroll((from as u16, 0)), column);
    }
}

fn page<'a>(scene: &Scene<'a>) -> Page<'a> {
    let within = scene.area;
    let place = scene.place;
    let now = place.bindings(scene.keymap).into_iter().filter(|(_, keys)| !keys.is_empty());
    let (here, anywhere): (Vec<_>, Vec<_>) = now.partition(|(binding, _)| binding.context != Context::Anywhere);
    let context = Context::from(scene.place.screen);
    let others = scene.keymap.lines(context).filter(|(binding, _)| !place.applies(binding.action));
    let (elsewhere, idle): (Vec<_>, Vec<_>) = others.partition(|(binding, _)| binding.context == context);
    let look = scene.look;
    let screen =
        group(look, place.name(), here).into_iter().chain(group(look, "Not here or not now".into(), elsewhere));
    let anywhere = group(look, "Anywhere".into(), anywhere.into_iter().chain(idle).collect());
    let columns: Vec<Vec<Line>> = if within.width >= 2 * COLUMN {
        vec![screen.collect(), anywhere]
    } else {
        vec![screen.chain(anywhere).collect()]
    };
    let rows = columns.iter().map(Vec::len).max().unwrap_or(0);
    let width = (COLUMN * columns.len() as u16 + 2).min(within.width);
    let height = u16::try_from(rows + 2).unwrap_or(u16::MAX).min(within.height);
    Page { columns, area: middle(within, width, height) }
}

/// A heading, its keys, and an empty line; nothing without keys.
fn group<'a>(look: &Look, name: String, lines: Vec<(&'a Binding, &[Key])>) -> Vec<Line<'a>> {
    if lines.is_empty() {
        return Vec::new();
    }
    let heading = Line::styled(format!(" {name}"), look.theme.bold(look.theme.text));
    let lines = lines.into_iter().map(|(binding, keys)| line(look, binding, keys));
    std::iter::once(heading).chain(lines).chain([Line::default()]).collect()
}

fn line<'a>(look: &Look, binding: &'a Binding, keys: &[Key]) -> Line<'a> {
    let theme = &look.theme;
    let keys: Vec<String> = keys.iter().map(|key| key.name()).collect();
    Line::from(vec![
        Span::styled(format!("   {:<14}", keys.join(" ")), theme.bold(theme.accent)),
        Span::styled(binding.help, theme.style(theme.dim)),
    ])
}
