//! Writes checkpoints on a thread of its own while training continues. At most one is being written and one waits, so
//! that memory does not grow on a slow disk.

use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread::JoinHandle;
use std::time::Instant;

use anyhow::{Context, Result};
use tracing::{debug, error, info, info_span};

use super::snapshot::StateSnapshot;
use crate::protocol::Event;
use crate::runs::{Disk, RunFolder, checkpoint};
use crate::session::Emitter;

/// A checkpoint to write.
pub struct CheckpointRequest {
    pub snapshot: StateSnapshot,
    /// Whether its evaluation is the best so far.
    pub best: bool,
    /// Seconds that training waited for the copy.
    pub held_up: f64,
}

/// Why the latest checkpoint could not be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WriteFailed(String);

impl fmt::Display for WriteFailed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for WriteFailed {}

/// Writes checkpoints. Dropping it waits until all are written.
pub struct CheckpointWriter {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    queue: Mutex<WriteQueue>,
    changed: Condvar,
}

/// The writer's work and its outcome.
#[derive(Default)]
struct WriteQueue {
    waiting: Option<CheckpointRequest>,
    writing: bool,
    closed: bool,
    /// The newest complete checkpoint on disk.
    last: Option<PathBuf>,
    failure: Option<WriteFailed>,
}

/// The run to write for.
pub struct CheckpointTarget {
    pub disk: Arc<dyn Disk>,
    pub run: RunFolder,
    /// How many of the newest checkpoints stay.
    pub keep: usize,
    pub emitter: Emitter,
}

impl CheckpointWriter {
    /// Starts the thread. `last` is the latest checkpoint so far.
    pub fn start(target: CheckpointTarget, last: Option<PathBuf>) -> Result<CheckpointWriter> {
        let queue = Mutex::new(WriteQueue { last, ..WriteQueue::default() });
        let shared = Arc::new(Shared { queue, changed: Condvar::new() });
        let thread = std::thread::Builder::new().name("checkpoints".into()).spawn({
            let shared = shared.clone();
            move || shared.work(&target)
        });
        Ok(CheckpointWriter { shared, thread: Some(thread.context("cannot start the checkpoint writer thread")?) })
    }

    /// Whether a checkpoint can be submitted without replacing one that waits.
    pub fn has_room(&self) -> bool {
        self.shared.lock().waiting.is_none()
    }

    /// Submits a checkpoint. It replaces one that waits, except that a best one is replaced by a better one only; on a slow
    /// disk this call then waits.
    pub fn submit(&self, request: CheckpointRequest) {
        let mut queue = self.shared.lock();
        while queue.waiting.as_ref().is_some_and(|waiting| waiting.best && !request.best) {
            queue = self.shared.wait(queue);
        }
        let step = request.snapshot.manifest().step;
        debug!(step, replaces_waiting = queue.waiting.is_some(), "checkpoint queued");
        queue.waiting = Some(request);
        self.shared.changed.notify_all();
    }

    /// Waits until all are written.
    ///
    /// # Errors
    /// Why the latest one could not be written.
    pub fn finish(&self) -> Result<(), WriteFailed> {
        let mut queue = self.shared.lock();
        while !queue.idle() {
            queue = self.shared.wait(queue);
        }
        queue.failure.clone().map_or(Ok(()), Err)
    }

    /// The newest complete checkpoint on disk.
    pub fn last(&self) -> Option<PathBuf> {
        self.shared.lock().last.clone()
    }
}

impl Drop for CheckpointWriter {
    fn drop(&mut self) {
        self.shared.lock().closed = true;
        self.shared.changed.notify_all();
        if let Some(thread) = self.thread.take() {
            // A panic on the thread was reported when it happened.
            let _ = thread.join();
        }
    }
}

impl WriteQueue {
    fn idle(&self) -> bool {
        self.waiting.is_none() && !self.writing
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, WriteQueue> {
        self.queue.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    fn wait<'a>(&self, queue: MutexGuard<'a, WriteQueue>) -> MutexGuard<'a, WriteQueue> {
        self.changed.wait(queue).unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// Writes requests until the writer is dropped.
    fn work(&self, target: &CheckpointTarget) {
        loop {
            let request = {
                let mut queue = self.lock();
                loop {
                    match queue.waiting.take() {
                        Some(request) => {
                            queue.writing = true;
                            break request;
                        }
                        None if queue.closed => return,
                        None => queue = self.wait(queue),
                    }
                }
            };
            let written = target.write(request);
            let mut queue = self.lock();
            queue.writing = false;
            match written {
                Ok(path) => (queue.last, queue.failure) = (Some(path), None),
                Err(error) => queue.failure = Some(WriteFailed(format!("{error:#}"))),
            }
            self.changed.notify_all();
        }
    }
}

impl CheckpointTarget {
    fn write(&self, request: CheckpointRequest) -> Result<PathBuf> {
        let (start, manifest) = (Instant::now(), request.snapshot.manifest());
        let (step, best_step) = (manifest.step, manifest.best.as_ref().map(|best| best.step));
        let path = self.run.checkpoint(step);
        let _span = info_span!("checkpoint", step).entered();
        debug!(held_up = request.held_up, "writing");
        let written = self
            .emitter
            // A checkpoint must not refer to events that are not on disk yet.
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
                "{}: cannot link to {}: {error}",
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
