//! Where the parts of the palette lie, and how they are drawn.

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout as Split, Rect};
use ratatui::style::Modifier;
use ratatui::text::{Line, Span};
use unicode_segmentation::UnicodeSegmentation;

use super::Palette;
use super::entries::{Entry, Kind};
use super::search::Hit;
use crate::ui::format::{fitted, grouped, truncated, width};
use crate::ui::theme::{Hue, Look};
use crate::ui::widgets::panel::{Title, placeholder};
use crate::ui::widgets::popup::{middle, window};

/// The most columns and rows.
const WIDTH: u16 = 110;
const HEIGHT: u16 = 28;

/// Columns of the kinds.
const KINDS: usize = 9;

/// The parts of the palette.
pub(super) struct Layout {
    pub window: Rect,
    query: Rect,
    /// The rows of the entries.
    pub list: Rect,
    /// Index of the first entry in view.
    pub first: usize,
}

impl Layout {
    /// The parts of a palette in an area. It is as high for few entries as for many, so that it stays in place while one
    /// types.
    pub fn new(within: Rect, entries: usize, selected: usize) -> Layout {
        let width = within.width.saturating_sub(4).min(WIDTH);
        let window = middle(within, width, within.height.saturating_sub(2).min(HEIGHT));
        let inner = window.inner(ratatui::layout::Margin::new(1, 1));
        let [query, _, list] =
            Split::vertical([Constraint::Length(1), Constraint::Length(1), Constraint::Fill(1)]).areas(inner);
        let rows = usize::from(list.height);
        let first = selected.saturating_sub(rows / 2).min(entries.saturating_sub(rows));
        Layout { window, query, list, first }
    }
}

impl Palette {
    pub(in crate::ui::overlay) fn draw(&self, frame: &mut Frame, within: Rect, look: &Look) {
        let theme = &look.theme;
        let layout = self.layout(within);
        let note = match (self.matches, self.hits.len()) {
            (1, _) => "1 entry".to_owned(),
            (all, shown) if all > shown => format!("{} of {} entries", grouped(shown as u64), grouped(all as u64)),
            (all, _) => format!("{} entries", grouped(all as u64)),
        };
        window(frame, layout.window, look, Title { note, ..Title::named("Palette") });
        if layout.query.width > 4 {
            let prompt = Span::styled(" > ", theme.bold(theme.accent));
            frame.render_widget(prompt, layout.query);
            let query = Rect { x: layout.query.x + 3, width: layout.query.width - 4, ..layout.query };
            self.query.draw(frame, query, theme.bold(theme.text));
        }
        let rule = Rect { y: layout.query.bottom(), ..layout.query }.intersection(layout.window);
        let line = if look.ascii { "-" } else { "─" };
        frame.render_widget(Line::styled(line.repeat(usize::from(rule.width)), theme.style(theme.border)), rule);
        if self.hits.is_empty() {
            return placeholder(frame, layout.list, look, "nothing matches");
        }
        let shown = self.hits.iter().enumerate().skip(layout.first).zip(layout.list.top()..layout.list.bottom());
        let columns = Columns::of(shown.clone().map(|((_, hit), _)| &self.entries[hit.entry]), layout.list.width);
        for ((number, hit), y) in shown {
            let row = Rect { y, height: 1, ..layout.list };
            let here = number == self.selected;
            frame.render_widget(columns.line(&self.entries[hit.entry], hit, here, look), row);
            if here {
                frame.buffer_mut().set_style(row, theme.marked_line());
            }
        }
    }
}

/// Widths of the columns after the kind.
struct Columns {
    title: usize,
    about: usize,
    keys: usize,
}

impl Columns {
    /// The columns that suit the entries in view. Keys are never cut; a title leaves room for the description.
    fn of<'a>(entries: impl Iterator<Item = &'a Entry> + Clone, room: u16) -> Columns {
        let widest = |text: fn(&Entry) -> &str| entries.clone().map(|entry| width(text(entry))).max().unwrap_or(0);
        let room = usize::from(room).saturating_sub(KINDS + 3);
        let keys = widest(|entry| &entry.keys).min(room / 3);
        let room = room.saturating_sub(if keys == 0 { 0 } else { keys + 2 });
        let title = widest(|entry| &entry.title).min(room * 3 / 5);
        Columns { title, about: room.saturating_sub(title + 2), keys }
    }

    fn line<'a>(&self, entry: &Entry, hit: &Hit, here: bool, look: &Look) -> Line<'a> {
        let (theme, ascii) = (&look.theme, look.ascii);
        let pointer = match (here, ascii) {
            (false, _) => " ",
            (true, false) => "▌",
            (true, true) => ">",
        };
        let mut line = Line::from(vec![
            Span::styled(pointer, theme.bold(theme.focus)),
            Span::styled(format!(" {:<KINDS$}", entry.kind.name()), theme.style(hue(entry.kind, look))),
        ]);
        // Cut before it is marked, so that the marks stay on their letters.
        let style = if here { theme.bold(theme.text) } else { theme.style(theme.text) };
        let marked = theme.bold(theme.accent).add_modifier(Modifier::UNDERLINED);
        for (index, letter) in fitted(&entry.title, self.title, ascii).graphemes(true).enumerate() {
            let hit = u32::try_from(index).is_ok_and(|index| hit.marks.binary_search(&index).is_ok());
            line.push_span(Span::styled(letter.to_owned(), if hit { marked } else { style }));
        }
        line.push_span(Span::raw("  "));
        line.push_span(Span::styled(fitted(&entry.about, self.about, ascii), theme.style(theme.dim)));
        line.push_span(Span::raw("  "));
        line.push_span(Span::styled(truncated(&entry.keys, self.keys, ascii), theme.bold(theme.accent)));
        line
    }
}

fn hue(kind: Kind, look: &Look) -> Hue {
    let theme = &look.theme;
    match kind {
        Kind::Action => theme.dim,
        Kind::Preset => theme.evaluation,
        Kind::Run => theme.score,
        Kind::Export => theme.memory,
        Kind::Setting => theme.changed,
        Kind::Theme | Kind::Program => theme.selected,
    }
}
