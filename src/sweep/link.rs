//! A sweep that works on a thread of its own, seen from the screens.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::thread::{Builder, JoinHandle};

use anyhow::Result;
use tokio::sync::{mpsc, watch};

use super::engine::{Control, Engine, Observer, Progress, SweepEnd, Update};
use crate::panics::catch_panic;

/// The front end's side. Dropping it stops the sweep with a checkpoint of each run.
pub struct SweepLink {
    events: mpsc::UnboundedReceiver<Update>,
    /// The latest one: a front end that is slow misses the others.
    progress: watch::Receiver<Progress>,
    control: Arc<AtomicU8>,
}

/// The thread's side.
struct Reporter {
    events: mpsc::UnboundedSender<Update>,
    progress: watch::Sender<Progress>,
    control: Arc<AtomicU8>,
}

const WORK: u8 = 0;
const HOLD: u8 = 1;
const STOP: u8 = 2;

impl SweepLink {
    /// Starts to work on a thread named `sweep`. The thread returns how the work has ended.
    ///
    /// # Errors
    /// The thread cannot be started.
    pub fn spawn(engine: Engine) -> io::Result<(SweepLink, JoinHandle<Result<SweepEnd>>)> {
        let (sender, events) = mpsc::unbounded_channel();
        let (latest, progress) = watch::channel(Progress::default());
        let control = Arc::<AtomicU8>::default();
        let mut reporter = Reporter { events: sender, progress: latest, control: control.clone() };
        let thread = Builder::new().name("sweep".into()).spawn(move || catch_panic(|| engine.run(&mut reporter)))?;
        Ok((SweepLink { events, progress, control }, thread))
    }

    /// Holds the sweep, or lets it work again.
    pub fn hold(&self, hold: bool) {
        self.control.store(if hold { HOLD } else { WORK }, Ordering::Relaxed);
    }

    /// What happens next; `None` once the work has ended. Cancel-safe.
    pub async fn next(&mut self) -> Option<Update> {
        tokio::select! {
            biased;
            event = self.events.recv() => event,
            Ok(()) = self.progress.changed() => Some(Update::Progress(self.progress.borrow_and_update().clone())),
        }
    }
}

impl Drop for SweepLink {
    fn drop(&mut self) {
        self.control.store(STOP, Ordering::Relaxed);
    }
}

impl Observer for Reporter {
    fn on_update(&mut self, update: Update) {
        match update {
            Update::Progress(progress) => {
                self.progress.send_if_modified(|latest| {
                    let changed = *latest != progress;
                    *latest = progress;
                    changed
                });
            }
            // A front end that is gone needs none.
            event => drop(self.events.send(event)),
        }
    }

    fn control(&mut self) -> Control {
        match self.control.load(Ordering::Relaxed) {
            WORK => Control::Work,
            HOLD => Control::Hold,
            _ => Control::Stop,
        }
    }
}
