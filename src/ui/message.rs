//! The messages that update the state of the application, and the effects that it asks for.

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use super::chat::effect::ChatEffect;
use super::comparison::ComparisonUpdate;
use super::input::UserInput;
use super::monitor::Files;
use super::queue_edit::QueueEdit;
use super::replay::Pace;
use super::saving::{EditedPreset, PresetEdit, SaveRequest, SavedPreset};
use super::screenshot::ScreenFiles;
use super::start_request::{ActiveRuns, StartRequest};
use crate::analysis::AnalysisUpdate;
use crate::chat::ChatReply;
use crate::estimate::{DownloadSize, Estimate};
use crate::export::ExportRequest;
use crate::preset::{Preset, PresetEntry};
use crate::protocol::{Command, Event, Progress};
use crate::queue::QueueEntry;
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
    /// This run was not started, since others are training.
    Busy(StartRequest, ActiveRuns),
    /// The run of this name was taken from the queue and started in this process, while the user does something else.
    Followed(String, Files),
    /// The trainer of the live run has ended.
    Ended,
    /// The run of this name continues in a process of its own, or why it could not.
    HandedOff(String, Result<(), String>),
    /// All entries of the queue.
    Queued(Vec<QueueEntry>),
    /// Why no queued run can be started.
    QueueRefused(String),
    /// The run in this folder could not be attached to.
    NotAttached(PathBuf),
    /// Why an effect failed.
    Refused(String),
    /// The estimate of a preset, or why there is none; the TOML says of which preset.
    Estimate(String, Result<Estimate, String>),
    /// The sizes of what is not downloaded.
    DownloadSizes(Vec<DownloadSize>),
    /// The number of the replay, and the next events of its run.
    Replayed(u64, Vec<Event>),
    /// All events of the replay of this number were delivered at their pace.
    ReplayEnded(u64),
    /// All runs, or `None` if nothing has changed since the last time; and the time of the listing.
    Listed(Option<Vec<RunEntry>>, SystemTime),
    /// What was read of the runs that are compared.
    Compared(ComparisonUpdate),
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
    /// A preset was renamed or deleted; and all presets that exist now.
    PresetEdited(EditedPreset, Vec<PresetEntry>),
    /// Why a preset was not saved or renamed.
    NotSaved(String),
    /// A run was renamed: its folder before and now.
    RunRenamed(PathBuf, PathBuf),
    /// A run was not renamed to this name, and why.
    RunNotRenamed {
        run: PathBuf,
        name: String,
        why: String,
    },
    /// All changed presets were saved on the way out.
    AllSaved,
    /// The prompts of earlier chats, the latest last.
    ChatPrompts(Vec<String>),
    Chat(ChatReply),
    /// An exchange was saved to a file, or why not.
    ChatSaved(Result<String, String>),
    /// An analysis has begun, whose files will be in this folder.
    AnalysisStarted {
        title: String,
        folder: PathBuf,
    },
    Analysis(AnalysisUpdate),
}

/// What the event loop has to do.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// Send a command to the trainer of the live run.
    Send(Command),
    /// Notify the user of the live run, and pause it if asked to.
    Alert {
        text: String,
        pause: bool,
    },
    /// Stop the live run with a checkpoint, and continue it in a process of its own.
    Detach,
    Launch(Box<Preset>),
    /// Start a run, even if other processes train some.
    StartBeside(StartRequest),
    /// Start the next queued run, if no run is active.
    StartNext,
    Queue(QueueEdit),
    /// Resume a run with these `key=value` of its preset changed.
    Resume {
        run: PathBuf,
        set: Vec<String>,
    },
    /// Attach to a run in another process.
    Attach(PathBuf),
    Estimate(Box<Preset>),
    /// Ask the hub for the sizes of what launching the preset would download.
    DownloadSizes(Box<Preset>),
    /// Read the events of a run folder, for the replay of this number.
    Replay(PathBuf, u64),
    /// Change the pace of the replay.
    Pace(Pace),
    ListRuns,
    /// Read the curves and settings of these runs from now on, and those of no others, for [`Msg::Compared`].
    Follow(Vec<PathBuf>),
    Edit(RunEdit),
    Export(ExportRequest),
    CancelExport,
    /// Load the language model of a run folder, a model folder or a hub id, to chat with.
    OpenChat(PathBuf),
    Chat(ChatEffect),
    /// Analyze the gradients of a preset.
    Analyze(Box<Preset>),
    CancelAnalysis,
    /// Open a folder in a file manager or a shell.
    OpenFolder(PathBuf),
    /// Copy a text to the clipboard.
    Copy(String),
    /// Write the theme's name to the user's settings.
    KeepTheme(String),
    /// Write these texts to these files.
    WriteFiles(Vec<(PathBuf, String)>),
    /// Write the screen as it is into these files.
    SaveScreen(ScreenFiles),
    SavePreset(SaveRequest),
    EditPreset(PresetEdit),
    /// Save all changed presets on the way out.
    SaveAll(Vec<SaveRequest>),
    /// Stop the process as the shell's job control expects.
    Suspend,
    /// Leave the workbench.
    Leave,
}
