//! The model of the chat: being loaded, loaded, closed.

use std::path::{Path, PathBuf};

use crate::chat::Loaded;
use crate::protocol::Progress;
use crate::ui::format::{bytes, grouped, plain};

/// The model of the chat.
#[derive(Clone, Debug, PartialEq)]
pub enum Model {
    /// None was opened yet.
    None,
    Loading {
        path: PathBuf,
        /// The memory it takes, once it is known.
        memory: Option<String>,
        progress: Option<Progress>,
    },
    Loaded {
        path: PathBuf,
        loaded: Loaded,
    },
    /// It is not in memory.
    Closed {
        path: PathBuf,
        why: String,
    },
}

impl Model {
    pub fn loading(path: PathBuf) -> Model {
        Model::Loading { path, memory: None, progress: None }
    }

    /// What was opened: a run folder, a model folder or a hub id.
    pub fn path(&self) -> Option<&Path> {
        match self {
            Model::None => None,
            Model::Loading { path, .. } | Model::Loaded { path, .. } | Model::Closed { path, .. } => Some(path),
        }
    }

    /// Whether it is in memory, or will be.
    pub fn is_open(&self) -> bool {
        matches!(self, Model::Loading { .. } | Model::Loaded { .. })
    }

    pub fn loaded(&self) -> Option<&Loaded> {
        match self {
            Model::Loaded { loaded, .. } => Some(loaded),
            _ => None,
        }
    }

    pub fn set_memory(&mut self, weights: u64, kv_cache: u64) {
        if let Model::Loading { memory, .. } = self {
            let (weights, kv_cache) = (bytes(weights as f64), bytes(kv_cache as f64));
            *memory = Some(format!("{weights} of weights, key-value cache up to {kv_cache}"));
        }
    }

    pub fn set_progress(&mut self, latest: Progress) {
        if let Model::Loading { progress, .. } = self {
            *progress = Some(latest);
        }
    }

    pub fn set_loaded(&mut self, loaded: Loaded) {
        if let Model::Loading { path, .. } = self {
            *self = Model::Loaded { path: std::mem::take(path), loaded };
        }
    }

    pub fn close(&mut self, why: String) {
        if let Model::Loading { path, .. } | Model::Loaded { path, .. } = self {
            *self = Model::Closed { path: std::mem::take(path), why };
        }
    }

    /// The name of the run, or of the model where there is no run.
    pub fn name(&self) -> String {
        let path = self.path().unwrap_or(Path::new(""));
        match self.loaded() {
            Some(Loaded { run: None, model, .. }) => plain(model),
            _ => plain(&path.file_name().unwrap_or(path.as_os_str()).to_string_lossy()),
        }
    }

    /// What to call the fine-tuned weights.
    pub fn fine_tuned(&self) -> String {
        match self.loaded().and_then(|loaded| loaded.step) {
            Some(step) => format!("fine-tuned (step {})", grouped(step)),
            None => "fine-tuned".into(),
        }
    }
}
