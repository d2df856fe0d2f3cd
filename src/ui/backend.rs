//! What the screens ask of the rest of the program. They know no trainer: whoever joins them with one answers.

use std::path::Path;

use anyhow::{Result, bail};

use crate::preset::Preset;
use crate::runs::RunFolder;
use crate::session::Session;

/// The rest of the program, as the screens see it.
pub trait Backend: Send + Sync {
    /// Starts a run of a preset.
    ///
    /// # Errors
    /// A run's folder that cannot be made.
    fn launch(&self, preset: Preset) -> Result<Launched>;

    /// Takes a run up again where it stood.
    ///
    /// # Errors
    /// A run that cannot be taken up again, or a program that cannot do it.
    fn resume(&self, run: &Path) -> Result<Launched> {
        bail!("{}: this build cannot take a run up again", run.display())
    }

    /// The folder of all runs.
    fn runs(&self) -> &Path;

    /// finesift's own cache, which `cache:` stands for in presets.
    fn cache(&self) -> &Path;

    /// What a run of a preset would take, and its first examples. It may read files for seconds and downloads nothing.
    ///
    /// # Errors
    /// Model or data are not there, or not as the preset says.
    fn outlook(&self, preset: &Preset) -> Result<Outlook>;
}

/// A run that was started.
pub struct Launched {
    /// The trainer.
    pub session: Session,
    /// The run's folder.
    pub folder: RunFolder,
}

/// What a run would take.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Outlook {
    /// Parameters of the model.
    pub parameters: u64,
    /// Components that would be selected.
    pub selected: u64,
    /// Parameters that would be trained in full.
    pub dense: u64,
    /// Optimizer steps.
    pub steps: u64,
    /// Training examples.
    pub examples: u64,
    /// Held-out examples.
    pub eval_examples: u64,
    /// Memory by what it is for, in bytes.
    pub memory: Vec<(&'static str, u64)>,
    /// Bytes that the device has, and what it is.
    pub device: Option<(u64, String)>,
    /// The first examples as the model will see them.
    pub preview: Vec<Vec<Piece>>,
}

/// A token of an example.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece {
    /// Its text.
    pub text: String,
    /// What it is there for.
    pub role: PieceRole,
}

/// What a token is there for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PieceRole {
    /// The model reads it.
    Read,
    /// The model is trained to say it.
    TrainedOn,
    /// `[CLS]`, `[SEP]`, `<s>` and their like.
    Special,
    /// It fills the row up to the batch's length.
    Padding,
    /// The class or number to predict.
    Label,
}
