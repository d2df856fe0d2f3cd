//! Pins: a checkpoint that has one is kept whatever comes.

use std::fs::{self, File};
use std::io::ErrorKind;
use std::path::Path;

use anyhow::{Context, Result, bail};

use crate::Usage;

/// A file of this name in a checkpoint's folder keeps it from being removed.
const PIN: &str = "pinned";

/// Whether a checkpoint is pinned.
pub fn is_pinned(checkpoint: &Path) -> bool {
    checkpoint.join(PIN).exists()
}

/// Pins a checkpoint. Also of a run under way: one that is being removed comes back, or this fails.
///
/// # Errors
/// [`Usage`] if it is not there any more; a disk that cannot be written.
pub fn pin(checkpoint: &Path) -> Result<()> {
    let written = File::create(checkpoint.join(PIN)).and_then(|pin| pin.sync_all());
    outcome(checkpoint, written.and_then(|()| File::open(checkpoint)?.sync_all()), "pinned")
}

/// Takes a checkpoint's pin away, if it has one. It goes when the run next writes one, unless it is to be kept anyway.
///
/// # Errors
/// [`Usage`] if it is not there any more; a disk that cannot be written.
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
            bail!(Usage(format!("{}: it is not there any more", checkpoint.display())))
        }
        outcome => outcome.with_context(|| format!("{}: cannot be {what}", checkpoint.display())),
    }
}
