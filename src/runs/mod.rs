//! The run folder: what a run leaves on disk, and how it is read back.
//!
//! ```text
//! runs/NAME/preset.toml     the preset as it ran, overrides included
//!           events.jsonl    every event, one per line
//!           checkpoints/step-00000120/
//!           best            leads to the checkpoint of the best evaluation
//!           lock            held by the process that writes here
//!           abandoned/      what a return to an earlier step left behind
//! ```

pub mod checkpoint;
mod disk;
mod events;
mod folder;
mod lock;

pub use disk::{Disk, RealDisk};
pub use events::{EventLog, EventRange, last_event, read_events};
pub use folder::{RunFolder, find};
pub use lock::{Holder, RunLock};
