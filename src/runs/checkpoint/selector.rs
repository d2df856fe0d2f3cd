//! Which checkpoint of a run: the newest, the best, or that of a step.

use std::path::{Path, PathBuf};
use std::str::FromStr;

use anyhow::{Result, bail};

use super::list::{CheckpointEntry, best, list};
use crate::Usage;

/// Which of a run's checkpoints.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CheckpointSelector {
    /// The newest good one. A run that has none yet begins from the start.
    Newest,
    /// That of the best evaluation.
    Best,
    /// That of this step.
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

/// The checkpoint of a run that is asked for. What a run came to is its best, or its newest where none was evaluated.
///
/// # Errors
/// [`Usage`] if it is not there, with what is.
pub fn wanted(run: &Path, from: Option<CheckpointSelector>) -> Result<PathBuf> {
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
        None if listed.is_empty() => bail!(Usage(format!("{}: no checkpoint was written yet", run.display()))),
        None => {
            bail!(Usage(format!("{}: no such checkpoint; there are those of steps {}", run.display(), steps(&listed))))
        }
    }
}

/// Their steps, for a message.
pub fn steps(listed: &[CheckpointEntry]) -> String {
    listed.iter().map(|listed| listed.step.to_string()).collect::<Vec<_>>().join(", ")
}
