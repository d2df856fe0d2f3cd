//! Starts a trainer on a thread of its own and carries events and commands between it and a front end.
//!
//! It knows neither torch nor the terminal. Events reach the run's file first and the front end second, and the second
//! way never makes the trainer wait: what did not fit the queue of a front end that stood still is read from the file.

use std::fmt;
use std::io;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, mpsc};
use std::thread::JoinHandle;

use anyhow::{Result, anyhow};
use tokio::sync::mpsc as events;
use tokio::sync::mpsc::error::TryRecvError;

use crate::protocol::{Command, Event};
use crate::runs::{EventLog, EventRange};

/// Events that may wait for a front end: at some 200 bytes each, a few MB for one that stands still.
const WAITING: usize = 16_384;

/// A trainer at work, seen from the front end.
pub struct Session {
    events: events::Receiver<Sent>,
    commands: mpsc::Sender<Command>,
    log: Option<PathBuf>,
    /// Bytes of the file whose events were handed on.
    handed_on: u64,
    /// Events that did not fit the queue, and the one after them.
    missed: Option<(EventRange, Option<Sent>)>,
    thread: JoinHandle<Result<()>>,
}

/// An event and the bytes of the run's file it takes.
type Sent = (Range<u64>, Event);

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
    log: Arc<Mutex<Option<EventLog>>>,
    events: events::Sender<Sent>,
}

impl Session {
    /// Starts `run` on a thread named `trainer`. An error or a panic in it becomes [`Event::Failed`].
    pub fn spawn<F>(log: Option<EventLog>, run: F) -> io::Result<Session>
    where
        F: FnOnce(&Port) -> Result<()> + Send + 'static,
    {
        let (event_sender, event_receiver) = events::channel(WAITING);
        let (command_sender, command_receiver) = mpsc::channel();
        let path = log.as_ref().map(|log| log.path().to_owned());
        let handed_on = log.as_ref().map_or(0, EventLog::length);
        let emitter = Emitter { log: Arc::new(Mutex::new(log)), events: event_sender };
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
        Ok(Session { events: event_receiver, commands: command_sender, log: path, handed_on, missed: None, thread })
    }

    /// Sends an order; one that comes after the trainer's end is of no consequence.
    pub fn send(&self, command: Command) {
        let _ = self.commands.send(command);
    }

    /// The next event, in order and without a gap; `None` when the trainer and the sampler have ended. Dropping the
    /// future loses nothing.
    pub async fn next(&mut self) -> Option<Event> {
        if let Some(event) = self.next_missed() {
            return Some(event);
        }
        let sent = self.events.recv().await;
        self.hand_on(sent)
    }

    /// The next event if there is one already.
    pub fn try_next(&mut self) -> Option<Event> {
        if let Some(event) = self.next_missed() {
            return Some(event);
        }
        match self.events.try_recv() {
            Ok(sent) => self.hand_on(Some(sent)),
            Err(TryRecvError::Empty) => None,
            Err(TryRecvError::Disconnected) => self.hand_on(None),
        }
    }

    /// As [`Session::next`], outside of asynchronous code.
    pub fn blocking_next(&mut self) -> Option<Event> {
        if let Some(event) = self.next_missed() {
            return Some(event);
        }
        let sent = self.events.blocking_recv();
        self.hand_on(sent)
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

    /// What came out of the queue, unless something before it did not fit: then the first of that.
    fn hand_on(&mut self, sent: Option<Sent>) -> Option<Event> {
        let start = match (&sent, &self.log) {
            (Some((bytes, _)), _) => bytes.start,
            // The queue's end: the last events may not have fitted.
            (None, Some(path)) => path.metadata().map_or(self.handed_on, |metadata| metadata.len()),
            (None, None) => return None,
        };
        if start > self.handed_on
            && let Some(path) = &self.log
            && let Ok(missed) = EventRange::open(path, self.handed_on..start)
        {
            self.handed_on = start;
            self.missed = Some((missed, sent));
            return self.next_missed();
        }
        let (bytes, event) = sent?;
        self.handed_on = bytes.end;
        Some(event)
    }

    fn next_missed(&mut self) -> Option<Event> {
        let (missed, after) = self.missed.as_mut()?;
        if let Some(event) = missed.next() {
            return Some(event);
        }
        let after = after.take();
        self.missed = None;
        let (bytes, event) = after?;
        self.handed_on = bytes.end;
        Some(event)
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
        // Held until it is sent, so that the queue has the order of the file.
        let mut log = self.log.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let bytes = log.as_mut().map_or(0..0, |log| log.append(&event));
        // One that does not fit is in the file; a front end that is gone needs none.
        let _ = self.events.try_send((bytes, event));
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
    use crate::runs::read_events;

    #[test]
    fn a_panic_becomes_a_failed_event() {
        let mut session = Session::spawn(None, |_| panic!("boom")).unwrap();
        let Some(Event::Failed { error, .. }) = session.blocking_next() else { panic!("no event") };
        assert!(error.contains("boom"), "{error}");
        assert!(session.blocking_next().is_none());
        assert!(session.join().unwrap_err().to_string().contains("boom"));
    }

    #[test]
    fn a_failure_names_its_checkpoint() {
        let failure = || Interrupted { error: "NaN".into(), checkpoint: "here".into() };
        let mut session = Session::spawn(None, move |_| Err(failure().into())).unwrap();
        let expected = Event::Failed { error: "NaN".into(), checkpoint: Some("here".into()) };
        assert_eq!(session.blocking_next(), Some(expected));
    }

    #[test]
    fn a_full_queue_blocks_no_trainer_and_loses_no_event() {
        const MANY: usize = WAITING + 5;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("events.jsonl");
        // An earlier part of the run is not told again.
        EventLog::open(&path).unwrap().append(&Event::info("before"));
        let log = EventLog::open(&path).unwrap();
        let mut session = Session::spawn(Some(log), |port| {
            assert_eq!(port.wait(), Some(Command::Resume));
            (0..MANY).for_each(|number| port.emit(Event::info(number.to_string())));
            // Said when there is room again.
            assert_eq!(port.wait(), Some(Command::Pause));
            port.emit(Event::Phase { phase: Phase::Paused });
            (0..MANY).for_each(|number| port.emit(Event::info(number.to_string())));
            Ok(())
        })
        .unwrap();
        session.send(Command::Resume);
        let number = |number: usize| Event::info(number.to_string());
        assert_eq!(session.blocking_next(), Some(number(0)));
        // Nothing else is read before all have been written, so some cannot have fitted.
        while read_events(&path).unwrap().len() <= MANY {
            std::thread::yield_now();
        }
        for expected in 1..WAITING {
            assert_eq!(session.blocking_next(), Some(number(expected)));
        }
        session.send(Command::Pause);
        for expected in WAITING..MANY {
            assert_eq!(session.blocking_next(), Some(number(expected)));
        }
        assert_eq!(session.blocking_next(), Some(Event::Phase { phase: Phase::Paused }));
        while !session.thread.is_finished() {
            std::thread::yield_now();
        }
        for expected in 0..MANY {
            assert_eq!(session.blocking_next(), Some(number(expected)));
        }
        assert_eq!(session.blocking_next(), None);
        session.join().unwrap();
    }
}
