//! Starts a trainer on a thread of its own and carries events and commands between it and a front end.
//!
//! It knows neither torch nor the terminal. Events reach the run's file first and the front end second, and the second
//! way never makes the trainer wait: what did not fit the queue of a front end that stood still is read from the file.

mod tap;

use std::fmt;
use std::io;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, Weak, mpsc};
use std::thread::JoinHandle;

use anyhow::Result;
use tokio::sync::OwnedSemaphorePermit;
use tokio::sync::broadcast;
use tokio::sync::mpsc as events;
use tokio::sync::mpsc::error::TryRecvError;

use crate::panics::catch_panic;
use crate::protocol::{Command, Event};
use crate::runs::{EventLog, EventRange};
pub use tap::{Tap, TapEvent};

/// Events that may wait for a front end: at some 200 bytes each, a few MB for one that stands still.
const WAITING: usize = 16_384;

/// What may wait for a tap, in small notes of what is in the file.
const TAPPED: usize = 1024;

/// A trainer at work, seen from the front end. A front end that falls over takes no run along: dropping this has the trainer
/// stop with a checkpoint, and waits for that.
pub struct Session {
    events: events::Receiver<Sent>,
    commands: Option<Arc<mpsc::Sender<Order>>>,
    log: SharedLog,
    /// Bytes of the file whose events were handed on; none as long as nothing was written.
    handed_on: Option<u64>,
    /// Events that did not fit the queue, and the one after them.
    missed: Option<(EventRange, Option<Sent>)>,
    left_behind: Arc<AtomicBool>,
    /// Until it is waited for.
    thread: Option<JoinHandle<Result<()>>>,
}

/// An event and the bytes of the run's file it takes.
type Sent = (Range<u64>, Event);

/// The run's file, once there is one to write to.
type SharedLog = Arc<Mutex<Option<EventLog>>>;

/// A command, and the place it takes among those that came by taps.
type Order = (Command, Option<OwnedSemaphorePermit>);

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
    commands: mpsc::Receiver<Order>,
    orders: Weak<mpsc::Sender<Order>>,
    left_behind: Arc<AtomicBool>,
}

/// Writes events down and passes them on. Clones share one file, so lines never mix.
#[derive(Clone)]
pub struct Emitter {
    log: SharedLog,
    events: events::Sender<Sent>,
    told: broadcast::Sender<TapEvent>,
}

impl Session {
    /// Starts `run` on a thread named `trainer`. An error or a panic in it becomes [`Event::Failed`]. Without a log events
    /// go to the front end alone, until the run has one ([`Port::write_to`]).
    pub fn spawn<F>(log: Option<EventLog>, run: F) -> io::Result<Session>
    where
        F: FnOnce(&Port) -> Result<()> + Send + 'static,
    {
        let (event_sender, event_receiver) = events::channel(WAITING);
        let (command_sender, command_receiver) = mpsc::channel();
        let log = Arc::new(Mutex::new(log));
        let emitter = Emitter { log: log.clone(), events: event_sender, told: broadcast::Sender::new(TAPPED) };
        let (commands, left_behind) = (Arc::new(command_sender), Arc::<AtomicBool>::default());
        let orders = Arc::downgrade(&commands);
        let port = Port { emitter, commands: command_receiver, orders, left_behind: left_behind.clone() };
        let thread = std::thread::Builder::new().name("trainer".into()).spawn(move || {
            let outcome = catch_panic(|| run(&port));
            if let Err(error) = &outcome {
                let checkpoint = error.downcast_ref::<Interrupted>().map(|interrupted| interrupted.checkpoint.clone());
                port.emit(Event::Failed { error: format!("{error:#}"), checkpoint });
            }
            outcome
        })?;
        let (commands, thread) = (Some(commands), Some(thread));
        Ok(Session { events: event_receiver, commands, log, handed_on: None, missed: None, left_behind, thread })
    }

    /// Has it tell all that is in the run's file first: what a run told before it was taken up again.
    pub fn with_history(mut self) -> Session {
        self.handed_on = Some(0);
        self
    }

    /// Sends an order; one that comes after the trainer's end is of no consequence.
    pub fn send(&self, command: Command) {
        let _ = self.commands.as_ref().map(|commands| commands.send((command, None)));
    }

    /// Says that another process takes the run up when it has been stopped here, so that taps can tell who listens.
    pub fn detach(&self) {
        self.left_behind.store(true, Ordering::SeqCst);
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
    pub fn join(mut self) -> Result<()> {
        // What holds it up may be an order that will not come any more.
        self.commands = None;
        // Its panic was already turned into an error.
        self.thread.take().map_or(Ok(()), |thread| thread.join().unwrap_or(Ok(())))
    }

    /// What came out of the queue, unless something before it did not fit: then the first of that.
    fn hand_on(&mut self, sent: Option<Sent>) -> Option<Event> {
        let missed = {
            let log = self.log.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
            log.as_ref().and_then(|log| {
                let from = *self.handed_on.get_or_insert(log.opened_at());
                // At the queue's end the last events may not have fitted.
                let to = sent.as_ref().map_or(log.length(), |(bytes, _)| bytes.start);
                (to > from).then(|| (log.path().to_owned(), from..to))
            })
        };
        if let Some((path, bytes)) = missed
            && let Ok(missed) = EventRange::open(&path, bytes.clone())
        {
            self.handed_on = Some(bytes.end);
            self.missed = Some((missed, sent));
            return self.next_missed();
        }
        self.hand_over(sent)
    }

    fn hand_over(&mut self, sent: Option<Sent>) -> Option<Event> {
        let (bytes, event) = sent?;
        // What was told before there was a file takes no bytes of it.
        self.handed_on = self.handed_on.map(|before| before.max(bytes.end));
        Some(event)
    }

    fn next_missed(&mut self) -> Option<Event> {
        let (missed, after) = self.missed.as_mut()?;
        if let Some(event) = missed.next() {
            return Some(event);
        }
        let after = after.take();
        self.missed = None;
        self.hand_over(after)
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
    /// Tells a fact.
    pub fn emit(&self, event: Event) {
        self.emitter.emit(event);
    }

    /// Has events written down from here on, at the end of this file.
    pub fn write_to(&self, log: EventLog) {
        *self.emitter.lock() = Some(log);
    }

    /// For a second source of events, such as the system sampler.
    pub fn emitter(&self) -> Emitter {
        self.emitter.clone()
    }

    /// The next order, if one waits. A front end that went away is not an order: the run goes on.
    pub fn command(&self) -> Option<Command> {
        self.commands.try_recv().ok().map(|(command, _)| command)
    }

    /// Sleeps until an order comes. `None` when no front end is left to give one.
    pub fn wait(&self) -> Option<Command> {
        self.commands.recv().ok().map(|(command, _)| command)
    }

    /// A second way to this trainer.
    pub fn tap(&self) -> Tap {
        let Port { emitter, orders, left_behind, .. } = self;
        Tap::new(emitter.told.subscribe(), emitter.log.clone(), orders.clone(), left_behind.clone())
    }
}

impl Emitter {
    /// Writes the event to the run's file, then offers it to the front end without waiting.
    pub fn emit(&self, event: Event) {
        // Held until it is sent, so that the queue has the order of the file.
        let mut log = self.lock();
        let bytes = log.as_mut().map_or(0..0, |log| log.append(&event));
        if self.told.receiver_count() > 0 {
            let told = if bytes.is_empty() {
                TapEvent::Unwritten(Arc::new(event.clone()))
            } else {
                TapEvent::Written(bytes.end)
            };
            let _ = self.told.send(told);
        }
        // One that does not fit is in the file; a front end that is gone needs none.
        let _ = self.events.try_send((bytes, event));
    }

    /// Bytes of the run's file so far.
    pub fn written(&self) -> u64 {
        self.lock().as_ref().map_or(0, EventLog::length)
    }

    /// Waits until what was written is on the disk itself. Others may write meanwhile.
    pub fn sync(&self) -> io::Result<()> {
        let handle = self.lock().as_ref().map(EventLog::handle);
        handle.transpose()?.map_or(Ok(()), |file| file.sync_data())
    }

    fn lock(&self) -> MutexGuard<'_, Option<EventLog>> {
        self.log.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
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
        while !session.thread.as_ref().unwrap().is_finished() {
            std::thread::yield_now();
        }
        for expected in 0..MANY {
            assert_eq!(session.blocking_next(), Some(number(expected)));
        }
        assert_eq!(session.blocking_next(), None);
        session.join().unwrap();
    }

    #[test]
    fn a_run_taken_up_again_tells_what_came_before_where_it_is_asked_to() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("events.jsonl");
        let mut log = EventLog::open(&path).unwrap();
        let length = log.append(&Event::info("before")).end;
        log.append(&Event::info("cut off"));
        let told = |history: bool, fails: bool| {
            let (path, aside) = (path.clone(), folder.path().join("aside"));
            let session = Session::spawn(None, move |port| {
                port.emit(Event::Phase { phase: Phase::Preparing });
                if fails {
                    return Err(anyhow::anyhow!("refused"));
                }
                port.write_to(EventLog::cut(&path, length, &aside)?);
                port.emit(Event::info("after"));
                Ok(())
            });
            let mut session = if history { session.unwrap().with_history() } else { session.unwrap() };
            std::iter::from_fn(|| session.blocking_next()).collect::<Vec<_>>()
        };
        let preparing = Event::Phase { phase: Phase::Preparing };
        let refused = Event::Failed { error: "refused".into(), checkpoint: None };
        assert_eq!(told(true, true), [preparing.clone(), refused]);
        // What was refused left no trace.
        assert_eq!(read_events(&path).unwrap(), [Event::info("before"), Event::info("cut off")]);
        assert_eq!(told(false, false), [preparing.clone(), Event::info("after")]);
        assert_eq!(read_events(&path).unwrap(), [Event::info("before"), Event::info("after")]);
        assert_eq!(told(true, false), [preparing, Event::info("before"), Event::info("after")]);
    }

    #[test]
    fn a_front_end_that_panics_has_the_trainer_stop_with_a_checkpoint() {
        let (told, orders) = mpsc::channel();
        let session = Session::spawn(None, move |port| {
            while let Some(command) = port.wait() {
                told.send(command)?;
            }
            Ok(())
        })
        .unwrap();
        let fallen: Result<()> = catch_panic(|| {
            session.send(Command::Pause);
            let _session = session;
            panic!("the screen fell over")
        });
        assert!(fallen.is_err());
        assert_eq!(orders.into_iter().collect::<Vec<_>>(), [Command::Pause, Command::Stop { save: true }]);
    }
}
