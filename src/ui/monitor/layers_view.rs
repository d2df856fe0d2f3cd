//! The metric of the heat map and its cursor.

use crate::runs::{History, TargetHistory};
use crate::ui::theme::{Hue, Look};

/// The metric of the heat map, and its cursor.
#[derive(Default)]
pub struct LayersView {
    pub(super) metric: Metric,
    /// Row of the cursor.
    pub(super) module: usize,
    /// Column of the cursor.
    pub(super) layer: usize,
}

/// The metric that the colours show.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Metric {
    #[default]
    Mass,
    Update,
    Density,
}

impl Metric {
    pub(super) fn next(self) -> Metric {
        match self {
            Metric::Mass => Metric::Update,
            Metric::Update => Metric::Density,
            Metric::Density => Metric::Mass,
        }
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Metric::Mass => "gradient mass",
            Metric::Update => "update size",
            Metric::Density => "selected density",
        }
    }

    pub(super) fn hue(self, look: &Look) -> Hue {
        match self {
            Metric::Mass => look.theme.mass,
            Metric::Update => look.theme.evaluation,
            Metric::Density => look.theme.selected,
        }
    }

    /// The latest value of a target, in percent.
    pub(super) fn of(self, target: &TargetHistory) -> Option<f64> {
        match self {
            Metric::Mass => target.mass.last(),
            Metric::Update => target.update.last(),
            Metric::Density => Some(target.density()).filter(|density| density.is_finite()),
        }
    }
}

impl LayersView {
    /// The index of the target under the cursor.
    pub(super) fn target(&self, run: &History) -> Option<usize> {
        run.targets.at(self.module, self.layer)
    }
}
