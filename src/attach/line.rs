//! What a run writes to its socket.

use serde::{Deserialize, Serialize};

use crate::protocol::Event;

/// A line from a run to its viewers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SocketLine {
    /// The first line.
    Hello {
        /// Version of finesift.
        version: String,
        /// Name of the run.
        run: String,
        /// Process id of the trainer.
        process: u32,
    },
    /// The process writes to `events.jsonl` from this byte on; earlier content after it is gone.
    Opened(u64),
    /// `events.jsonl` has whole lines up to this byte.
    Written(u64),
    /// An event that is not in the file: there is none yet, or the disk is full.
    Event(Box<Event>),
    /// A command was not accepted, and why.
    Refused(String),
    /// The last line of a run that another process resumes at once.
    #[serde(rename = "left_behind")]
    Detached,
}
