//! A second connection to a trainer, for front ends in other processes.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, MutexGuard, Weak, mpsc};

use tokio::sync::Semaphore;
use tokio::sync::broadcast::{self, error::RecvError};

use super::{QueuedCommand, SharedLog};
use crate::protocol::{Command, Event};
use crate::runs::EventLog;

/// Limit of waiting commands from all taps together: their senders are not trusted.
const COMMANDS: usize = 64;

/// A second connection to a trainer. It never blocks the trainer and does not keep it alive.
pub struct Tap {
    notes: broadcast::Receiver<TapEvent>,
    log: SharedLog,
    commands: Weak<mpsc::Sender<QueuedCommand>>,
    places: Arc<Semaphore>,
    detached: Arc<AtomicBool>,
}

/// A note about an event.
#[derive(Clone, Debug)]
pub enum TapEvent {
    /// The run's file has whole events up to this byte.
    Written(u64),
    /// An event that is not in the file: there is none yet, or the disk is full.
    Unwritten(Arc<Event>),
}

impl Tap {
    pub(super) fn new(
        notes: broadcast::Receiver<TapEvent>,
        log: SharedLog,
        commands: Weak<mpsc::Sender<QueuedCommand>>,
        detached: Arc<AtomicBool>,
    ) -> Tap {
        Tap { notes, log, commands, places: Arc::new(Semaphore::new(COMMANDS)), detached }
    }

    /// Another tap of the same trainer, with notes from now on.
    pub fn another(&self) -> Tap {
        Tap {
            notes: self.notes.resubscribe(),
            log: self.log.clone(),
            commands: self.commands.clone(),
            places: self.places.clone(),
            detached: self.detached.clone(),
        }
    }

    /// Length of the run's file in bytes; `None` before it is open.
    pub fn written(&self) -> Option<u64> {
        self.log().as_ref().map(EventLog::length)
    }

    /// Length of the run's file when it was opened; `None` before that.
    pub fn opened_at(&self) -> Option<u64> {
        self.log().as_ref().map(EventLog::opened_at)
    }

    /// Whether another process resumes the run.
    pub fn is_detached(&self) -> bool {
        self.detached.load(Ordering::SeqCst)
    }

    /// The next note; `None` once the trainer has ended. A slow tap misses notes, and the next one covers them.
    /// Cancel-safe.
    pub async fn next(&mut self) -> Option<TapEvent> {
        loop {
            match self.notes.recv().await {
                Ok(note) => return Some(note),
                Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => return None,
            }
        }
    }

    /// Sends a command. `false` if too many are waiting, or if the trainer has ended.
    pub fn send(&self, command: Command) -> bool {
        let (Some(commands), Ok(place)) = (self.commands.upgrade(), self.places.clone().try_acquire_owned()) else {
            return false;
        };
        commands.send(QueuedCommand { command, _place: Some(place) }).is_ok()
    }

    fn log(&self) -> MutexGuard<'_, Option<EventLog>> {
        self.log.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}
