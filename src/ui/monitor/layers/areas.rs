//! The areas of the Layers tab at each size.

use ratatui::layout::{Constraint, Layout, Margin, Rect};

use super::map::names_height;
use super::readout;
use super::tiles::{Fitting, Tiles};
use crate::ui::monitor::grid::Grid;

/// The least size with the readout and the charts of a target beside the map.
const WIDE: (u16, u16) = (110, 24);

/// Lines that the two charts of a target need at least.
const CHARTS: u16 = 12;

/// The areas of the tab.
pub(super) struct Areas {
    /// The panel of the map.
    pub(super) panel: Rect,
    pub(super) heading: Rect,
    /// The columns' names, above the map.
    pub(super) names: Rect,
    pub(super) tiles: Tiles,
    pub(super) scale: Rect,
    pub(super) slider: Rect,
    pub(super) target: TargetAreas,
    /// What other structures would cover; empty where it is not known or there is no room.
    pub(super) structures: Rect,
}

/// Lines of the table of structures, in a panel or below the map; 0 if it is not known.
#[derive(Clone, Copy)]
pub(super) struct StructureLines {
    pub(super) tall: u16,
    pub(super) short: u16,
}

/// Where the target under the cursor is described.
pub(super) enum TargetAreas {
    /// In lines below the map.
    Below(Rect),
    /// In a panel beside the map, above its two charts.
    Beside { panel: Rect, charts: [Rect; 2] },
}

impl Areas {
    pub(super) fn of(body: Rect, grid: &Grid, fitting: &Fitting, structures: StructureLines) -> Areas {
        let mut table = Rect::ZERO;
        let (panel, target) = if body.width >= WIDE.0 && body.height >= WIDE.1 {
            let side = (body.width / 3).clamp(46, 64);
            let [map, side] = Layout::horizontal([Constraint::Fill(1), Constraint::Length(side)]).areas(body);
            let fits = body.height >= readout::TALL + 2 + structures.tall + CHARTS;
            let rows = if fits { structures.tall } else { 0 };
            let [panel, structures, charts] = Layout::vertical([
                Constraint::Length(readout::TALL + 2),
                Constraint::Length(rows),
                Constraint::Fill(1),
            ])
            .areas(side);
            table = structures;
            let charts = Layout::vertical([Constraint::Fill(1); 2]).areas(charts);
            (map, TargetAreas::Beside { panel, charts })
        } else {
            (body, TargetAreas::Below(Rect::ZERO))
        };
        let inner = panel.inner(Margin::new(1, 1));
        // What is left out first where lines are few: the spaces, the heading, and lines of the readout.
        let spaces = u16::from(inner.height >= 24);
        let heading = u16::from(inner.height >= 12);
        let below = match (&target, inner.height) {
            (TargetAreas::Beside { .. }, _) => 0,
            (_, 16..) => 3,
            (_, 9..) => 2,
            (_, 7..) => 1,
            _ => 0,
        };
        let short = match &target {
            TargetAreas::Below(_) if inner.height >= 18 => structures.short,
            _ => 0,
        };
        let [heading, _, map, _, scale, slider, below, lines] = Layout::vertical([
            Constraint::Length(heading),
            Constraint::Length(spaces),
            Constraint::Fill(1),
            Constraint::Length(spaces),
            Constraint::Length(1),
            Constraint::Length(1),
            Constraint::Length(below),
            Constraint::Length(short),
        ])
        .areas(inner);
        // The width of a tile decides the height of the names, which does not change that width.
        let width = Tiles::layout(grid, map, fitting).width;
        let names = names_height(grid, width, if map.height >= 14 { 3 } else { 1 + u16::from(map.height >= 10) });
        let [names, tiles] = Layout::vertical([Constraint::Length(names), Constraint::Fill(1)]).areas(map);
        Areas {
            panel,
            heading,
            names,
            tiles: Tiles::layout(grid, tiles, fitting),
            scale,
            slider,
            target: match target {
                TargetAreas::Below(_) => TargetAreas::Below(below),
                beside => beside,
            },
            structures: if short > 0 { lines } else { table },
        }
    }
}
