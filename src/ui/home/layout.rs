//! Where the panels of Home lie, and which rows of a long panel are in view. Drawing and clicks read the same layout.

use ratatui::layout::{Constraint, Layout, Position, Rect};

/// The panels that can have the focus.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HomePart {
    List,
    Settings,
    Preview,
}

impl HomePart {
    /// All of them, in the order of the tab key.
    pub const ALL: [HomePart; 3] = [HomePart::List, HomePart::Settings, HomePart::Preview];
}

/// The areas of the panels.
pub struct HomeLayout {
    pub list: Rect,
    pub settings: Rect,
    pub plan: Rect,
    pub preview: Rect,
}

impl HomeLayout {
    /// The layout of an area, for a list of this many rows.
    pub fn of(area: Rect, rows: usize) -> HomeLayout {
        // Frame and header are 3 lines. The details need more room than the list.
        let most = (area.height / 3).max(8);
        let list = u16::try_from(rows).unwrap_or(u16::MAX).saturating_add(3).clamp(5, most);
        let [list, below] = Layout::vertical([Constraint::Length(list), Constraint::Fill(1)]).areas(area);
        let left = (area.width * 9 / 20).clamp(30, 84);
        let [settings, right] = Layout::horizontal([Constraint::Length(left), Constraint::Fill(1)]).areas(below);
        let plan = (right.height * 11 / 20).clamp(9.min(right.height), 14);
        let [plan, preview] = Layout::vertical([Constraint::Length(plan), Constraint::Fill(1)]).areas(right);
        HomeLayout { list, settings, plan, preview }
    }

    /// The panel at a position that can have the focus.
    pub fn part(&self, at: Position) -> Option<HomePart> {
        let parts =
            [(self.list, HomePart::List), (self.settings, HomePart::Settings), (self.preview, HomePart::Preview)];
        parts.into_iter().find(|(area, _)| area.contains(at)).map(|(_, part)| part)
    }
}

/// The first of `total` rows in view: the selected one is in the middle, except near the ends.
pub fn window(selected: usize, rows: usize, total: usize) -> usize {
    selected.saturating_sub(rows / 2).min(total.saturating_sub(rows))
}

/// A list, and below it this many lines of notes; the list keeps at least one row.
pub fn list_and_notes(area: Rect, notes: usize) -> [Rect; 2] {
    let notes = u16::try_from(notes).unwrap_or(u16::MAX).min(area.height.saturating_sub(1));
    Layout::vertical([Constraint::Fill(1), Constraint::Length(notes)]).areas(area)
}
