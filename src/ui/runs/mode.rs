//! What the keys of the list of runs are for: moving about, typing, answering, choosing.

use std::path::PathBuf;

use super::checkpoints::Pins;
use super::entry::Entry;
use super::export::Draft;
use crate::export::{ChangedBiases, ExportRequest};

/// What keys are for.
#[derive(Clone, Debug, PartialEq)]
pub enum Mode {
    /// Moving about the list.
    List,
    /// Typing the filter.
    Filter {
        entry: Entry,
        /// The filter to restore on esc.
        before: String,
    },
    /// Typing the new name of a run.
    Rename(PathBuf, Entry),
    /// Typing the tags of runs.
    Tag(Vec<PathBuf>, Entry),
    /// Confirming that these runs are moved to trash.
    Delete(Vec<PathBuf>),
    /// Choosing what to export, and where to.
    Export(Draft),
    /// Confirming that an adapter is exported without its biases.
    Biases(ExportRequest, ChangedBiases),
    /// Choosing checkpoints to pin.
    Pins(Pins),
}
