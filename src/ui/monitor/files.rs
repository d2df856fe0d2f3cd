//! The files of the run on the monitor.

use std::path::PathBuf;

/// The files of a run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Files {
    /// The run folder.
    pub folder: PathBuf,
    /// The preset as it ran, overrides included: TOML.
    pub preset: String,
}
