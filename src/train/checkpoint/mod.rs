//! Saves a run's state: a copy on the training thread, written to disk off it.
//!
//! The files of a checkpoint are in [`crate::runs::checkpoint`].

mod snapshot;
mod writer;

pub use snapshot::StateSnapshot;
pub use writer::{CheckpointRequest, CheckpointTarget, CheckpointWriter, WriteFailed};
