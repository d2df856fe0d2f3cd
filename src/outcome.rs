//! How a run ended for its front end.

use std::path::PathBuf;

use crate::protocol::Finished;
use crate::signals::Signal;

/// What a front end returns.
#[derive(Debug, Default)]
pub struct Outcome {
    /// The last event of the latest run, unless it failed or continues.
    pub finished: Option<Finished>,
    /// Folder of that run, where the front end knows it.
    pub folder: Option<PathBuf>,
    /// The signal that ended the front end.
    pub signal: Option<Signal>,
    /// Folder of a run that continues in the background.
    pub detached: Option<PathBuf>,
}
