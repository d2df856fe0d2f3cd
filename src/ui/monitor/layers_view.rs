//! What is looked at of the layers: the metric that colours the map, and the target under the cursor.

use crate::runs::History;
use crate::runs::TargetHistory;

/// How the layers are looked at.
#[derive(Default)]
pub struct LayersView {
    /// What the colours show.
    pub metric: Metric,
    /// Row of the cursor: a module.
    pub(super) module: usize,
    /// Column of the cursor: a layer.
    pub(super) layer: usize,
}

/// What the colours of the map show.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Metric {
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

    pub(super) fn of(self, target: &TargetHistory) -> Option<f64> {
        match self {
            Metric::Mass => target.mass.last(),
            Metric::Update => target.update.last(),
            Metric::Density => Some(target.density()).filter(|density| density.is_finite()),
        }
    }
}

impl LayersView {
    /// The number of the target under the cursor.
    pub fn target(&self, run: &History) -> Option<usize> {
        run.targets.at(self.module, self.layer)
    }
}
