//! How much the curves of the monitor are smoothed.

use crate::runs::SmoothedSeries;
use crate::series::Series;

/// How much curves are smoothed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Smoothing {
    None,
    Light,
    Strong,
}

impl Smoothing {
    /// The curve with this much smoothing.
    pub fn of(self, curve: &SmoothedSeries) -> &Series {
        match self {
            Smoothing::None => &curve.raw,
            Smoothing::Light => &curve.light,
            Smoothing::Strong => &curve.strong,
        }
    }
}
