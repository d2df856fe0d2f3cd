//! The training run, top to bottom: prepare, select, take steps, evaluate, save. It knows no front end.
//!
//! ```text
//! prepare            opens the preset and loads the weights
//! connect            has the GPUs of several ranks exchange tensors
//! auto_batch         the batch, for a preset that leaves it open
//! select             selects the components to train
//! setup              a run from a selection, or from a checkpoint
//! resume             finds that checkpoint and rewinds the run's folder to it
//! changes            whether the run may continue with another preset, and what that changes
//! run                the training loop; evaluate, reselect, early_stopping, commands and report belong to it
//! matmul             the precision of products, and how fast they are in it
//! loader, learner    batches, and optimizer steps on them; batch_part: a rank's part of a batch
//! rank_monitor       samples of all ranks
//! version            what has to be the same program on all ranks
//! not_finite         the error of a step that has no finite result, with advice
//! checkpoint         the trained state on its way to disk
//! ```

mod auto_batch;
mod batch_part;
mod changes;
mod checkpoint;
mod checkpoint_policy;
mod clock;
mod command_queue;
mod commands;
mod connect;
mod early_stopping;
mod evaluate;
mod generation;
mod job;
mod learner;
mod loader;
mod lookahead;
mod matmul;
mod not_finite;
mod prepare;
mod rank_monitor;
mod report;
mod reselect;
mod resume;
mod run;
mod schedule;
mod select;
mod setup;
mod version;

use std::mem;
use std::sync::Arc;

use anyhow::{Context, Result, bail};

use crate::device::matmul::MatmulPrecision;
use crate::device::{self, Chosen};
use crate::distributed::{Ranks, World};
use crate::panics::catch_panic;
use crate::protocol::{Command, Event, Finished, Phase};
use crate::session::{Interrupted, Port};
use crate::system::{KeptPages, Sampler};
use auto_batch::ChosenForRun;
use rank_monitor::RankMonitor;
use run::Run;

pub use crate::runs::checkpoint::CheckpointSelector;
pub use job::{Job, ResumeOptions};
pub use learner::{Learner, LearnerOptions, StepResult};
pub use loader::Loader;
pub use not_finite::NotFinite;
pub use schedule::LearningRate;
pub use select::{Selection, SelectionOptions, select_components};
pub use version::version;

/// Runs a job. Events go out through the port, and commands come in.
///
/// # Errors
/// [`Usage`](crate::Usage): a mistake in the preset, or files that do not fit it. [`Interrupted`]: a failure after which
/// the run can be resumed from a checkpoint.
pub fn run(mut job: Job, port: &Port) -> Result<()> {
    // Dropped after everything else: it gives back the memory of the run.
    let pages = KeptPages::start();
    port.emit(Event::Phase { phase: Phase::Preparing });
    let chosen = job.device.enter()?;
    let matmul = matmul::set(&job.preset, &chosen)?;
    let sampler = Sampler::start(port.emitter(), job.folder.path(), device::gpu(chosen.device))?;
    let device = RunDevice { chosen, matmul, pages };
    // Other commands make no sense yet.
    let stopped = || std::iter::from_fn(|| port.command()).any(|command| matches!(command, Command::Stop { .. }));
    let world = Arc::new(mem::replace(&mut job.ranks, Ranks::Alone).world(version, &stopped)?);
    let monitor = RankMonitor::start(&world, device.chosen.device, port.emitter())?;
    let finished = train_among(&mut job, &world, &device, port).inspect_err(|error| {
        // So that the others end at once, with this reason.
        world.abort(&format!("rank {}: {error:#}", world.rank()));
    })?;
    // The last event of a run comes after all samples of the machine and all checkpoints.
    drop((sampler, monitor, device));
    port.emit(Event::Finished(finished));
    Ok(())
}

fn train_among(job: &mut Job, world: &Arc<World>, device: &RunDevice, port: &Port) -> Result<Finished> {
    if !world.is_alone() {
        // The other ranks have it from here, before they know what to train.
        if world.is_first() {
            let folder = std::path::absolute(job.folder.path()).context("cannot find the current folder")?;
            world.broadcast(folder.into_os_string().into_encoded_bytes())?;
        }
        connect::connect(world, device.chosen.device, port)?;
    }
    let mut batch = None;
    loop {
        match train(job, &mut batch, world, device, port)? {
            Ended::Finished(finished) => return Ok(finished),
            // Nothing was trained yet.
            Ended::StartsAgain => {}
        }
    }
}

/// What a run computes on, and how.
struct RunDevice {
    chosen: Chosen,
    matmul: MatmulPrecision,
    pages: KeptPages<'static>,
}

/// How an attempt at a run ended.
enum Ended {
    Finished(Finished),
    /// Memory ran out before the first step with a batch that was chosen, and a smaller one has taken its place.
    StartsAgain,
}

/// Opens, starts and trains. `batch` is the batch of a preset that left it open, once it is chosen.
fn train(
    job: &mut Job,
    batch: &mut Option<ChosenForRun>,
    world: &Arc<World>,
    device: &RunDevice,
    port: &Port,
) -> Result<Ended> {
    let RunDevice { chosen, matmul, pages } = device;
    // The first rank downloads for all.
    let opened = world.first_then_others("open", || prepare::open(job, port))?;
    let mut shape = prepare::shape(&job.preset, &opened, chosen.device, world)?;
    if batch.is_none() {
        *batch = ChosenForRun::choose(job, &mut shape, chosen.device, world)?;
    }
    let prepared = prepare::prepare(job, opened, shape.clone(), (chosen, world), port)?;
    prepare::agree(world, job, &prepared)?;
    let point = match &job.resume {
        None => None,
        Some(options) => world.first_then_others("resume", || {
            let point = resume::find(options, job, &prepared, port)?;
            if world.is_first() {
                resume::rewind(point.as_ref(), job, &prepared, chosen, port)?;
            }
            Ok::<_, anyhow::Error>(point)
        })?,
    };
    let step = point.as_ref().map_or(0, |point| point.manifest.step);
    world.agree("checkpoint", &format!("step {step}"))?;
    matmul::report(matmul, &job.preset, &prepared.network, port)?;
    if let Some(batch) = batch.as_ref().filter(|_| world.is_first()) {
        batch.keep(job, port)?;
    }
    // Before the first step nothing is lost by starting again. On a CPU the system ends the process, or leaves it no memory to
    // start again with; of several ranks the others are in the middle of a step.
    let may_start_again = chosen.device.is_cuda()
        && world.is_alone()
        && point.is_none()
        && batch.as_ref().is_some_and(ChosenForRun::has_smaller);
    let started = match point {
        None => {
            prepare::report_base(&prepared, port);
            port.emit(Event::Started(prepared.started.clone()));
            Run::start(job, prepared, world, port)
        }
        Some(point) => Run::resume(job, prepared, point, world, port),
    };
    let (error, starts_again) = match started {
        Err(error) => {
            let starts_again = may_start_again && auto_batch::is_out_of_memory(&error);
            (error, starts_again)
        }
        Ok(mut run) => {
            // The selection has freed memory of other sizes than those of steps.
            pages.purge();
            device::empty_cache(chosen.device);
            run.may_start_again = may_start_again;
            match catch_panic(|| run.train()) {
                Ok(reason) => return Ok(Ended::Finished(run.finished(reason))),
                Err(error) if run.starts_again(&error) => (error, true),
                Err(error) => match run.checkpoints.latest_on_disk() {
                    Some(checkpoint) => bail!(Interrupted { error: format!("{error:#}"), checkpoint }),
                    None => (error, false),
                },
            }
        }
    };
    match batch {
        Some(batch) if starts_again => batch.halve(job, &mut shape, port)?,
        _ => return Err(error),
    }
    Ok(Ended::StartsAgain)
}
