//! Analyses of a model and its data: a report of figures and tables, as plain data that screens and files show.

mod figure;
mod report;

pub use figure::{Axis, Band, Curve, Figure, HeatMap, Histogram, Plot, Scale};
pub use report::{Report, Table};
