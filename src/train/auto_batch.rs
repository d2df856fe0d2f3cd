//! `train.batch = "auto"`: a batch is chosen before the weights are loaded, and halved if the first step shows that it is too
//! large. From then on the run has a preset that says its batch. Ranks choose the largest that fits all of them.

use anyhow::{Result, bail};
use tch::Device;

use super::job::Job;
use crate::Usage;
use crate::device::shim;
use crate::distributed::World;
use crate::estimate::oom::MemoryRanOut;
use crate::estimate::{AutoBatch, ChosenBatch, DeviceMemory, RunShape, device_memory};
use crate::panics::OutOfMemory;
use crate::protocol::Event;
use crate::session::Port;
use crate::system;

/// The batch of a run whose preset left it open.
pub(super) struct ChosenForRun {
    chosen: ChosenBatch,
    /// Whether memory ran out with a larger one.
    halved: bool,
}

impl ChosenForRun {
    /// Chooses the largest batch that fits the devices of all ranks, if the preset leaves it open. Preset and shape then have it.
    ///
    /// # Errors
    /// [`Usage`]: none fits, or the memory of the device is not known. A rank that is gone.
    pub fn choose(job: &mut Job, shape: &mut RunShape, device: Device, world: &World) -> Result<Option<ChosenForRun>> {
        if !job.preset.train.auto_batch {
            return Ok(None);
        }
        // What an earlier run of this process has left.
        empty_cache(shape.step.gpu);
        let chosen = match memory_of_rank(device, world)?.map(|memory| shape.auto_batch(&memory)) {
            Some(AutoBatch::Chosen(chosen)) => chosen,
            Some(AutoBatch::NothingFits(why)) => bail!(Usage(why)),
            Some(AutoBatch::Unknown(_)) | None => {
                let device = crate::device::name(device);
                bail!(Usage(format!(
                    "train.batch: is \"auto\", but the free memory of {device} is not known; set the number of examples"
                )))
            }
        };
        let batches = world.all_gather(chosen.batch.to_le_bytes().to_vec())?;
        let batches = batches.into_iter().map(|batch| batch.try_into().map_or(chosen.batch, u64::from_le_bytes));
        let least = batches.min().unwrap_or(chosen.batch);
        let chosen = ChosenForRun { chosen: shape.choice(least, chosen.free), halved: false };
        chosen.apply(job, shape)?;
        Ok(Some(chosen))
    }

    /// Whether there is a smaller batch.
    pub fn has_smaller(&self) -> bool {
        self.chosen.batch > 1
    }

    /// Takes half the batch, or less if half does not divide the step: memory ran out before the first step.
    ///
    /// # Errors
    /// None in practice: the preset was valid.
    pub fn halve(&mut self, job: &mut Job, shape: &mut RunShape, port: &Port) -> Result<()> {
        let before = self.chosen.batch;
        let batch = shape.batches().into_iter().find(|rows| *rows <= before / 2).unwrap_or(1);
        (self.chosen.batch, self.chosen.accumulate, self.halved) = (batch, shape.step.examples() / batch, true);
        self.apply(job, shape)?;
        empty_cache(shape.step.gpu);
        let accumulate = self.chosen.accumulate;
        port.emit(Event::warning(format!(
            "memory ran out before the first step with train.batch = {before}, which was estimated to fit; starting again with \
             {batch} x {accumulate}"
        )));
        Ok(())
    }

    fn apply(&self, job: &mut Job, shape: &mut RunShape) -> Result<()> {
        job.preset = job.preset.with_batch(self.chosen.batch, &job.cache)?;
        *shape = shape.with_batch(self.chosen.batch);
        Ok(())
    }

    /// Keeps the batch in the run's folder, so that it is resumed with the same one on any machine.
    ///
    /// # Errors
    /// The disk cannot be written.
    pub fn keep(&self, job: &Job, port: &Port) -> Result<()> {
        if !self.halved {
            port.emit(Event::info(self.chosen.to_string()));
        }
        job.folder.settle_preset(&job.preset.toml)
    }
}

/// The memory of this rank's device. Ranks that compute on the CPU of the same machine have equal parts of what is free.
fn memory_of_rank(device: Device, world: &World) -> Result<Option<DeviceMemory>> {
    let hosts = world.all_gather(system::host_name().into_bytes())?;
    let sharing = hosts.iter().filter(|host| **host == hosts[world.rank()]).count() as u64;
    Ok(device_memory(device).map(|memory| match device {
        Device::Cpu => memory.shared_by(sharing),
        _ => memory,
    }))
}

/// Whether memory ran out.
pub(super) fn is_out_of_memory(error: &anyhow::Error) -> bool {
    error.is::<MemoryRanOut>() || error.is::<OutOfMemory>()
}

/// Gives the driver back what libtorch's allocator keeps of a GPU. Before anything was computed there is nothing.
fn empty_cache(gpu: bool) {
    if gpu {
        let _ = shim::empty_cache();
    }
}

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};
    use std::sync::Arc;

    use super::*;
    use crate::device::DeviceChoice;
    use crate::distributed::Ranks;
    use crate::estimate::test_shape;
    use crate::hub::Hub;
    use crate::preset::Preset;
    use crate::runs::{RealDisk, RunFolder};
    use crate::session::Session;

    /// A run whose preset leaves the batch open, for a step of so many examples.
    fn job(runs: &Path, examples: u64) -> Job {
        let text = format!(
            "[model]\nid = \"m\"\n[data]\ntask = \"rte\"\n[train]\nlearning_rate = 1.0\nbatch = \"auto\"\nglobal_batch = \
             {examples}\n"
        );
        let preset = Preset::parse("p", "", &text, &[], Path::new("/cache")).unwrap();
        Job {
            folder: RunFolder::create(runs, Some("one"), "p", &preset.toml).unwrap(),
            preset,
            device: DeviceChoice::Cpu,
            hub: Hub { endpoint: String::new(), cache: PathBuf::new(), token: None, offline: true },
            cache: "/cache".into(),
            disk: Arc::new(RealDisk),
            ranks: Ranks::Alone,
            resume: None,
            read_every: None,
        }
    }

    #[test]
    fn a_batch_is_halved_down_to_one_and_the_run_keeps_it() {
        let mut session = Session::spawn(None, |port| {
            for (examples, expected) in [(32, &[16, 8, 4, 2, 1][..]), (45, &[15, 5, 1]), (7, &[1])] {
                let runs = tempfile::tempdir().unwrap();
                let (mut job, mut shape) = (job(runs.path(), examples), test_shape(examples, 1));
                // The process may have less memory than the step takes, but not less than an example does.
                let mut batch = ChosenForRun::choose(&mut job, &mut shape, Device::Cpu, &World::ALONE)?.unwrap();
                assert!(!job.preset.train.auto_batch);
                (batch.chosen.batch, batch.chosen.accumulate) = (examples, 1);
                for rows in expected {
                    assert!(batch.has_smaller());
                    batch.halve(&mut job, &mut shape, port)?;
                    let train = &job.preset.train;
                    assert_eq!((train.batch as u64, train.accumulate as u64), (*rows, examples / rows));
                    assert_eq!((shape.step.rows, shape.step.micro_batches), (*rows, examples / rows));
                    batch.keep(&job, port)?;
                    assert_eq!(std::fs::read_to_string(job.folder.preset()).unwrap(), job.preset.toml);
                }
                assert!(!batch.has_smaller());
            }
            Ok(())
        })
        .unwrap();
        let events: Vec<Event> = std::iter::from_fn(|| session.blocking_next()).collect();
        session.join().unwrap();
        let first = "memory ran out before the first step with train.batch = 32, which was estimated to fit; starting again \
                     with 16 x 2";
        assert_eq!((events.len(), &events[0]), (9, &Event::warning(first)));
    }

    #[test]
    fn a_preset_that_says_its_batch_is_left_alone() {
        let runs = tempfile::tempdir().unwrap();
        let (mut job, mut shape) = (job(runs.path(), 32), test_shape(8, 4));
        job.preset = job.preset.with_batch(8, &job.cache).unwrap();
        let before = job.preset.clone();
        assert!(ChosenForRun::choose(&mut job, &mut shape, Device::Cpu, &World::ALONE).unwrap().is_none());
        assert_eq!((job.preset, shape.step.rows), (before, 8));
    }
}
