//! File locks of the queue, which the system releases when their process ends.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

/// How long another process may change the queue, and how often that is checked.
const PATIENCE: Duration = Duration::from_secs(5);
const LOOK: Duration = Duration::from_millis(5);

/// Locks the queue, and creates its folder before.
///
/// # Errors
/// The folder cannot be written, or another process holds the lock for seconds.
pub(super) fn queue(folder: &Path) -> Result<File> {
    fs::create_dir_all(folder)
        .with_context(|| format!("{}: cannot create the folder of the queue", folder.display()))?;
    take(&folder.join("lock"))
}

/// Claims an entry for this process.
///
/// # Errors
/// As for [`queue`].
pub(super) fn claim(folder: &Path, id: u64) -> Result<File> {
    take(&claim_path(folder, id))
}

/// Whether a process holds the claim of an entry.
pub(super) fn is_claimed(folder: &Path, id: u64) -> bool {
    let held = |file: File| matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock));
    File::open(claim_path(folder, id)).is_ok_and(held)
}

/// Removes what is left of the claim of an entry that is no longer claimed.
pub(super) fn remove_claim(folder: &Path, id: u64) {
    // It may be gone.
    let _ = fs::remove_file(claim_path(folder, id));
}

fn claim_path(folder: &Path, id: u64) -> PathBuf {
    folder.join(format!("{id}.claim"))
}

/// Waits for a lock. Checking one holds it for a moment.
fn take(path: &Path) -> Result<File> {
    let file = OpenOptions::new().create(true).append(true).open(path);
    let file = file.with_context(|| format!("{}: cannot lock the queue", path.display()))?;
    let start = Instant::now();
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) if start.elapsed() < PATIENCE => thread::sleep(LOOK),
            Err(TryLockError::WouldBlock) => bail!("{}: another process is changing the queue", path.display()),
            Err(TryLockError::Error(error)) => {
                return Err(error).with_context(|| format!("{}: cannot lock the queue", path.display()));
            }
        }
    }
}
