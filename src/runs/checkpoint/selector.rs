//! Selecting a checkpoint of a run: the newest, the best, or the one at a step.

use std::path::{Path, PathBuf};
use std::str::FromStr;

use anyhow::{Result, bail};

use super::list::{CheckpointEntry, best, list};
use crate::Usage;

/// Selects a checkpoint of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CheckpointSelector {
    /// The newest valid one. A run without checkpoints starts from step 0.
    Newest,
    /// The one of the best evaluation.
    Best,
    /// The one at this step.
    Step(u64),
}

impl FromStr for CheckpointSelector {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<CheckpointSelector> {
        match (text, text.parse()) {
            ("best", _) => Ok(CheckpointSelector::Best),
            (_, Ok(step)) => Ok(CheckpointSelector::Step(step)),
            _ => bail!(Usage(format!("{text}: expected best, or the number of a step"))),
        }
    }
}

/// The path of the selected checkpoint; by default the best, or the newest if none was evaluated.
///
/// # Errors
/// [`Usage`] if there is no such checkpoint; the message lists those there are.
pub fn select(run: &Path, from: Option<CheckpointSelector>) -> Result<PathBuf> {
    let listed = list(&run.join("checkpoints"))?;
    let newest = || listed.first().map(|listed| listed.path.clone());
    let found = match from {
        Some(CheckpointSelector::Step(step)) => {
            listed.iter().find(|listed| listed.step == step).map(|listed| listed.path.clone())
        }
        Some(CheckpointSelector::Best) => best(run),
        Some(CheckpointSelector::Newest) => newest(),
        None => best(run).or_else(newest),
    };
    match found {
        Some(path) => Ok(path),
        None if listed.is_empty() => bail!(Usage(format!("{}: no checkpoint was saved yet", run.display()))),
        None => {
            bail!(Usage(format!(
                "{}: no such checkpoint; there are checkpoints at steps {}",
                run.display(),
                steps(&listed)
            )))
        }
    }
}

/// The steps of checkpoints, for a message.
pub fn steps(listed: &[CheckpointEntry]) -> String {
    listed.iter().map(|listed| listed.step.to_string()).collect::<Vec<_>>().join(", ")
}
