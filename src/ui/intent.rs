//! What a screen asks the application for. Only `App` turns an intent into an effect.

use std::path::PathBuf;

use super::keymap::AppAction;
use super::saving::SaveRequest;
use crate::export::ExportRequest;
use crate::preset::Preset;
use crate::protocol::Command;
use crate::runs::{RunEdit, RunEntry};

/// What the user wants, as a screen understands it.
#[derive(Clone, Debug, PartialEq)]
pub enum Intent {
    /// An action of the application as a whole.
    App(AppAction),
    Launch(Box<Preset>),
    SavePreset(SaveRequest),
    /// Send a command to the trainer of the live run.
    Send(Command),
    /// Write these texts to these files.
    WriteFiles(Vec<(PathBuf, String)>),
    /// Go back from the replay on the monitor to the runs.
    CloseReplay,
    Replay(PathBuf),
    Attach(PathBuf),
    /// Resume a run with these `key=value` of its preset changed.
    Resume {
        run: PathBuf,
        set: Vec<String>,
    },
    /// Show the curves of these runs on the monitor too.
    Overlay(Vec<PathBuf>),
    Compare(Vec<RunEntry>),
    Edit(RunEdit),
    Export(ExportRequest),
    CancelExport,
    OpenFolder(PathBuf),
    Copy(String),
    /// Tell the user why nothing was done.
    Refuse(String),
}
