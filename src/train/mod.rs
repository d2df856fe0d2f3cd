//! The training run, top to bottom: prepare, select, take steps, evaluate, save. It knows no front end.
//!
//! ```text
//! prepare            opens the preset and loads the weights
//! select             selects the components to train
//! setup              a run from a selection, or from a checkpoint
//! resume             finds that checkpoint and rewinds the run's folder to it
//! changes            whether the run may continue with another preset, and what that changes
//! run                the training loop; evaluate, reselect, early_stopping, commands and report belong to it
//! matmul             the precision of products, and how fast they are in it
//! loader, learner    batches, and optimizer steps on them
//! not_finite         the error of a step that has no finite result, with advice
//! checkpoint         the trained state on its way to disk
//! ```

mod changes;
mod checkpoint;
mod checkpoint_policy;
mod clock;
mod command_queue;
mod commands;
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
mod report;
mod reselect;
mod resume;
mod run;
mod schedule;
mod select;
mod setup;

use anyhow::Result;

use crate::device;
use crate::panics::catch_panic;
use crate::protocol::{Event, Phase};
use crate::session::{Interrupted, Port};
use crate::system::{KeptPages, Sampler};
use run::Run;

pub use crate::runs::checkpoint::CheckpointSelector;
pub use job::{Job, ResumeOptions};
pub use learner::{Learner, LearnerOptions, StepResult};
pub use loader::Loader;
pub use not_finite::NotFinite;
pub use schedule::LearningRate;
pub use select::{Selection, SelectionOptions, select_components};

/// Runs a job. Events go out through the port, and commands come in.
///
/// # Errors
/// [`Usage`](crate::Usage): a mistake in the preset, or files that do not fit it. [`Interrupted`]: a failure after which
/// the run can be resumed from a checkpoint.
pub fn run(job: Job, port: &Port) -> Result<()> {
    // Dropped after everything else: it gives back the memory of the run.
    let pages = KeptPages::start();
    port.emit(Event::Phase { phase: Phase::Preparing });
    let chosen = job.device.resolve()?;
    let matmul = matmul::set(&job.preset, &chosen)?;
    let sampler = Sampler::start(port.emitter(), job.folder.path(), device::gpu(chosen.device))?;
    let prepared = prepare::prepare(&job, &chosen, port)?;
    let point = match &job.resume {
        None => None,
        Some(options) => {
            let point = resume::find(options, &job, &prepared, port)?;
            resume::rewind(point.as_ref(), &job, &prepared, &chosen, port)?;
            point
        }
    };
    matmul::report(&matmul, &job.preset, &prepared.network, port)?;
    let mut run = match point {
        None => {
            prepare::report_base(&prepared, port);
            port.emit(Event::Started(prepared.started.clone()));
            Run::start(job, prepared, port)?
        }
        Some(point) => Run::resume(job, prepared, point, port)?,
    };
    // The selection has freed memory of other sizes than those of steps.
    pages.purge();
    device::empty_cache(chosen.device);
    let finished = match catch_panic(|| run.train()) {
        Ok(reason) => Ok(run.finished(reason)),
        Err(error) => Err(match run.checkpoints.latest_on_disk() {
            Some(checkpoint) => Interrupted { error: format!("{error:#}"), checkpoint }.into(),
            None => error,
        }),
    };
    // The last event of a run comes after all samples of the machine and all checkpoints.
    drop((run, sampler, pages, matmul));
    port.emit(Event::Finished(finished?));
    Ok(())
}
