//! Checkpoints on disk, without torch: the manifest, atomic writing, and finding valid ones.
//!
//! ```text
//! checkpoints/step-00000120/checkpoint.json      the manifest: tensors, sizes, checksums, and its own checksum
//!                           state.safetensors    the selection and its optimizer state
//!                           pinned               if present: never pruned
//! best -> checkpoints/step-00000100              the checkpoint of the best evaluation
//! ```

mod error;
mod list;
mod manifest;
mod pin;
mod selector;
mod write;

pub use error::{CheckpointError, CheckpointFault};
pub use list::{CheckpointEntry, StoredCheckpoint, best, list, prune, recover, set_aside};
pub use manifest::{
    BaseIdentity, ClockState, DataIdentity, FORMAT, FORMAT_RESELECTED, FileEntry, Manifest, ScheduleFacts, SlotEntry,
};
pub use pin::{pin, unpin};
pub use selector::{CheckpointSelector, select, steps};
pub use write::{TensorBytes, point_best, write};

/// File of the tensors in a checkpoint.
pub const STATE: &str = "state.safetensors";

/// File of the manifest in a checkpoint.
pub const MANIFEST: &str = "checkpoint.json";
