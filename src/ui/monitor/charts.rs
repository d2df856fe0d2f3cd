//! Keys and the mouse on charts: focus among panels; cursor, zoom and pan in full screen.

use ratatui::layout::{Position, Rect};

use super::overview::OverviewLayout;
use super::panel::Panel;
use super::view::Tab;
use super::{Monitor, chart_files, layers, panels, ranks, system};
use crate::ui::intent::Intent;
use crate::ui::keymap::Action;
use crate::ui::theme::{Depth, Look, Theme};
use crate::ui::widgets::chart::{following, panned, zoomed};

/// Share of the window that one key press pans by.
const PAN: f64 = 0.25;

/// Points that a page key moves the cursor by.
const PAGE: isize = 10;

impl Monitor {
    pub(super) fn act_on_charts(&mut self, action: Action, body: Rect) {
        if self.scrolls_ranks(action, body) {
            return;
        }
        match action {
            Action::Enter => self.view.full = true,
            Action::Back => self.view.shrink(),
            Action::FocusNext => self.focus_by(1, body),
            Action::FocusPrevious => self.focus_by(-1, body),
            action if self.view.full => match action {
                Action::Left => self.move_cursor(-1),
                Action::Right => self.move_cursor(1),
                Action::PageUp => self.move_cursor(-PAGE),
                Action::PageDown => self.move_cursor(PAGE),
                Action::First => self.move_cursor(isize::MIN / 2),
                Action::Last => self.move_cursor(isize::MAX / 2),
                Action::PanLeft => self.pan(-PAN),
                Action::PanRight => self.pan(PAN),
                Action::ZoomIn | Action::Up => self.zoom(0.5),
                Action::ZoomOut | Action::Down => self.zoom(2.0),
                _ => {}
            },
            Action::PanLeft => self.move_cursor(-1),
            Action::PanRight => self.move_cursor(1),
            Action::Left => self.focus_towards(-1, 0, body),
            Action::Right => self.focus_towards(1, 0, body),
            Action::Up => self.focus_towards(0, -1, body),
            Action::Down => self.focus_towards(0, 1, body),
            _ => {}
        }
    }

    /// Scrolls the ranks, if they have the focus: in full screen with all keys of a list, else with those that move no
    /// focus.
    fn scrolls_ranks(&mut self, action: Action, body: Rect) -> bool {
        let full = self.view.full;
        if self.view.tab != Tab::System || self.view.chart(&self.run) != Panel::Ranks {
            return false;
        }
        if !full && matches!(action, Action::Up | Action::Down) {
            return false;
        }
        let area = system::ranks_area(&self.run, body, full);
        // A table has no cursor and no zoom.
        let of_charts = matches!(
            action,
            Action::Left | Action::Right | Action::PanLeft | Action::PanRight | Action::ZoomIn | Action::ZoomOut
        );
        ranks::scroll(&mut self.view, &self.run, action, area) || full && of_charts
    }

    /// Scrolls the ranks under the mouse by a row. Returns whether there are any.
    pub(super) fn scrolls_ranks_at(&mut self, at: Position, up: bool, body: Rect) -> bool {
        let (full, action) = (self.view.full, if up { Action::Up } else { Action::Down });
        let area = system::ranks_area(&self.run, body, full);
        let hit =
            self.view.tab == Tab::System && area.contains(at) && (!full || self.view.chart(&self.run) == Panel::Ranks);
        hit && ranks::scroll(&mut self.view, &self.run, action, area)
    }

    /// The first click on a chart focuses it, the second opens it in full screen; there a click sets the cursor.
    pub(super) fn click_chart(&mut self, at: Position, body: Rect) {
        if self.view.full && !self.view.chart(&self.run).is_chart() {
            return;
        }
        if self.view.full {
            let area = match self.view.tab {
                Tab::Layers => layers::full_screen(body)[0],
                _ => body,
            };
            let panel = self.view.chart(&self.run);
            let x = print_look().and_then(|look| panels::x_at(self.scene(&look), panel, area, at.x));
            if let Some(x) = x {
                self.set_cursor(x);
            }
            return;
        }
        let before = self.view.chart(&self.run);
        let hit = self.focus_at(at, body);
        self.view.full = hit == Some(before);
    }

    /// Focuses the chart at a position, and returns it.
    pub(super) fn focus_at(&mut self, at: Position, body: Rect) -> Option<Panel> {
        let hit = self.panels(body).into_iter().find(|(_, area)| area.contains(at)).map(|(panel, _)| panel);
        self.focus(hit);
        hit
    }

    /// Writes the focused chart as CSV and SVG into the run's folder.
    pub(super) fn write_chart(&self) -> Option<Intent> {
        if !matches!(self.view.tab, Tab::Overview | Tab::System | Tab::Layers) {
            return None;
        }
        let panel = self.view.chart(&self.run);
        let files = chart_files::files(self.scene(&print_look()?), panel)?;
        Some(Intent::WriteFiles(files))
    }

    fn panels(&self, body: Rect) -> Vec<(Panel, Rect)> {
        match self.view.tab {
            Tab::System => system::layout(&self.run, body),
            _ => OverviewLayout::new(body).panels,
        }
    }

    fn focus_by(&mut self, by: isize, body: Rect) {
        // Full screen also shows charts that a small screen leaves out.
        let panels: Vec<Panel> = match self.view.tab {
            Tab::Overview if self.view.full => Panel::CHARTS.to_vec(),
            Tab::System if self.view.full => system::panels(&self.run),
            _ => self.panels(body).into_iter().map(|(panel, _)| panel).collect(),
        };
        let focused = self.view.chart(&self.run);
        let now = panels.iter().position(|panel| *panel == focused).unwrap_or(0) as isize;
        let next = (now + by).rem_euclid(panels.len().max(1) as isize) as usize;
        self.focus(panels.get(next).copied());
    }

    /// Moves the focus to the neighbour in a direction, if there is one.
    fn focus_towards(&mut self, dx: i32, dy: i32, body: Rect) {
        let panels = self.panels(body);
        let focused = self.view.chart(&self.run);
        let Some((_, from)) = panels.iter().find(|(panel, _)| *panel == focused) else {
            return self.focus(panels.first().map(|(panel, _)| *panel));
        };
        let x = match dx {
            0 => i32::from(from.x + from.width / 2),
            -1 => i32::from(from.x) - 1,
            _ => i32::from(from.right()),
        };
        let y = match dy {
            0 => i32::from(from.y + from.height / 2),
            -1 => i32::from(from.y) - 1,
            _ => i32::from(from.bottom()),
        };
        let (Ok(x), Ok(y)) = (u16::try_from(x), u16::try_from(y)) else { return };
        self.focus(panels.iter().find(|(_, area)| area.contains(Position { x, y })).map(|(panel, _)| *panel));
    }

    fn focus(&mut self, panel: Option<Panel>) {
        let Some(panel) = panel else { return };
        match self.view.tab {
            Tab::System => self.view.machine = Some(panel),
            Tab::Overview => self.view.focus = panel,
            _ => {}
        }
    }

    /// Moves the cursor by a number of points of the curve; the window follows beyond its edge.
    fn move_cursor(&mut self, by: isize) {
        let x_of = self.view.x_of();
        let Some(series) = self.view.chart(&self.run).main(&self.run) else { return };
        let buckets = series.buckets();
        let now = match (self.view.cursor, self.view.window) {
            (Some(cursor), _) => buckets.partition_point(|bucket| x_of(bucket.last) < cursor),
            (None, Some((_, to))) => buckets.partition_point(|bucket| x_of(bucket.last) <= to),
            (None, None) => buckets.len(),
        };
        let next = (now as isize).saturating_add(by).clamp(0, (buckets.len() as isize - 1).max(0)) as usize;
        if let Some(bucket) = buckets.get(next) {
            self.set_cursor(x_of(bucket.last));
        }
    }

    /// Sets the cursor to the point nearest to `x`; the window follows beyond its edge.
    fn set_cursor(&mut self, x: f64) {
        let x_of = self.view.x_of();
        let Some(series) = self.view.chart(&self.run).main(&self.run) else { return };
        let Some(x) = series.nearest(x, x_of).map(|bucket| x_of(bucket.last)) else { return };
        self.view.cursor = Some(x);
        self.view.window = self.view.window.map(|window| following(window, x));
    }

    /// The whole x axis.
    fn domain(&self) -> Option<(f64, f64)> {
        print_look().and_then(|look| self.scene(&look).domain())
    }

    /// Moves the window by a share of its width, within the axis.
    fn pan(&mut self, share: f64) {
        if let (Some(domain), Some(window)) = (self.domain(), self.view.window) {
            self.view.window = Some(panned(window, domain, share));
        }
    }

    fn zoom(&mut self, by: f64) {
        if let Some(domain) = self.domain().filter(|_| self.view.full) {
            self.view.window = zoomed(self.view.window, domain, self.view.cursor, by);
        }
    }
}

/// The look of written charts: on white.
fn print_look() -> Option<Look> {
    let theme = Theme::load("light", Depth::True).ok()?;
    Some(Look { theme, name: "light".into(), depth: Depth::True, ascii: false, pixels: None })
}
