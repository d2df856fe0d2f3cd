//! Third-party readers panic on some malformed files; here a panic is an error with the file's name.

use std::fmt::Display;
use std::path::Path;

use anyhow::{Result, bail};

use crate::Usage;
use crate::panics::catch;

/// Limit on the message of an error, in characters.
const MAX_REASON: usize = 200;

/// Runs a third-party reader on a user's file. `failure` says what could not be done: "malformed".
///
/// # Errors
/// [`Usage`] that begins with path and `failure`: the work's own error, or a panic in it.
pub(super) fn guarded<T, E: Display>(path: &Path, failure: &str, work: impl FnOnce() -> Result<T, E>) -> Result<T> {
    match catch(work) {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => {
            // Some errors quote all of the bytes that they are about.
            let reason: String = error.to_string().chars().take(MAX_REASON).collect();
            bail!(Usage(format!("{}: {failure}: {reason}", path.display())))
        }
        Err(_) => bail!(Usage(format!("{}: {failure}: the file is corrupt", path.display()))),
    }
}
