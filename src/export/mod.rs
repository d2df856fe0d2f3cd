//! A run in formats of other software: a model, its changed parameters, an adapter, or its metrics.
//!
//! ```text
//! request      what the user requests, and dispatch to the formats
//! cancel       progress and cancellation
//! delta        the changes as one file, and back
//! merged companions
//!              a Hugging Face folder with the changes applied, and the files that go with it
//! shira        the changes as a PEFT adapter
//! csv          the metrics of every step
//! tensorboard  the metrics as an event file
//! report       the metrics as a page with charts
//! size         the size of a delta before it is exported
//! ```

mod cancel;
#[cfg(feature = "torch")]
mod companions;
mod csv;
#[cfg(feature = "torch")]
mod delta;
#[cfg(feature = "torch")]
mod merged;
mod report;
mod request;
#[cfg(feature = "torch")]
mod shira;
mod size;
mod tensorboard;

use std::error::Error;
use std::fmt;

pub(crate) use crate::unfinished::Unfinished;
pub use cancel::{CancelToken, Cancelled, ExportControl};
pub use csv::csv;
#[cfg(feature = "torch")]
pub use merged::merged;
pub use report::report;
pub use request::{ExportFormat, ExportRequest};
#[cfg(feature = "torch")]
pub use shira::shira;
pub use size::delta_bytes;
pub use tensorboard::tensorboard;

/// Why a SHiRA adapter was not written: the run changed biases, which an adapter cannot hold. They can be left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChangedBiases {
    /// Number of changed biases.
    pub count: usize,
    /// Name of the first one.
    pub first: String,
}

impl fmt::Display for ChangedBiases {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ChangedBiases { count, first } = self;
        write!(
            f,
            "the run trained components of {count} biases, such as {first}, which a SHiRA adapter cannot hold; \
             sift.biases = false trains none"
        )
    }
}

impl Error for ChangedBiases {}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_failed_export_leaves_no_folder() {
        let run = tempfile::tempdir().unwrap();
        fs::write(run.path().join("events.jsonl"), "").unwrap();
        let out = run.path().join("exports/run/report.html");
        let order = ExportRequest {
            run: run.path().to_owned(),
            format: ExportFormat::Html,
            from: None,
            out,
            without_biases: false,
        };
        // The report needs preset.toml, which is missing.
        let (on_progress, cancel) = (|_| {}, CancelToken::default());
        let error = order.write(ExportControl { on_progress: &on_progress, cancel: &cancel }).unwrap_err();
        assert!(format!("{error:#}").contains("preset.toml"), "{error:#}");
        assert!(!run.path().join("exports").exists());
    }
}
