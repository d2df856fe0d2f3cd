//! The run folder: what a run leaves on disk, and how it is read back.
//!
//! ```text
//! runs/NAME/preset.toml     the preset as it ran, overrides included
//!           events.jsonl    every event, one per line
//!           checkpoints/step-00000120/
//!           best/           the checkpoint of the best evaluation
//!           tags            the user's own words for it
//! runs/.trash/NAME/         a deleted run
//! ```

mod compare;
mod curve;
mod events;
mod folder;
mod list;
mod summary;
mod tags;
mod tidy;

pub use compare::{Difference, differences};
pub use curve::Curve;
pub use events::{EventLog, EventRange, read_events};
pub use folder::RunFolder;
pub use list::{Listed, Lister, RunState};
pub use summary::{Best, End, Summary};
pub use tags::{tags_of, write_tags};
pub use tidy::{TRASH, rename, throw_away};
