//! Progress and cancellation of an export.

use std::error::Error;
use std::fmt;
use std::sync::atomic::{AtomicU8, Ordering};

use crate::protocol::Progress;

/// States of a token: nothing written yet, something is being written, cancelled.
const READING: u8 = 0;
const WRITING: u8 = 1;
const CANCELLED: u8 = 2;

/// Progress and cancellation of an export.
#[derive(Clone, Copy)]
pub struct ExportControl<'a> {
    pub on_progress: &'a dyn Fn(Progress),
    pub cancel: &'a CancelToken,
}

/// Cancels an export from any thread.
#[derive(Debug, Default)]
pub struct CancelToken(AtomicU8);

/// The error of a cancelled export; nothing is left of it.
#[derive(Debug, PartialEq, Eq)]
pub struct Cancelled;

impl fmt::Display for Cancelled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("cancelled; nothing was written")
    }
}

impl Error for Cancelled {}

impl CancelToken {
    /// Cancels the export. Returns whether something was being written: it is removed in a moment, so wait for that.
    /// Otherwise nothing will be written.
    pub fn cancel(&self) -> bool {
        self.0.swap(CANCELLED, Ordering::SeqCst) == WRITING
    }

    /// Marks the start of writing.
    ///
    /// # Errors
    /// [`Cancelled`]
    pub fn begin(&self) -> Result<(), Cancelled> {
        match self.0.compare_exchange(READING, WRITING, Ordering::SeqCst, Ordering::SeqCst) {
            Err(CANCELLED) => Err(Cancelled),
            _ => Ok(()),
        }
    }

    /// Fails if the export was cancelled.
    ///
    /// # Errors
    /// [`Cancelled`]
    pub fn check(&self) -> Result<(), Cancelled> {
        if self.0.load(Ordering::SeqCst) == CANCELLED { Err(Cancelled) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cancelled_export_never_starts() {
        let stop = CancelToken::default();
        assert_eq!((stop.check(), stop.cancel()), (Ok(()), false));
        assert_eq!((stop.begin(), stop.check()), (Err(Cancelled), Err(Cancelled)));
        let stop = CancelToken::default();
        assert_eq!((stop.begin(), stop.begin(), stop.cancel(), stop.check()), (Ok(()), Ok(()), true, Err(Cancelled)));
    }
}
