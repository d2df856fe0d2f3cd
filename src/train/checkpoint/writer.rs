//! The thread that writes checkpoints while training goes on. One is written and one at most waits, so that memory does not
//! grow on a slow disk.

use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread::JoinHandle;
use std::time::Instant;

use anyhow::{Context, Result};
use tracing::{debug, error, info, info_span};

use super::Snapshot;
use crate::protocol::Event;
use crate::runs::{Disk, RunFolder, checkpoint};
use crate::session::Emitter;

/// A checkpoint to write.
pub struct Request {
    /// What.
    pub snapshot: Snapshot,
    /// Whether it is of the best evaluation so far.
    pub best: bool,
    /// Seconds that training stood still for it.
    pub held_up: f64,
}

/// Writes checkpoints. Dropping it waits for those it was given.
pub struct Writer {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    desk: Mutex<Desk>,
    changed: Condvar,
}

/// What lies before the writer.
#[derive(Default)]
struct Desk {
    waiting: Option<Request>,
    writing: bool,
    closed: bool,
    /// The newest that is complete on disk.
    last: Option<PathBuf>,
    /// Why the latest is not.
    failure: Option<String>,
}

/// Where it writes, and whom it tells.
struct Place {
    disk: Arc<dyn Disk>,
    run: RunFolder,
    keep: usize,
    emitter: Emitter,
}

impl Writer {
    /// Starts the thread. `keep` is how many of the newest checkpoints stay, `last` the one that is there already.
    pub fn start(
        disk: Arc<dyn Disk>,
        run: RunFolder,
        keep: usize,
        emitter: Emitter,
        last: Option<PathBuf>,
    ) -> Result<Writer> {
        let desk = Mutex::new(Desk { last, ..Desk::default() });
        let shared = Arc::new(Shared { desk, changed: Condvar::new() });
        let place = Place { disk, run, keep, emitter };
        let thread = std::thread::Builder::new().name("checkpoints".into()).spawn({
            let shared = shared.clone();
            move || shared.work(&place)
        });
        Ok(Writer { shared, thread: Some(thread.context("cannot start the writer of checkpoints")?) })
    }

    /// Whether one can be handed over without pushing out another.
    pub fn has_room(&self) -> bool {
        self.shared.lock().waiting.is_none()
    }

    /// Hands over a checkpoint. One that waits gives way to a newer one, but a best one only to a better one: then, on a disk
    /// slower than the run, this waits.
    pub fn submit(&self, request: Request) {
        let mut desk = self.shared.lock();
        while desk.waiting.as_ref().is_some_and(|waiting| waiting.best && !request.best) {
            desk = self.shared.wait(desk);
        }
        let step = request.snapshot.manifest().step;
        debug!(step, replaces_waiting = desk.waiting.is_some(), "checkpoint queued");
        desk.waiting = Some(request);
        self.shared.changed.notify_all();
    }

    /// Waits until all is written.
    ///
    /// # Errors
    /// Why the latest one could not be.
    pub fn finish(&self) -> Result<(), String> {
        let mut desk = self.shared.lock();
        while !desk.idle() {
            desk = self.shared.wait(desk);
        }
        desk.failure.clone().map_or(Ok(()), Err)
    }

    /// The newest that is complete on disk.
    pub fn last(&self) -> Option<PathBuf> {
        self.shared.lock().last.clone()
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.shared.lock().closed = true;
        self.shared.changed.notify_all();
        if let Some(thread) = self.thread.take() {
            // It can have panicked at worst, and was heard of then.
            let _ = thread.join();
        }
    }
}

impl Desk {
    fn idle(&self) -> bool {
        self.waiting.is_none() && !self.writing
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Desk> {
        self.desk.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    fn wait<'a>(&self, desk: MutexGuard<'a, Desk>) -> MutexGuard<'a, Desk> {
        self.changed.wait(desk).unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// Writes what comes until the writer is dropped.
    fn work(&self, place: &Place) {
        loop {
            let request = {
                let mut desk = self.lock();
                loop {
                    match desk.waiting.take() {
                        Some(request) => {
                            desk.writing = true;
                            break request;
                        }
                        None if desk.closed => return,
                        None => desk = self.wait(desk),
                    }
                }
            };
            let written = place.write(request);
            let mut desk = self.lock();
            desk.writing = false;
            match written {
                Ok(path) => (desk.last, desk.failure) = (Some(path), None),
                Err(error) => desk.failure = Some(format!("{error:#}")),
            }
            self.changed.notify_all();
        }
    }
}

impl Place {
    fn write(&self, request: Request) -> Result<PathBuf> {
        let (start, manifest) = (Instant::now(), request.snapshot.manifest());
        let (step, best_step) = (manifest.step, manifest.best.as_ref().map(|best| best.step));
        let path = self.run.checkpoint(step);
        let _span = info_span!("checkpoint", step).entered();
        debug!(held_up = request.held_up, "writing");
        let written = self
            .emitter
            // A checkpoint must not know more of the events than the disk does.
            .sync()
            .with_context(|| format!("{}: cannot write", self.run.events().display()))
            .and_then(|()| checkpoint::write(&*self.disk, &path, manifest.clone(), &request.snapshot.tensors()));
        let bytes = match written {
            Ok(bytes) => bytes,
            Err(error) => {
                error!(error = format!("{error:#}"), "not written");
                self.emitter.emit(Event::warning(format!("{error:#}; earlier checkpoints are intact")));
                return Err(error);
            }
        };
        let (seconds, held_up) = (start.elapsed().as_secs_f64(), request.held_up);
        info!(path = %path.display(), bytes, seconds, "written");
        self.emitter.emit(Event::Checkpointed { step, path: path.clone(), bytes, seconds, held_up });
        if request.best
            && let Err(error) = checkpoint::point_best(self.run.path(), &path)
        {
            let link = self.run.path().join("best");
            self.emitter.emit(Event::warning(format!(
                "{}: cannot lead to {}: {error}",
                link.display(),
                path.display()
            )));
        }
        if let Err(error) = checkpoint::prune(&*self.disk, self.run.path(), self.keep, best_step) {
            self.emitter.emit(Event::warning(format!("{error:#}")));
        }
        Ok(path)
    }
}
