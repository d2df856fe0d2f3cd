//! A run that the user wants to start, and what is in its way.

use std::path::PathBuf;

use crate::preset::Preset;

/// A run that the user wants to start.
#[derive(Clone, Debug, PartialEq)]
pub enum StartRequest {
    Launch(Box<Preset>),
    /// Resume a run with these `key=value` of its preset changed.
    Resume {
        run: PathBuf,
        set: Vec<String>,
    },
}

/// The runs that are training already.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ActiveRuns {
    /// This process trains one.
    Here,
    /// Other processes train these runs of the folder.
    Elsewhere(Vec<String>),
}

impl StartRequest {
    /// Name of the preset, or of the run to resume.
    pub fn name(&self) -> String {
        match self {
            StartRequest::Launch(preset) => preset.name.clone(),
            StartRequest::Resume { run, .. } => run.file_name().unwrap_or_default().to_string_lossy().into_owned(),
        }
    }
}
