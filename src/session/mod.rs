//! Starts a trainer on its own thread and carries events and commands between it and a front end.
//!
//! It knows neither torch nor the terminal. Events are written to the run's file first and queued for the front end
//! second. The queue never blocks the trainer: events that do not fit are read from the file later.

mod tap;
#[cfg(test)]
mod tests;

use std::fmt;
use std::io;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, Weak, mpsc};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::Result;
use tokio::sync::OwnedSemaphorePermit;
use tokio::sync::broadcast;
use tokio::sync::mpsc as events;
use tokio::sync::mpsc::error::TryRecvError;
use tracing::info;

use crate::panics::catch_panic;
use crate::protocol::{Command, Event};
use crate::runs::{EventLog, EventRange};
pub use tap::{Tap, TapEvent};

/// Capacity of the queue of events: a few MB at 200 bytes each.
const EVENTS: usize = 16_384;

/// Capacity of the queue of a tap, in small notes about the file.
const TAPPED: usize = 1024;

/// A running trainer, seen from the front end. Dropping it, also when the front end panics, stops the trainer with a
/// checkpoint and waits for that.
pub struct Session {
    events: events::Receiver<SentEvent>,
    commands: Option<Arc<mpsc::Sender<QueuedCommand>>>,
    log: SharedLog,
    /// Bytes of the file whose events were delivered; `None` before the first write.
    delivered: Option<u64>,
    missed: Option<Missed>,
    detached: Arc<AtomicBool>,
    /// `None` once it was joined.
    thread: Option<JoinHandle<Result<()>>>,
}

/// An event and its bytes in the run's file.
struct SentEvent {
    bytes: Range<u64>,
    event: Event,
}

/// Events that did not fit the queue, and the one after them.
struct Missed {
    events: EventRange,
    after: Option<SentEvent>,
}

/// The run's file, once it is open.
type SharedLog = Arc<Mutex<Option<EventLog>>>;

/// A command. One from a tap holds its place in the queue until it is taken.
struct QueuedCommand {
    command: Command,
    _place: Option<OwnedSemaphorePermit>,
}

/// A failure of a run that has a checkpoint to resume from.
#[derive(Debug)]
pub struct Interrupted {
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

/// The trainer's side of a session.
pub struct Port {
    emitter: Emitter,
    commands: mpsc::Receiver<QueuedCommand>,
    /// For taps, which must not keep the queue open.
    sender: Weak<mpsc::Sender<QueuedCommand>>,
    detached: Arc<AtomicBool>,
}

/// Writes events to the file and queues them. Clones share one file, so lines never mix.
#[derive(Clone)]
pub struct Emitter {
    log: SharedLog,
    events: events::Sender<SentEvent>,
    taps: broadcast::Sender<TapEvent>,
}

impl Session {
    /// Starts `run` on a thread named `trainer`. Its errors and panics become [`Event::Failed`]. Without a log, events are
    /// only queued until [`Port::write_to`].
    pub fn spawn<F>(log: Option<EventLog>, run: F) -> io::Result<Session>
    where
        F: FnOnce(&Port) -> Result<()> + Send + 'static,
    {
        let (event_sender, event_receiver) = events::channel(EVENTS);
        let (command_sender, command_receiver) = mpsc::channel();
        let log = Arc::new(Mutex::new(log));
        let emitter = Emitter { log: log.clone(), events: event_sender, taps: broadcast::Sender::new(TAPPED) };
        let (commands, detached) = (Arc::new(command_sender), Arc::<AtomicBool>::default());
        let sender = Arc::downgrade(&commands);
        let port = Port { emitter, commands: command_receiver, sender, detached: detached.clone() };
        let thread = std::thread::Builder::new().name("trainer".into()).spawn(move || {
            let outcome = catch_panic(|| run(&port));
            if let Err(error) = &outcome {
                let checkpoint = error.downcast_ref::<Interrupted>().map(|interrupted| interrupted.checkpoint.clone());
                port.emit(Event::Failed { error: format!("{error:#}"), checkpoint });
            }
            outcome
        })?;
        let (commands, thread) = (Some(commands), Some(thread));
        Ok(Session { events: event_receiver, commands, log, delivered: None, missed: None, detached, thread })
    }

    /// Delivers all events of the file first: those from before a resume.
    pub fn with_history(mut self) -> Session {
        self.delivered = Some(0);
        self
    }

    /// Sends a command. After the end of the trainer it has no effect.
    pub fn send(&self, command: Command) {
        let _ = self.commands.as_ref().map(|commands| commands.send(QueuedCommand { command, _place: None }));
    }

    /// Announces that another process resumes the run once it has stopped here. Taps pass that on to viewers.
    pub fn detach(&self) {
        info!("the run is detached");
        self.detached.store(true, Ordering::SeqCst);
    }

    /// The next event, in order and without gaps; `None` once the trainer and the sampler have ended. Cancel-safe.
    pub async fn next(&mut self) -> Option<Event> {
        if let Some(event) = self.next_missed() {
            return Some(event);
        }
        let sent = self.events.recv().await;
        self.catch_up(sent)
    }

    /// The next event, if there is one already.
    pub fn try_next(&mut self) -> Option<Event> {
        if let Some(event) = self.next_missed() {
            return Some(event);
        }
        match self.events.try_recv() {
            Ok(sent) => self.catch_up(Some(sent)),
            Err(TryRecvError::Empty) => None,
            Err(TryRecvError::Disconnected) => self.catch_up(None),
        }
    }

    /// As [`Session::next`], for synchronous code.
    pub fn blocking_next(&mut self) -> Option<Event> {
        if let Some(event) = self.next_missed() {
            return Some(event);
        }
        let sent = self.events.blocking_recv();
        self.catch_up(sent)
    }

    /// Whether the latest event was read from the file.
    pub fn is_behind(&self) -> bool {
        self.missed.is_some()
    }

    /// Waits for the trainer to end.
    ///
    /// # Errors
    /// Those of the trainer; a [`Usage`](crate::Usage) stays one.
    pub fn join(mut self) -> Result<()> {
        // A trainer that waits for a command must not wait forever.
        self.commands = None;
        // A panic was turned into an error already.
        self.thread.take().map_or(Ok(()), |thread| thread.join().unwrap_or(Ok(())))
    }

    /// Delivers what came out of the queue, after the events before it that did not fit.
    fn catch_up(&mut self, sent: Option<SentEvent>) -> Option<Event> {
        let missed = {
            let log = self.log.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
            log.as_ref().and_then(|log| {
                let from = *self.delivered.get_or_insert(log.opened_at());
                // At the end of the queue the last events may not have fitted.
                let to = sent.as_ref().map_or(log.length(), |sent| sent.bytes.start);
                (to > from).then(|| (log.path().to_owned(), from..to))
            })
        };
        if let Some((path, bytes)) = missed
            && let Ok(events) = EventRange::open(&path, bytes.clone())
        {
            self.delivered = Some(bytes.end);
            self.missed = Some(Missed { events, after: sent });
            return self.next_missed();
        }
        self.deliver(sent)
    }

    fn deliver(&mut self, sent: Option<SentEvent>) -> Option<Event> {
        let SentEvent { bytes, event } = sent?;
        // Events from before there was a file have no bytes in it.
        self.delivered = self.delivered.map(|before| before.max(bytes.end));
        Some(event)
    }

    fn next_missed(&mut self) -> Option<Event> {
        let missed = self.missed.as_mut()?;
        if let Some(event) = missed.events.next() {
            return Some(event);
        }
        let after = missed.after.take();
        self.missed = None;
        self.deliver(after)
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        if let Some(thread) = self.thread.take() {
            self.send(Command::Stop { save: true });
            self.commands = None;
            let _ = thread.join();
        }
    }
}

impl Port {
    /// As [`Emitter::emit`].
    pub fn emit(&self, event: Event) {
        self.emitter.emit(event);
    }

    /// Appends all further events to this file.
    pub fn write_to(&self, log: EventLog) {
        *self.emitter.lock() = Some(log);
    }

    /// An emitter for a second source of events, such as the system sampler.
    pub fn emitter(&self) -> Emitter {
        self.emitter.clone()
    }

    /// The next command, if one waits. The run continues when the front end is gone.
    pub fn command(&self) -> Option<Command> {
        self.commands.try_recv().ok().map(|queued| queued.command)
    }

    /// Waits for a command; `None` when no front end is left.
    pub fn wait(&self) -> Option<Command> {
        self.commands.recv().ok().map(|queued| queued.command)
    }

    /// The next command, if one comes in this time. `None` when no front end is left.
    pub fn wait_for(&self, time: Duration) -> Option<Option<Command>> {
        match self.commands.recv_timeout(time) {
            Ok(queued) => Some(Some(queued.command)),
            Err(mpsc::RecvTimeoutError::Timeout) => Some(None),
            Err(mpsc::RecvTimeoutError::Disconnected) => None,
        }
    }

    /// A second connection to this trainer.
    pub fn tap(&self) -> Tap {
        let Port { emitter, sender, detached, .. } = self;
        Tap::new(emitter.taps.subscribe(), emitter.log.clone(), sender.clone(), detached.clone())
    }
}

impl Emitter {
    /// Writes the event to the run's file, then queues it without blocking.
    pub fn emit(&self, event: Event) {
        // Locked until the event is queued, so that the queue has the order of the file.
        let mut log = self.lock();
        let bytes = log.as_mut().map_or(0..0, |log| log.append(&event));
        if self.taps.receiver_count() > 0 {
            let note = if bytes.is_empty() {
                TapEvent::Unwritten(Arc::new(event.clone()))
            } else {
                TapEvent::Written(bytes.end)
            };
            let _ = self.taps.send(note);
        }
        // An event that does not fit is read from the file; a front end that is gone needs none.
        let _ = self.events.try_send(SentEvent { bytes, event });
    }

    /// Length of the run's file in bytes.
    pub fn written(&self) -> u64 {
        self.lock().as_ref().map_or(0, EventLog::length)
    }

    /// Syncs the file to disk. Others may write meanwhile.
    pub fn sync(&self) -> io::Result<()> {
        let handle = self.lock().as_ref().map(EventLog::handle);
        handle.transpose()?.map_or(Ok(()), |file| file.sync_data())
    }

    fn lock(&self) -> MutexGuard<'_, Option<EventLog>> {
        self.log.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}
