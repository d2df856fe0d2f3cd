//! The run folder: what a run leaves on disk, and how it is read back.
//!
//! ```text
//! runs/NAME/preset.toml     the preset as it ran, overrides included
//!           events.jsonl    every event, one per line
//!           checkpoints/step-00000120/
//!           best/           the checkpoint of the best evaluation
//! ```

mod events;
mod folder;
mod pace;

pub use events::{EventLog, EventRange, read_events};
pub use folder::RunFolder;
pub use pace::pace;
