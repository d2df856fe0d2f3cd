//! When a run's checkpoints are written, and what they say of it.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use crate::preset::Keep;
use crate::runs::checkpoint::Manifest;
use crate::session::Port;

use super::Learner;
use super::checkpoint::{Request, Snapshot, Writer};

/// Decides on checkpoints and hands them to the writer.
pub struct CheckpointPolicy<'a> {
    port: &'a Port,
    keep: Keep,
    /// What all of a run's manifests have in common.
    pub facts: Manifest,
    writer: Writer,
    latest: Instant,
    latest_step: u64,
    /// Whether nothing has happened since the latest one.
    saved: bool,
}

impl<'a> CheckpointPolicy<'a> {
    /// For a run that stands at a step.
    pub fn new(port: &'a Port, keep: Keep, facts: Manifest, writer: Writer, step: u64) -> CheckpointPolicy<'a> {
        CheckpointPolicy { port, keep, facts, writer, latest: Instant::now(), latest_step: step, saved: false }
    }

    /// Notes that the run has moved on: there is something to keep.
    pub fn changed(&mut self) {
        self.saved = false;
    }

    /// Whether the preset asks for one now. While one waits to be written the next is put off.
    pub fn due(&self, step: u64) -> bool {
        let by_time = self.keep.every_minutes > 0.0
            && self.latest.elapsed() > Duration::from_secs_f64((self.keep.every_minutes * 60.0).min(1e9));
        // At the multiples, or as soon after them as the writer has time.
        let every = self.keep.every_steps;
        let by_steps = every > 0 && step / every > self.latest_step / every;
        (by_time || by_steps) && !self.saved && self.writer.has_room()
    }

    /// Copies the state, and lets it be written. `now` is the manifest of this moment, but for where the events stand.
    pub fn save(&mut self, learner: &Learner, now: Manifest, best: bool) {
        let start = Instant::now();
        (self.latest, self.latest_step, self.saved) = (start, now.step, true);
        let now = Manifest { events: self.port.emitter().written(), ..now };
        let snapshot = Snapshot::of(learner, now);
        self.writer.submit(Request { snapshot, best, held_up: start.elapsed().as_secs_f64() });
    }

    /// Sees to it that the run's state is on disk, and waits for that.
    ///
    /// # Errors
    /// Why it is not.
    pub fn conclude(&mut self, learner: &Learner, now: &Manifest) -> Result<(), String> {
        if !self.saved {
            self.save(learner, now.clone(), false);
        }
        if self.writer.finish().is_err() {
            // The disk may have got room since.
            self.save(learner, now.clone(), false);
        }
        self.writer.finish()
    }

    /// The newest checkpoint that is complete on disk, once all that was handed over is written or given up.
    pub fn last_of_all(&self) -> Option<PathBuf> {
        // What failed was told when it did.
        let _ = self.writer.finish();
        self.writer.last()
    }
}
