//! What lies where at Home, and which rows of a long part are in view. Drawing and clicks both ask here.

use ratatui::layout::{Constraint, Layout, Position, Rect};

/// The parts of the screen that keys can go to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HomePart {
    /// The table of presets.
    List,
    /// The settings of the marked one.
    Settings,
    /// Its first batch.
    Preview,
}

impl HomePart {
    /// In the order of the tab key.
    pub const ALL: [HomePart; 3] = [HomePart::List, HomePart::Settings, HomePart::Preview];
}

/// What lies where.
pub struct HomeLayout {
    /// The table of presets.
    pub list: Rect,
    /// The settings of the marked one.
    pub settings: Rect,
    /// What it would take.
    pub plan: Rect,
    /// Its first batch.
    pub preview: Rect,
}

impl HomeLayout {
    /// In this area, with so many presets.
    pub fn of(area: Rect, presets: usize) -> HomeLayout {
        // Frame and head are three lines; the details need more room than the list.
        let most = (area.height / 3).max(8);
        let list = u16::try_from(presets).unwrap_or(u16::MAX).saturating_add(3).clamp(5, most);
        let [list, below] = Layout::vertical([Constraint::Length(list), Constraint::Fill(1)]).areas(area);
        let left = (area.width * 9 / 20).clamp(30, 84);
        let [settings, right] = Layout::horizontal([Constraint::Length(left), Constraint::Fill(1)]).areas(below);
        let plan = (right.height * 11 / 20).clamp(8.min(right.height), 14);
        let [plan, preview] = Layout::vertical([Constraint::Length(plan), Constraint::Fill(1)]).areas(right);
        HomeLayout { list, settings, plan, preview }
    }

    /// The part at a place that keys can go to.
    pub fn part(&self, at: Position) -> Option<HomePart> {
        let parts =
            [(self.list, HomePart::List), (self.settings, HomePart::Settings), (self.preview, HomePart::Preview)];
        parts.into_iter().find(|(area, _)| area.contains(at)).map(|(_, part)| part)
    }
}

/// The first of `total` rows in view, so that the marked one is in the middle where that can be.
pub fn window(marked: usize, rows: usize, total: usize) -> usize {
    marked.saturating_sub(rows / 2).min(total.saturating_sub(rows))
}
