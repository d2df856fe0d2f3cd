//! Analyses of a model and its data: a report of figures and tables, as plain data that screens and files show.

mod figure;
pub mod landscape;
#[cfg(feature = "torch")]
pub mod perturb;
mod report;

pub use figure::{Axis, Band, Curve, Figure, HeatMap, Histogram, Plot, Scale};
pub use report::{Report, Table};
