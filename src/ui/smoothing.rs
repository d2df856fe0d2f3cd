//! How much curves are smoothed, on the monitor and in comparisons of runs.

use crate::runs::SmoothedSeries;
use crate::series::Series;

/// How much curves are smoothed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Smoothing {
    None,
    #[default]
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

    /// The next one that the key switches to.
    pub fn next(self) -> Smoothing {
        match self {
            Smoothing::None => Smoothing::Light,
            Smoothing::Light => Smoothing::Strong,
            Smoothing::Strong => Smoothing::None,
        }
    }

    /// What it is called on screens.
    pub fn name(self) -> &'static str {
        match self {
            Smoothing::None => "raw",
            Smoothing::Light => "smoothed",
            Smoothing::Strong => "strongly smoothed",
        }
    }
}
