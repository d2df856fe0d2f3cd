//! The run folder: what a run writes to disk, and how it is read back.
//!
//! ```text
//! runs/NAME/preset.toml     the preset as it ran, overrides included
//!           events.jsonl    every event, one per line
//!           checkpoints/step-00000120/
//!           best            link to the checkpoint of the best evaluation
//!           lock            held by the process that writes here
//!           predictions.json   of the best evaluation, where keep.predictions asks for it
//!           abandoned/      what a resume from an earlier step has dropped, and presets it has replaced
//!           tags            the user's tags
//!           charts/         charts saved from the monitor
//!           screens/        screens saved as pictures
//!           exports/        exports without --out
//!           socket          for `finesift attach`
//!           background.log  output of a detached run
//! runs/.trash/NAME/         a deleted run
//!      .queue/              presets that wait to be trained (`queue/`)
//! ```

pub mod checkpoint;
mod compare;
mod disk;
mod edit;
mod events;
mod folder;
pub mod health;
mod history;
mod list;
mod lock;
mod predictions;
mod summary;
mod tags;
mod throughput;
mod trash;

pub use compare::{SettingDifference, setting_differences};
pub use disk::{Disk, RealDisk};
pub use edit::RunEdit;
pub use events::{EventLog, EventRange, last_event, read_events};
pub use folder::{RunFolder, find, name_error, plain as check_run_name, preset_in_name};
pub use history::{
    Completion, History, HistoryReader, LogLine, MachineCurves, MeanCurve, RankHistory, RankTimes, Row, Rows, RunEnd,
    SmoothedSeries, Straggler, TargetHistories, TargetHistory, places, responds,
};
pub use list::{CheckpointSummary, Lister, RunEntry, RunState, checkpoint_summaries};
pub use lock::{Holder, RunLock};
pub use predictions::Predictions;
pub use summary::{BestScore, Summary};
pub use tags::{read_tags, tags_of};
pub use throughput::{Throughput, throughput};
pub use trash::{TRASH, refuse_active};
