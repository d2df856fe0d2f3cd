//! The axes of a figure: what of it can be drawn, between which ends.

use super::plot::{Axis, Figure, Plot, Scale};
use super::points::{PointRows, Points};
use crate::axis::Axis as Ticks;
use crate::quantity::Unit;

impl Figure {
    /// The axes of a picture with at most so many ticks on each; `None` if nothing can be drawn.
    pub(crate) fn axes(&self, across: usize, upwards: usize) -> Option<(Ticks, Ticks)> {
        let (x, y) = self.ranges()?;
        let (log_x, log_y) = (self.x.is_log(), self.y.is_log());
        let horizontal = match self.plot {
            Plot::Rows(_) => Ticks::y(x, log_x, Unit::Number, across),
            _ => Ticks::data(x, log_x, Unit::Number, across),
        };
        let vertical = match &self.plot {
            Plot::HeatMap(_) => Ticks::data(y, log_y, Unit::Number, upwards),
            Plot::Rows(PointRows { rows, .. }) => Ticks::rows(rows.iter().map(|row| row.name.clone())),
            _ => Ticks::y(y, log_y, Unit::Number, upwards),
        };
        Some((horizontal, vertical))
    }

    /// The values between which the axes lie; `None` if nothing can be drawn.
    pub(crate) fn ranges(&self) -> Option<(Range, Range)> {
        let (mut x, mut y) = (None, None);
        match &self.plot {
            Plot::Curves(curves) => {
                for curve in curves {
                    for (index, (at, value)) in curve.points.iter().enumerate() {
                        let ends = curve.band.as_ref().map(|band| [band.low[index], band.high[index]]);
                        let values = [*value].into_iter().chain(ends.into_iter().flatten());
                        if self.x.shows(*at) {
                            values.filter(|value| self.y.shows(*value)).for_each(|value| {
                                x = extended(x, *at);
                                y = extended(y, value);
                            });
                        }
                    }
                }
            }
            Plot::Histograms(histograms) => {
                for histogram in histograms {
                    histogram.edges.iter().filter(|at| self.x.shows(**at)).for_each(|at| x = extended(x, *at));
                    let counts = histogram.counts.iter().filter(|count| self.y.shows(**count));
                    counts.for_each(|count| y = extended(y, *count));
                }
                // Bars begin at 0.
                if !self.y.is_log() {
                    y = y.and_then(|_| extended(y, 0.0));
                }
            }
            Plot::HeatMap(map) => {
                cell_edges(&map.xs, &self.x).iter().filter(|at| self.x.shows(**at)).for_each(|at| x = extended(x, *at));
                cell_edges(&map.ys, &self.y).iter().filter(|at| self.y.shows(**at)).for_each(|at| y = extended(y, *at));
            }
            Plot::Points(Points { series, .. }) => {
                let points = series.iter().flat_map(|series| &series.points);
                for point in points.filter(|point| self.x.shows(point.x) && self.y.shows(point.mark.value)) {
                    x = extended(x, point.x);
                    let ends = [point.mark.low, point.mark.high].into_iter().filter(|end| self.y.shows(*end));
                    y = ends.chain([point.mark.value]).fold(y, extended);
                }
                x = x.map(|x| widened(x, self.x.is_log()));
            }
            Plot::Rows(PointRows { rows, .. }) => {
                let marks = rows.iter().filter_map(|row| row.mark.as_ref());
                for mark in marks.filter(|mark| self.x.shows(mark.value)) {
                    let ends = [mark.low, mark.high].into_iter().filter(|end| self.x.shows(*end));
                    x = ends.chain([mark.value]).fold(x, extended);
                    y = Some((0.0, rows.len() as f64));
                }
            }
        }
        x.zip(y)
    }
}

impl Axis {
    /// Whether the scale is logarithmic.
    pub(crate) fn is_log(&self) -> bool {
        self.scale == Scale::Log
    }

    /// Whether the value has a place on the axis.
    pub(crate) fn shows(&self, value: f64) -> bool {
        value.is_finite() && (!self.is_log() || value > 0.0)
    }
}

/// The edges of the cells around the places of a grid: halfway to the neighbours.
pub(crate) fn cell_edges(places: &[f64], axis: &Axis) -> Vec<f64> {
    let position = |value: f64| if axis.is_log() { value.log10() } else { value };
    let value = |position: f64| if axis.is_log() { 10f64.powf(position) } else { position };
    let at: Vec<f64> = places.iter().map(|place| position(*place)).collect();
    let (Some(first), Some(last)) = (at.first(), at.last()) else { return Vec::new() };
    // A single place has a cell of length 1 around it.
    let half = |a: Option<&f64>, b: Option<&f64>| a.zip(b).map_or(0.5, |(a, b)| (b - a) / 2.0);
    let mut edges = vec![first - half(at.first(), at.get(1))];
    edges.extend(at.windows(2).map(|pair| (pair[0] + pair[1]) / 2.0));
    edges.push(last + half(at.len().checked_sub(2).map(|index| &at[index]), at.get(at.len().wrapping_sub(1))));
    edges.into_iter().map(value).collect()
}

type Range = (f64, f64);

/// A range with room for the marks at its ends.
fn widened((low, high): Range, log: bool) -> Range {
    /// Share of the range on each side.
    const SIDE: f64 = 0.05;
    let position = |value: f64| if log { value.log10() } else { value };
    let value = |position: f64| if log { 10f64.powf(position) } else { position };
    let (from, to) = (position(low), position(high));
    let by = match from < to {
        true => (to / 2.0 - from / 2.0) * (2.0 * SIDE),
        // A single place is in the middle.
        false if log || from == 0.0 => 0.5,
        false => from.abs() / 2.0,
    };
    (value(from - by), value(to + by))
}

fn extended(range: Option<Range>, value: f64) -> Option<Range> {
    Some(range.map_or((value, value), |(low, high)| (low.min(value), high.max(value))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_meet_halfway() {
        let axis = |scale| Axis { label: String::new(), scale };
        assert_eq!(cell_edges(&[0.0, 1.0, 3.0], &axis(Scale::Linear)), [-0.5, 0.5, 2.0, 4.0]);
        assert_eq!(cell_edges(&[2.0], &axis(Scale::Linear)), [1.5, 2.5]);
        assert_eq!(cell_edges(&[], &axis(Scale::Linear)), [0.0; 0]);
        let log = cell_edges(&[1.0, 100.0], &axis(Scale::Log));
        assert!(log.iter().zip([0.1, 10.0, 1000.0]).all(|(edge, expected)| (edge / expected - 1.0).abs() < 1e-12));
    }
}
