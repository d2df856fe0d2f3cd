//! What a screen asks the application for. Only `App` turns an intent into an effect.

use std::path::PathBuf;

use super::chat::effect::ChatEffect;
use super::keymap::AppAction;
use super::queue_edit::QueueEdit;
use super::replay::Pace;
use super::saving::{PresetEdit, SaveRequest};
use crate::export::ExportRequest;
use crate::preset::Preset;
use crate::protocol::Command;
use crate::runs::RunEdit;

/// What another screen asks Runs to do with a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RunRequest {
    /// Open the export dialog.
    Export,
    /// The same, set to an HTML report.
    Report,
    /// Resume the run, or ask what changes if it has ended for good.
    Resume,
}

/// What the user wants, as a screen understands it.
#[derive(Clone, Debug, PartialEq)]
pub enum Intent {
    /// An action of the application as a whole.
    App(AppAction),
    Launch(Box<Preset>),
    SavePreset(SaveRequest),
    EditPreset(PresetEdit),
    /// Send a command to the trainer of the live run.
    Send(Command),
    /// Write these texts to these files.
    WriteFiles(Vec<(PathBuf, String)>),
    /// Go back from the replay on the monitor to the runs.
    CloseReplay,
    Replay(PathBuf),
    /// Change the pace of the replay on the monitor.
    Pace(Pace),
    Attach(PathBuf),
    /// Resume a run with these `key=value` of its preset changed.
    Resume {
        run: PathBuf,
        set: Vec<String>,
    },
    /// Go to a run in Runs, and do this with it.
    OpenRun {
        run: PathBuf,
        request: RunRequest,
    },
    /// Go to a preset at Home, and to this setting of it.
    ShowPreset {
        preset: String,
        key: Option<&'static str>,
    },
    /// Read the marked runs, and no others: a mark was set or removed.
    Follow,
    /// Show the curves of the marked runs on the monitor too.
    Overlay,
    Edit(RunEdit),
    Queue(QueueEdit),
    /// Start the next queued run, if no run is active.
    StartNext,
    Export(ExportRequest),
    CancelExport,
    /// Chat with the language model of this run folder.
    Chat(PathBuf),
    /// Go back from the chat to the screen before it.
    LeaveChat,
    /// What the open chat asks for.
    InChat(ChatEffect),
    /// Analyze the gradients of a preset.
    Analyze(Box<Preset>),
    CancelAnalysis,
    /// Go back from the analysis to the screen before it.
    LeaveAnalysis,
    OpenFolder(PathBuf),
    Copy(String),
    /// Tell the user why nothing was done.
    Refuse(String),
}
