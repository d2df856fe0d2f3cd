//! Checkpoints on disk, without torch: what one says of itself, how it is written whole or not at all, and how good ones
//! are found.
//!
//! ```text
//! checkpoints/step-00000120/checkpoint.json      what the tensors are, sizes and checksums, and its own checksum
//!                           state.safetensors    the selection and its state
//!                           pinned               if there: never removed
//! best -> checkpoints/step-00000100              the checkpoint of the best evaluation
//! ```

mod list;
mod manifest;
mod pin;
mod selector;
mod write;

pub use list::{CheckpointEntry, Stored, best, list, prune, recover, set_aside};
pub use manifest::{BaseIdentity, ClockState, DataIdentity, FORMAT, FileEntry, Manifest, ScheduleFacts, SlotEntry};
pub use pin::{pin, unpin};
pub use selector::{CheckpointSelector, steps, wanted};
pub use write::{TensorBytes, point_best, write};

/// The tensors' file within a checkpoint.
pub const STATE: &str = "state.safetensors";

/// The manifest's.
pub const MANIFEST: &str = "checkpoint.json";
