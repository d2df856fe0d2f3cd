//! Starts a trainer on a thread of its own and carries events and commands between it and a front end.
//!
//! It knows neither torch nor the terminal. Events reach the run's file first and the front end second, and the second
//! way never makes the trainer wait: a front end that was stopped finds in the file what it missed.

use std::fmt;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::thread::JoinHandle;

use anyhow::{Result, anyhow};
use tokio::sync::mpsc as events;

use crate::protocol::{Command, Event};
use crate::runs::EventLog;

/// Events that may wait for a front end: at some 200 bytes each, a few MB for one that stands still.
const WAITING: usize = 16_384;

/// A trainer at work, seen from the front end.
pub struct Session {
    /// Facts, in order. Ends when the trainer and the sampler have.
    pub events: events::Receiver<Event>,
    commands: mpsc::Sender<Command>,
    missed: Arc<AtomicU64>,
    thread: JoinHandle<Result<()>>,
}

/// A failure of a run that left a checkpoint to go back to.
#[derive(Debug)]
pub struct Interrupted {
    /// What went wrong.
    pub error: String,
    /// The latest checkpoint.
    pub checkpoint: PathBuf,
}

impl fmt::Display for Interrupted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.error)
    }
}

impl std::error::Error for Interrupted {}

/// The trainer's end.
pub struct Port {
    emitter: Emitter,
    commands: mpsc::Receiver<Command>,
}

/// Writes events down and passes them on. Clones share one file, so lines never mix.
#[derive(Clone)]
pub struct Emitter {
    log: Option<Arc<Mutex<EventLog>>>,
    events: events::Sender<Event>,
    missed: Arc<AtomicU64>,
}

impl Session {
    /// Starts `run` on a thread named `trainer`. An error or a panic in it becomes [`Event::Failed`].
    pub fn spawn<F>(log: Option<EventLog>, run: F) -> io::Result<Session>
    where
        F: FnOnce(&Port) -> Result<()> + Send + 'static,
    {
        let (event_sender, event_receiver) = events::channel(WAITING);
        let (command_sender, command_receiver) = mpsc::channel();
        let missed = Arc::new(AtomicU64::new(0));
        let emitter =
            Emitter { log: log.map(|log| Arc::new(Mutex::new(log))), events: event_sender, missed: missed.clone() };
        let port = Port { emitter, commands: command_receiver };
        let thread = std::thread::Builder::new().name("trainer".into()).spawn(move || {
            let outcome = match catch_unwind(AssertUnwindSafe(|| run(&port))) {
                Ok(outcome) => outcome,
                Err(panic) => Err(anyhow!("the trainer panicked: {}; please report this", panic_message(&*panic))),
            };
            if let Err(error) = &outcome {
                let checkpoint = error.downcast_ref::<Interrupted>().map(|interrupted| interrupted.checkpoint.clone());
                port.emit(Event::Failed { error: format!("{error:#}"), checkpoint });
            }
            outcome
        })?;
        Ok(Session { events: event_receiver, commands: command_sender, missed, thread })
    }

    /// Sends an order; one that comes after the trainer's end is of no consequence.
    pub fn send(&self, command: Command) {
        let _ = self.commands.send(command);
    }

    /// Events that did not fit the queue since the last call. They are in the run's file.
    pub fn take_missed(&self) -> u64 {
        self.missed.swap(0, Ordering::Relaxed)
    }

    /// Waits for the trainer to end.
    ///
    /// # Errors
    /// The trainer's own; a [`Usage`](crate::Usage) is still one.
    pub fn join(self) -> Result<()> {
        // What holds it up may be an order that will not come any more.
        drop((self.events, self.commands));
        // Its panic was already turned into an error.
        self.thread.join().unwrap_or(Ok(()))
    }
}

impl Port {
    /// Tells a fact.
    pub fn emit(&self, event: Event) {
        self.emitter.emit(event);
    }

    /// For a second source of events, such as the system sampler.
    pub fn emitter(&self) -> Emitter {
        self.emitter.clone()
    }

    /// The next order, if one waits. A front end that went away is not an order: the run goes on.
    pub fn command(&self) -> Option<Command> {
        self.commands.try_recv().ok()
    }

    /// Sleeps until an order comes. `None` when no front end is left to give one.
    pub fn wait(&self) -> Option<Command> {
        self.commands.recv().ok()
    }
}

impl Emitter {
    /// Writes the event to the run's file, then offers it to the front end without waiting.
    pub fn emit(&self, event: Event) {
        if let Some(log) = &self.log {
            let mut log = log.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
            log.append(&event);
        }
        if self.events.try_send(event).is_err() {
            self.missed.fetch_add(1, Ordering::Relaxed);
        }
    }
}

fn panic_message(panic: &(dyn std::any::Any + Send)) -> &str {
    panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no message")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::Phase;

    #[test]
    fn a_panic_becomes_a_failed_event() {
        let mut session = Session::spawn(None, |_| panic!("boom")).unwrap();
        let Some(Event::Failed { error, .. }) = session.events.blocking_recv() else { panic!("no event") };
        assert!(error.contains("boom"), "{error}");
        assert!(session.events.blocking_recv().is_none());
    }

    #[test]
    fn orders_arrive_and_a_full_queue_never_blocks_the_trainer() {
        let mut session = Session::spawn(None, |port| {
            assert_eq!(port.wait(), Some(Command::Resume));
            for _ in 0..WAITING + 5 {
                port.emit(Event::Phase { phase: Phase::Training });
            }
            Ok(())
        })
        .unwrap();
        session.send(Command::Resume);
        // Nothing is read before the trainer has ended, so five events cannot have fitted.
        while !session.thread.is_finished() {
            std::thread::yield_now();
        }
        assert_eq!(session.take_missed(), 5);
        let mut seen = 0;
        while session.events.blocking_recv().is_some() {
            seen += 1;
        }
        assert_eq!(seen, WAITING);
        session.join().unwrap();
    }
}
