//! What a rank knows of the others beside its operations with them, and what it has done so far.

use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::DistributedError;
use super::meter::Meter;
use super::store::Store;

/// How long after an operation has failed a process is looked for that has ended.
const PARTING: Duration = Duration::from_secs(1);

/// Looks for a rank that has ended, and says which and why.
pub type Ended = Box<dyn Fn() -> Option<String> + Send + Sync>;

/// The other ranks, shared by the threads of this one.
pub struct Others {
    pub store: Store,
    pub ended: Option<Ended>,
    pub meter: Meter,
    /// Ranks of which nothing was heard lately, as words; empty if there are none.
    pub silent: Mutex<String>,
}

impl Others {
    /// Whether all ranks are there, as far as they say so themselves.
    ///
    /// # Errors
    /// The reason of a rank that has failed, the process that has ended, or that the store is gone.
    pub fn check(&self) -> Result<(), DistributedError> {
        match self.store.failure() {
            Ok(Some(why)) => return Err(DistributedError(why)),
            Ok(None) => {}
            Err(error) => return Err(DistributedError(format!("the store of the ranks is gone: {error}"))),
        }
        self.ended().map_or(Ok(()), Err)
    }

    /// The error of an operation, with what a rank has said before it went.
    pub fn explain(&self, error: &str) -> DistributedError {
        // It may be the one that has the store.
        self.store.hurry();
        if let Ok(Some(why)) = self.store.failure() {
            return DistributedError(why);
        }
        // A process may be gone from the network before the system says so.
        let begin = Instant::now();
        while self.ended.is_some() && begin.elapsed() < PARTING {
            if let Some(ended) = self.ended() {
                return ended;
            }
            thread::sleep(Duration::from_millis(10));
        }
        let silent = self.silent.lock().unwrap_or_else(PoisonError::into_inner);
        let silent = if silent.is_empty() { String::new() } else { format!("; {silent}") };
        DistributedError(format!("another rank is gone or does not answer: {}{silent}", without_place(error)))
    }

    fn ended(&self) -> Option<DistributedError> {
        let ended = self.ended.as_ref()?()?;
        Some(DistributedError(format!("another rank is gone: {ended}")))
    }
}

/// The first line of a message of Gloo, without the place in its source.
pub(super) fn without_place(text: &str) -> &str {
    let line = text.lines().next().unwrap_or_default();
    let line = line.strip_prefix("Gloo connectFullMesh failed with ").unwrap_or(line);
    line.strip_prefix('[').and_then(|rest| rest.split_once("] ")).map_or(line, |(_, said)| said)
}
