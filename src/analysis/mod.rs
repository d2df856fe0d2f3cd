//! Analyses of a model and its data: a report of figures and tables, as plain data that screens and files show.
//!
//! An analysis is a function `fn(&Spec, &Reporter) -> Result<Report>`. It runs on a thread of its own (`link`): between two batches it
//! polls [`Reporter::check`] and passes the error on with `?`, and it sends [`Reporter::progress`] and, where figures can fill in
//! while it runs, [`Reporter::partial`]. When it returns, the files of its report are written (`files`). It draws nothing, prints
//! nothing and writes nothing itself.
//!
//! ```text
//! report check                  the result as plain data, and what must hold of it
//! files                         the folder of a report
//! link                          the thread of an analysis and its channel
//! perturb                       weights that are moved for a while
//! landscape                     the loss around a model's weights
//! opened                        a preset's network and batches
//! gradients                     how a gradient is spread over the components
//! bound                         PAC-Bayes bounds beside the measured generalisation gap
//! ```

pub mod bound;
mod check;
pub mod files;
#[cfg(feature = "torch")]
pub mod gradients;
pub mod landscape;
mod link;
#[cfg(feature = "torch")]
mod opened;
#[cfg(feature = "torch")]
pub mod perturb;
mod report;
#[cfg(test)]
pub(crate) mod samples;

pub use crate::figure::{Axis, Band, Curve, Figure, HeatMap, Histogram, Plot, Scale};
pub use check::Malformed;
pub use link::{Analysis, AnalysisLink, AnalysisUpdate, Cancelled, Reporter};
#[cfg(feature = "torch")]
pub use opened::OpenedForAnalysis;
pub use report::{Report, Table};
