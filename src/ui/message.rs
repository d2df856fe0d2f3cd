//! The messages that update the state of the application, and the effects that it asks for.

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use super::input::UserInput;
use super::monitor::Files;
use super::runs::Comparison;
use super::saving::{SaveRequest, SavedPreset};
use crate::estimate::Estimate;
use crate::export::ExportRequest;
use crate::preset::{Preset, PresetEntry};
use crate::protocol::{Command, Event, Progress};
use crate::runs::History;
use crate::runs::{RunEdit, RunEntry};

/// What the state is updated with.
pub enum Msg {
    Input(UserInput),
    /// The terminal has this many columns and rows.
    Resize(u16, u16),
    /// Time since the program started.
    Tick(Duration),
    /// An event of the live run.
    Event(Event),
    /// A run was started in this process.
    Launched,
    /// A run in another process was attached to.
    Attached,
    /// The run in this folder could not be attached to.
    NotAttached(PathBuf),
    /// Why an effect failed.
    Refused(String),
    /// The estimate of a preset, or why there is none; the TOML says of which preset.
    Estimate(String, Result<Estimate, String>),
    /// The number of the replay, and the next events of its run.
    Replayed(u64, Vec<Event>),
    /// All runs, or `None` if nothing has changed since the last time; and the time of the listing.
    Listed(Option<Vec<RunEntry>>, SystemTime),
    Compared(Comparison),
    /// A run to draw beneath the one on the monitor, and its name.
    Overlaid(String, Box<History>),
    /// The files of the run on the monitor.
    Files(Files),
    /// A sentence to show to the user.
    Notice(String),
    /// The same, after a change that the list of runs may show.
    Done(String),
    /// Progress of the running export.
    Exporting(Progress),
    /// The running export has ended.
    Exported(Result<(), anyhow::Error>),
    /// These presets were saved; and all presets that exist now.
    Saved(Vec<SavedPreset>, Vec<PresetEntry>),
    /// All changed presets were saved on the way out.
    AllSaved,
}

/// What the event loop has to do.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// Send a command to the trainer of the live run.
    Send(Command),
    /// Stop the live run with a checkpoint, and continue it in a process of its own when this one ends.
    Detach,
    Launch(Box<Preset>),
    /// Resume a run with these `key=value` of its preset changed.
    Resume {
        run: PathBuf,
        set: Vec<String>,
    },
    /// Attach to a run in another process.
    Attach(PathBuf),
    Estimate(Box<Preset>),
    /// Read the events of a run folder, for the replay of this number.
    Replay(PathBuf, u64),
    ListRuns,
    /// Read the curves of these runs, for [`Msg::Overlaid`].
    Overlay(Vec<PathBuf>),
    /// Read what the presets of these runs differ in.
    Compare(Vec<RunEntry>),
    Edit(RunEdit),
    Export(ExportRequest),
    CancelExport,
    /// Open a folder in a file manager or a shell.
    OpenFolder(PathBuf),
    /// Copy a text to the clipboard.
    Copy(String),
    /// Write the theme's name to the user's settings.
    KeepTheme(String),
    /// Write these texts to these files.
    WriteFiles(Vec<(PathBuf, String)>),
    SavePreset(SaveRequest),
    /// Save all changed presets on the way out.
    SaveAll(Vec<SaveRequest>),
    /// Stop the process as the shell's job control expects.
    Suspend,
    /// Leave the workbench.
    Leave,
}
