//! Analyses of a model and its data: a report of figures and tables, as plain data that screens and files show.

pub mod bound;
mod figure;
#[cfg(feature = "torch")]
mod perturb;
mod report;

pub use figure::{Axis, Band, Curve, Figure, HeatMap, Histogram, Plot, Scale};
pub use report::{Report, Table};
