//! When a run writes checkpoints, and the manifest that all of them share.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::Result;

use super::checkpoint::{CheckpointRequest, CheckpointWriter, StateSnapshot, WriteFailed};
use super::learner::Learner;
use crate::distributed::DistributedError;
use crate::preset::Keep;
use crate::runs::checkpoint::Manifest;
use crate::session::Port;

/// Decides when to write a checkpoint, and hands it to the writer.
pub struct CheckpointPolicy<'a> {
    port: &'a Port,
    keep: Keep,
    /// The part of the manifest that stays the same throughout the run.
    pub manifest: Manifest,
    /// `None` of a rank that writes none: the first writes for all.
    writer: Option<CheckpointWriter>,
    latest: Instant,
    latest_step: u64,
    /// Whether the latest checkpoint holds the current state.
    saved: bool,
}

impl<'a> CheckpointPolicy<'a> {
    /// For a run at this step.
    pub fn new(
        port: &'a Port,
        keep: Keep,
        manifest: Manifest,
        writer: Option<CheckpointWriter>,
        step: u64,
    ) -> CheckpointPolicy<'a> {
        CheckpointPolicy { port, keep, manifest, writer, latest: Instant::now(), latest_step: step, saved: false }
    }

    /// Marks the state as changed since the latest checkpoint.
    pub fn mark_changed(&mut self) {
        self.saved = false;
    }

    /// Whether the preset asks for a checkpoint now. It is postponed while another one waits to be written.
    pub fn due(&self, step: u64) -> bool {
        let by_time = self.keep.every_minutes > 0.0
            && self.latest.elapsed() > Duration::from_secs_f64((self.keep.every_minutes * 60.0).min(1e9));
        // At the multiples, or as soon after them as the writer is free.
        let every = self.keep.every_steps;
        let by_steps = every > 0 && step / every > self.latest_step / every;
        (by_time || by_steps) && !self.saved && self.writer.as_ref().is_some_and(CheckpointWriter::has_room)
    }

    /// Copies the state and queues it for writing. `now` is the manifest of this moment, without the position in the
    /// events.
    ///
    /// # Errors
    /// A rank that is gone: those among which weights are sharded bring the state together.
    pub fn save(&mut self, learner: &Learner, now: Manifest, best: bool) -> Result<(), DistributedError> {
        let start = Instant::now();
        (self.latest, self.latest_step, self.saved) = (start, now.step, true);
        let Some(writer) = &self.writer else {
            return if learner.is_sharded() { learner.state().map(drop) } else { Ok(()) };
        };
        let now = Manifest { events: self.port.emitter().written(), ..now };
        let snapshot = StateSnapshot::of(learner, now)?;
        writer.submit(CheckpointRequest { snapshot, best, held_up: start.elapsed().as_secs_f64() });
        Ok(())
    }

    /// Waits until the current state is on disk.
    ///
    /// # Errors
    /// Why it is not.
    pub fn save_final(&mut self, learner: &Learner, now: &Manifest) -> Result<()> {
        if !self.saved {
            self.save(learner, now.clone(), false)?;
        }
        if learner.agreed(self.finish().is_err())? {
            // The disk may have room again by now.
            self.save(learner, now.clone(), false)?;
        }
        Ok(self.finish()?)
    }

    /// The newest complete checkpoint on disk, after all queued ones were written or failed.
    pub fn latest_on_disk(&self) -> Option<PathBuf> {
        // The writer has reported every failure.
        let _ = self.finish();
        self.writer.as_ref()?.last()
    }

    fn finish(&self) -> Result<(), WriteFailed> {
        self.writer.as_ref().map_or(Ok(()), CheckpointWriter::finish)
    }
}
