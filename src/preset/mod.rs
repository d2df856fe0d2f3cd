//! Presets: one experiment as TOML, parsed once into validated values that nothing downstream checks again.
//!
//! ```text
//! types       the sections of a preset as Rust types
//! selection   criterion, structure and budget of the selection, and their keys
//! keys        all keys with their help, type and default
//! key_kind    the types of values: bounds, choices, how typed text is read
//! document    the keys of a TOML text with their lines
//! renamed     keys of earlier releases, and the keys that have taken their place
//! read        keys become a validated preset: defaults, ranges, keys that exclude each other
//! batch       the examples of a step and how they are split into micro-batches
//! data_source the keys of the data become a source of examples
//! hub_dataset a dataset on the hub: splits, or files by name
//! paths       `cache:` and `~`
//! anchored    the absolute paths of a run
//! overrides   keys that are set outside of a preset's text
//! draft edit  a preset with unsaved changes, as the screen edits it
//! difference  what differs between two presets, and what that means for resuming
//! work        which keys change the work of a step or an evaluation
//! library builtin
//!             where presets are found and saved
//! ```

mod anchored;
mod batch;
mod builtin;
mod data_source;
mod difference;
mod document;
mod draft;
mod edit;
mod hub_dataset;
mod key_kind;
mod keys;
mod library;
mod overrides;
mod paths;
mod read;
mod renamed;
mod selection;
mod types;
mod work;

pub use builtin::{BuiltIn, built_in};
pub use difference::{Difference, Impact, differences};
pub(crate) use document::unknown as unknown_key;
pub use draft::{Draft, Field, FieldOrigin};
pub use hub_dataset::{HubDataset, HubFiles, HubHeldOut, HubTable};
pub use key_kind::{AUTO, Choice, KeyKind, NumberStep};
pub use keys::{KEYS, PresetKey};
pub use library::{Library, PresetEntry, PresetText, read_file};
pub use overrides::Override;
pub(crate) use renamed::renamed as renamed_key;

pub use crate::paths::cache_folder;
pub use selection::{Select, SelectBudget, SelectStructure};
pub use types::{
    Data, DataSource, Dtype, HeadRule, InstructionData, InstructionFiles, Keep, Lora, Matmul, Model, Offload, Preset,
    Sample, Schedule, Sift, Train,
};
