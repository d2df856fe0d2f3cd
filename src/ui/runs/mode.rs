//! What the keys of the list of runs are for: moving about, typing, answering, choosing.

use std::path::PathBuf;

use super::checkpoints::PinDialog;
use super::export::ExportForm;
use super::line_input::LineInput;
use super::renaming::Renaming;
use super::train_longer::TrainLonger;
use crate::export::{ChangedBiases, ExportRequest};

/// What keys are for.
#[derive(Clone, Debug, PartialEq)]
pub enum Mode {
    /// Moving about the list.
    List,
    /// Typing the filter.
    Filter {
        entry: LineInput,
        /// The filter to restore on esc.
        before: String,
    },
    /// Typing the new name of a run.
    Rename(Box<Renaming>),
    /// Typing the tags of runs.
    Tag(Vec<PathBuf>, LineInput),
    /// Typing what changes for a run that ended and is trained for longer.
    TrainLonger(TrainLonger),
    /// Confirming that these runs are moved to trash.
    Delete(Vec<PathBuf>),
    /// Choosing what to export, and where to.
    Export(ExportForm),
    /// Confirming that an adapter is exported without its biases.
    Biases(ExportRequest, ChangedBiases),
    /// Choosing checkpoints to pin.
    Pins(PinDialog),
}
