//! The run folder: what a run leaves on disk, and how it is read back.
//!
//! ```text
//! runs/NAME/preset.toml     the preset as it ran, overrides included
//!           events.jsonl    every event, one per line
//!           checkpoints/step-00000120/
//!           best            leads to the checkpoint of the best evaluation
//!           lock            held by the process that writes here
//!           abandoned/      what a return to an earlier step left behind
//!           tags            the user's own words for it
//!           charts/         charts that were written by key
//!           exports/        exports, unless they were asked for elsewhere
//!           socket          where a run that goes is attached to
//!           background.log  what it said when it was in no terminal
//! runs/.trash/NAME/         a deleted run
//! ```

pub mod checkpoint;
mod compare;
mod curve;
mod disk;
mod events;
mod folder;
mod list;
mod lock;
mod summary;
mod tags;
mod throughput;
mod trash;

pub use compare::{Difference, differences};
pub use curve::Curve;
pub use disk::{Disk, RealDisk};
pub use events::{EventLog, EventRange, last_event, read_events};
pub use folder::{RunFolder, find};
pub use list::{Kept, Lister, RunEntry, RunState, kept};
pub use lock::{Holder, RunLock};
pub use summary::{Best, End, Summary};
pub use tags::{tags_of, write_tags};
pub use throughput::{Throughput, throughput};
pub use trash::{TRASH, move_to_trash, rename};
