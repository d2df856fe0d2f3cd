//! Points with whiskers: in series over an x axis, or a row each.

use serde::{Deserialize, Serialize};

use super::apart::apart;
use super::numbers;
use super::plot::Figure;

/// Points of several series over one x axis.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Points {
    /// A line each; a series of one point has no line.
    pub series: Vec<PointSeries>,
    /// How the points are to be read.
    pub note: String,
}

/// Points that a line joins.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PointSeries {
    /// Such as `random`.
    pub name: String,
    /// x ascending.
    pub points: Vec<MarkedPoint>,
}

/// A point of a series.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MarkedPoint {
    /// Its place on the x axis.
    #[serde(with = "numbers::one")]
    pub x: f64,
    /// Its value, on the y axis.
    pub mark: Whisker,
}

/// Points with a row each. Their values lie on the x axis.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PointRows {
    /// The first is at the top.
    pub rows: Vec<PointRow>,
    /// How the points are to be read.
    pub note: String,
}

/// A row with its point.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PointRow {
    /// Beside the axis.
    pub name: String,
    /// The numbers of the row, beside the plot.
    pub numbers: String,
    /// `None` where there is no value yet.
    pub mark: Option<Whisker>,
}

/// A value with the ends of its whisker.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Whisker {
    /// Where the mark is.
    #[serde(with = "numbers::one")]
    pub value: f64,
    /// The lower end; the value itself where no spread is known.
    #[serde(with = "numbers::one")]
    pub low: f64,
    /// The upper end.
    #[serde(with = "numbers::one")]
    pub high: f64,
    /// Whether all values that belong to it are in it. The mark is hollow where they are not.
    pub complete: bool,
    /// What it is, with its numbers.
    pub title: String,
}

impl Points {
    /// The place on the x axis at which each point of each series is drawn: those nearer to each other than `space` are moved
    /// apart, in the order of their series. `place` gives that of a value; `None` where the axes do not show a point.
    pub(crate) fn places(&self, figure: &Figure, place: impl Fn(f64) -> f64, space: f64) -> Vec<Vec<Option<f64>>> {
        let mut places: Vec<Vec<Option<f64>>> =
            self.series.iter().map(|series| vec![None; series.points.len()]).collect();
        let mut shown: Vec<(f64, usize, usize)> = Vec::new();
        for (number, series) in self.series.iter().enumerate() {
            for (index, point) in series.points.iter().enumerate() {
                if figure.x.shows(point.x) && figure.y.shows(point.mark.value) {
                    shown.push((place(point.x), number, index));
                }
            }
        }
        // Stable, so that points of one place stay in the order of their series.
        shown.sort_by(|a, b| a.0.total_cmp(&b.0));
        let wanted: Vec<f64> = shown.iter().map(|(place, ..)| *place).collect();
        for ((_, number, index), place) in shown.into_iter().zip(apart(&wanted, space)) {
            places[number][index] = Some(place);
        }
        places
    }
}

impl Whisker {
    /// The ends, where they differ from the value and the axis shows them.
    pub(crate) fn ends(&self, axis: &super::Axis) -> Option<(f64, f64)> {
        (self.low < self.high && axis.shows(self.low) && axis.shows(self.high)).then_some((self.low, self.high))
    }
}
