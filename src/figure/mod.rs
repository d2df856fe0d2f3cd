//! A figure as plain data, and as an SVG picture. The terminal, SVG and CSV show the same figure.
//!
//! ```text
//! plot            what is drawn, without how
//! points          points with whiskers, in series or a row each
//! numbers         its numbers in JSON
//! axes colours    which part of a figure is drawn, and in which colours
//! apart           points that would cover each other are drawn side by side
//! svg             the picture
//! ```

mod apart;
mod axes;
mod colours;
mod numbers;
mod plot;
mod points;
mod svg;

pub(crate) use axes::cell_edges;
pub(crate) use colours::{VIRIDIS, range as colour_range, step as colour_step};
pub use plot::{Axis, Band, Curve, Figure, HeatMap, Histogram, Plot, Scale};
pub use points::{MarkedPoint, PointRow, PointRows, PointSeries, Points, Whisker};
