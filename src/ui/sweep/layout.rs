//! Where the parts of the screen are: the chart has the lines that the table leaves, or the columns, or the whole screen.

use ratatui::layout::{Constraint, Layout, Rect};

use super::{SweepScreen, table};
use crate::sweep::PlanRow;

/// Lines of the progress, with its borders.
const PROGRESS: u16 = 3;

/// Lines of the runs at most, with their borders.
const RUNS: usize = 14;

/// Lines of the table beside its rows: borders and names of columns.
const HEADER: u16 = 3;

/// Lines below the table, with borders, from which on the chart is there; and where it may be beside the table instead.
const LINES: u16 = 12;
const ENOUGH_LINES: u16 = 20;

/// Columns beside the table, with borders, from which on the chart is there.
const COLUMNS: u16 = 64;

/// The areas of the parts. That of a part that is not shown is empty.
#[derive(Default)]
pub(super) struct Parts {
    pub progress: Rect,
    pub table: Rect,
    pub runs: Rect,
    pub chart: Rect,
}

pub(super) fn parts(screen: &SweepScreen, body: Rect) -> Parts {
    let [progress, rest] = Layout::vertical([Constraint::Length(PROGRESS), Constraint::Fill(1)]).areas(body);
    if screen.full {
        return Parts { progress, chart: rest, ..Parts::default() };
    }
    // As many as any row has, so that nothing moves with the selection.
    let seeds = &screen.plan.seeds;
    let tuning = |row: &PlanRow| if row.is_tuned() { row.variants.len() * screen.plan.tune.seeds.len() } else { 0 };
    let most = screen.plan.rows.iter().map(tuning).max().unwrap_or(0) + seeds.len();
    let runs = Constraint::Length((rest.height * 2 / 5).min((most + 2).min(RUNS) as u16));
    let [above, runs_below] = Layout::vertical([Constraint::Fill(1), runs]).areas(rest);
    let rows = u16::try_from(screen.plan.rows.len()).unwrap_or(u16::MAX).saturating_add(HEADER);
    let below = above.height.saturating_sub(rows);
    let wide = table::width_of_all(screen);
    let beside = rest.width.saturating_sub(wide);
    if below >= ENOUGH_LINES || below >= LINES && beside < COLUMNS {
        let [table, chart] = Layout::vertical([Constraint::Length(rows), Constraint::Fill(1)]).areas(above);
        Parts { progress, table, runs: runs_below, chart }
    } else if beside >= COLUMNS {
        let [left, chart] = Layout::horizontal([Constraint::Length(wide), Constraint::Fill(1)]).areas(rest);
        let [table, runs] = Layout::vertical([Constraint::Fill(1), runs]).areas(left);
        Parts { progress, table, runs, chart }
    } else {
        Parts { progress, table: above, runs: runs_below, chart: Rect::default() }
    }
}
