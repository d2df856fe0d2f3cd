//! Pins: a pinned checkpoint is never pruned.

use std::fs::{self, File};
use std::io::ErrorKind;
use std::path::Path;

use anyhow::{Context, Result, bail};

use crate::Usage;

/// A file of this name in a checkpoint's folder protects it from pruning.
const PIN: &str = "pinned";

pub fn is_pinned(checkpoint: &Path) -> bool {
    checkpoint.join(PIN).exists()
}

/// Pins a checkpoint, also of a run under way: a checkpoint that is being removed comes back, or this fails.
///
/// # Errors
/// [`Usage`] if it no longer exists; the disk cannot be written.
pub fn pin(checkpoint: &Path) -> Result<()> {
    let written = File::create(checkpoint.join(PIN)).and_then(|pin| pin.sync_all());
    outcome(checkpoint, written.and_then(|()| File::open(checkpoint)?.sync_all()), "pinned")
}

/// Unpins a checkpoint. The run may prune it when it next writes one.
///
/// # Errors
/// [`Usage`] if it no longer exists; the disk cannot be written.
pub fn unpin(checkpoint: &Path) -> Result<()> {
    let removed = match fs::remove_file(checkpoint.join(PIN)) {
        Err(error) if error.kind() == ErrorKind::NotFound && checkpoint.is_dir() => Ok(()),
        removed => removed,
    };
    outcome(checkpoint, removed, "unpinned")
}

fn outcome(checkpoint: &Path, outcome: std::io::Result<()>, what: &str) -> Result<()> {
    match outcome {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            bail!(Usage(format!("{}: no such checkpoint", checkpoint.display())))
        }
        outcome => outcome.with_context(|| format!("{}: cannot be {what}", checkpoint.display())),
    }
}
