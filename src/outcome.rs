//! How a run ended for its front end.

use std::path::PathBuf;

use crate::protocol::Finished;
use crate::signals::Signal;

/// What a front end comes back with.
#[derive(Debug, Default)]
pub struct Outcome {
    /// The run's own words, if it ended as it should.
    pub finished: Option<Finished>,
    /// The signal that ended it, if one did.
    pub signal: Option<Signal>,
    /// The folder of the run, if that goes on without this front end.
    pub going_on: Option<PathBuf>,
}
