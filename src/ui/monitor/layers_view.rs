//! The state of the Layers tab: metric, cursor and playback.

use super::grid::Grid;
use super::playback::Playback;
use crate::runs::{History, TargetHistory};
use crate::series::{At, Series};
use crate::ui::theme::{Hue, Look};

/// The metric of the map, the cursor on it, and the playback of its steps.
#[derive(Default)]
pub struct LayersView {
    pub(super) metric: Metric,
    /// Row of the cursor.
    pub(super) row: usize,
    /// Column of the cursor. A row with fewer columns takes its last.
    pub(super) column: usize,
    pub(super) playback: Option<Playback>,
}

/// The metric that the colours show.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Metric {
    #[default]
    Mass,
    Update,
    Share,
}

impl Metric {
    pub(super) fn next(self) -> Metric {
        match self {
            Metric::Mass => Metric::Update,
            Metric::Update => Metric::Share,
            Metric::Share => Metric::Mass,
        }
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Metric::Mass => "gradient mass",
            Metric::Update => "update size",
            Metric::Share => "selected share",
        }
    }

    /// What its percentages are of.
    pub(super) fn note(self, ascii: bool) -> &'static str {
        match (self, ascii) {
            (Metric::Mass, _) => "of the dense gradient's norm",
            (Metric::Update, false) => "‖w − w₀‖ / ‖w₀‖",
            (Metric::Update, true) => "|w - w0| / |w0|",
            (Metric::Share, _) => "of the target's components",
        }
    }

    pub(super) fn hue(self, look: &Look) -> Hue {
        match self {
            Metric::Mass => look.theme.mass,
            Metric::Update => look.theme.evaluation,
            Metric::Share => look.theme.selected,
        }
    }

    /// The curve of a target; `None` for the share, which does not change.
    pub(super) fn series(self, target: &TargetHistory) -> Option<&Series> {
        match self {
            Metric::Mass => Some(&target.mass),
            Metric::Update => Some(&target.update),
            Metric::Share => None,
        }
    }

    /// The value of a target in percent: the latest, or the latest at `x` of an axis.
    pub(super) fn of(self, target: &TargetHistory, x: Option<f64>, axis: fn(At) -> f64) -> Option<f64> {
        match (self.series(target), x) {
            (None, _) => Some(target.density()).filter(|share| share.is_finite()),
            (Some(series), None) => series.last(),
            (Some(series), Some(x)) => series.until(x, axis).map(|bucket| bucket.end),
        }
    }
}

impl LayersView {
    /// The index of the target under the cursor.
    pub(super) fn target(&self, run: &History) -> Option<usize> {
        Grid::of(&run.targets).target(self.row, self.column)
    }
}
