//! Who waits for an export: is told how far it is, and may call it off.

use std::error::Error;
use std::fmt;
use std::sync::atomic::{AtomicU8, Ordering};

use crate::protocol::Progress;

/// Nothing was written yet, something is being written, it was called off.
const READING: u8 = 0;
const WRITING: u8 = 1;
const OFF: u8 = 2;

/// Who waits for an export.
#[derive(Clone, Copy)]
pub struct Cancellation<'a> {
    /// Is told how far it is.
    pub told: &'a dyn Fn(Progress),
    /// Calls it off.
    pub stop: &'a Stop,
}

/// Calls an export off, from any thread.
#[derive(Debug, Default)]
pub struct Stop(AtomicU8);

/// The error of an export that was called off; nothing of it is left.
#[derive(Debug, PartialEq, Eq)]
pub struct Cancelled;

impl fmt::Display for Cancelled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("called off, and nothing was written")
    }
}

impl Error for Cancelled {}

impl Stop {
    /// Calls it off. Whether something was being written already: that is removed in a moment, which is worth to wait for.
    /// Otherwise nothing will ever be written.
    pub fn cancel(&self) -> bool {
        self.0.swap(OFF, Ordering::SeqCst) == WRITING
    }

    /// Says that something is written from now on.
    ///
    /// # Errors
    /// [`Cancelled`]
    pub fn begin(&self) -> Result<(), Cancelled> {
        match self.0.compare_exchange(READING, WRITING, Ordering::SeqCst, Ordering::SeqCst) {
            Err(OFF) => Err(Cancelled),
            _ => Ok(()),
        }
    }

    /// Whether to go on.
    ///
    /// # Errors
    /// [`Cancelled`]
    pub fn check(&self) -> Result<(), Cancelled> {
        if self.0.load(Ordering::SeqCst) == OFF { Err(Cancelled) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_called_off_is_never_begun() {
        let stop = Stop::default();
        assert_eq!((stop.check(), stop.cancel()), (Ok(()), false));
        assert_eq!((stop.begin(), stop.check()), (Err(Cancelled), Err(Cancelled)));
        let stop = Stop::default();
        assert_eq!((stop.begin(), stop.begin(), stop.cancel(), stop.check()), (Ok(()), Ok(()), true, Err(Cancelled)));
    }
}
