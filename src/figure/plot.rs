//! What a figure draws, without how.

use serde::{Deserialize, Serialize};

use super::numbers;
use super::points::{PointRows, Points};

/// A plot with its title and axes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Figure {
    /// Names its files: lower-case letters, digits and `_`, unique among the figures beside it.
    pub name: String,
    /// One line above the plot.
    pub title: String,
    /// The horizontal axis.
    pub x: Axis,
    /// The vertical axis.
    pub y: Axis,
    /// What is drawn.
    pub plot: Plot,
}

/// An axis: its quantity with the unit, and its scale.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Axis {
    /// Such as `components (%)`.
    pub label: String,
    /// How values are placed on it.
    pub scale: Scale,
}

/// The scale of an axis.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scale {
    /// Equal steps are equal differences.
    Linear,
    /// Equal steps are equal ratios. Values of at most 0 are not drawn.
    Log,
}

/// What a figure draws.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Plot {
    /// Lines over one x axis.
    Curves(Vec<Curve>),
    /// Counts of values in bins, one histogram per subject.
    Histograms(Vec<Histogram>),
    /// A value at each crossing of a grid.
    HeatMap(HeatMap),
    /// Points with whiskers over one x axis.
    Points(Points),
    /// Points with whiskers, a row each.
    Rows(PointRows),
}

/// A line.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Curve {
    /// Such as `pre-trained`.
    pub name: String,
    /// `(x, y)`, x ascending.
    #[serde(with = "numbers::points")]
    pub points: Vec<(f64, f64)>,
    /// The spread around each point, where one was measured.
    pub band: Option<Band>,
}

/// The lowest and highest value at each point of a curve.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Band {
    /// One value a point.
    #[serde(with = "numbers")]
    pub low: Vec<f64>,
    /// One value a point.
    #[serde(with = "numbers")]
    pub high: Vec<f64>,
}

/// Counts of values in bins.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Histogram {
    /// Such as `random initialisation`.
    pub name: String,
    /// Ascending bounds of the bins: one more than counts.
    #[serde(with = "numbers")]
    pub edges: Vec<f64>,
    /// One count, or share, a bin.
    #[serde(with = "numbers")]
    pub counts: Vec<f64>,
}

/// A value at each crossing of a grid.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HeatMap {
    /// Ascending.
    #[serde(with = "numbers")]
    pub xs: Vec<f64>,
    /// Ascending.
    #[serde(with = "numbers")]
    pub ys: Vec<f64>,
    /// Row by row: `ys.len()` rows of `xs.len()` values; NaN where there is none.
    #[serde(with = "numbers")]
    pub values: Vec<f64>,
    /// What the values are, with the unit.
    pub label: String,
    /// Points to mark, each with its name, such as the trained weights.
    pub marks: Vec<(f64, f64, String)>,
}
