//! Changes to runs on disk: names, tags, pinned checkpoints, the trash.

use std::path::{Path, PathBuf};

use anyhow::Result;

use super::checkpoint::{self, CheckpointSelector, select};
use super::tags::write_tags;
use super::trash::{move_to_trash, rename};

/// A change to one or more run folders.
#[derive(Clone, Debug, PartialEq)]
pub enum RunEdit {
    Rename {
        run: PathBuf,
        name: String,
    },
    /// Replace the tags of each run.
    Tag {
        runs: Vec<PathBuf>,
        tags: Vec<String>,
    },
    /// Keep the checkpoint of a step whatever the checkpoint policy says.
    Pin {
        run: PathBuf,
        step: u64,
    },
    /// Leave the checkpoint of a step to the checkpoint policy again.
    Unpin {
        run: PathBuf,
        step: u64,
    },
    MoveToTrash(Vec<PathBuf>),
}

impl RunEdit {
    /// Makes the change. Each result is a sentence about what was done.
    pub fn apply(&self) -> Vec<Result<String>> {
        match self {
            RunEdit::Rename { run, name } => {
                vec![rename(run, name).map(|path| format!("renamed to {}", path.display()))]
            }
            RunEdit::Tag { runs, tags } => {
                let written = runs.iter().try_for_each(|run| write_tags(run, tags));
                vec![written.map(|()| "tagged".to_owned())]
            }
            RunEdit::Pin { run, step } => vec![pin(run, *step)],
            RunEdit::Unpin { run, step } => vec![unpin(run, *step)],
            RunEdit::MoveToTrash(runs) => {
                let moved = |run: &PathBuf| move_to_trash(run).map(|to| format!("moved to {}", to.display()));
                runs.iter().map(moved).collect()
            }
        }
    }
}

fn pin(run: &Path, step: u64) -> Result<String> {
    checkpoint::pin(&select(run, Some(CheckpointSelector::Step(step)))?)?;
    Ok(format!("pinned the checkpoint at step {step}"))
}

fn unpin(run: &Path, step: u64) -> Result<String> {
    checkpoint::unpin(&select(run, Some(CheckpointSelector::Step(step)))?)?;
    Ok(format!("unpinned the checkpoint at step {step}"))
}
