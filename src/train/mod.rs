//! The training run, top to bottom: prepare, select, take steps, evaluate, keep. It knows no terminal.

pub(crate) mod checkpoint;
mod checkpoint_policy;
mod clock;
mod command_queue;
mod commands;
mod generation;
mod learner;
mod lookahead;
mod prepare;
mod resume;
mod schedule;
mod select;
mod setup;
mod weight_delta;

use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow};

pub use crate::runs::checkpoint::CheckpointSelector;
pub(crate) use generation::SampleGenerator;
pub use learner::{Learner, Settings, Taken};
pub(crate) use prepare::{check, rules_of};
pub use resume::Resume;
pub use schedule::LearningRate;
pub use select::{Chooser, Selection, check as check_rules, choose};
pub use weight_delta::WeightDelta;

use crate::data::{Batch, Tokenized};
use crate::device::{self, DeviceChoice, shim};
use crate::estimate::oom::{self, MemoryContext};
use crate::eval::PERPLEXITY;
use crate::eval::{Evaluator, rounded};
use crate::hub::Hub;
use crate::panics::catch_panic;
use crate::preset::Preset;
use crate::protocol::{Eval, Event, Examples, Finished, Mass, Phase, Progress, Reason, Step, TargetMass};
use crate::runs::checkpoint::Manifest;
use crate::runs::{Disk, RunFolder};
use crate::session::{Interrupted, Port};
use crate::sift::GradientMass;
use crate::system::Sampler;
use checkpoint_policy::CheckpointPolicy;
use clock::Clock;
use command_queue::CommandQueue;
use lookahead::Lookahead;
use prepare::EpochPlan;

/// A run to make.
pub struct Job {
    /// What to train on what.
    pub preset: Preset,
    /// Where it leaves what it makes.
    pub folder: RunFolder,
    /// Where to train.
    pub device: DeviceChoice,
    /// Where models and datasets come from.
    pub hub: Hub,
    /// finesift's own cache.
    pub cache: PathBuf,
    /// What checkpoints are written to.
    pub disk: Arc<dyn Disk>,
    /// For a run that was begun before: where to take it up again.
    pub resume: Option<Resume>,
    /// How often to read from the device what steps came to; by default as it suits the device.
    pub read_every: Option<Duration>,
}

/// Makes a run, or takes one up again. Facts go out through the port and orders come in.
///
/// # Errors
/// [`Usage`](crate::Usage) for what the user can mend; [`Interrupted`] once there is a checkpoint to go back to.
pub fn run(job: Job, port: &Port) -> Result<()> {
    port.emit(Event::Phase { phase: Phase::Preparing });
    let chosen = job.device.resolve()?;
    if chosen.device.is_cuda() {
        shim::set_allow_tf32(job.preset.train.tf32)?;
    }
    let sampler = Sampler::start(port.emitter(), job.folder.path(), device::gpu(chosen.device))?;
    let prepared = prepare::prepare(&job, &chosen, port)?;
    let found = match job.resume {
        None => None,
        Some(how) => {
            let found = resume::find(how, &job, &prepared, port)?;
            resume::go_back(found.as_ref(), &job, &prepared, &chosen, port)?;
            found
        }
    };
    let mut run = match found {
        None => {
            port.emit(Event::Started(prepared.started.clone()));
            Run::select(job, prepared, port)?
        }
        Some(found) => Run::take_up(job, prepared, found, port)?,
    };
    let finished = match catch_panic(|| run.train()) {
        Ok(reason) => Ok(run.finished(reason)),
        Err(error) => Err(match run.keeper.last_of_all() {
            Some(checkpoint) => Interrupted { error: format!("{error:#}"), checkpoint }.into(),
            None => error,
        }),
    };
    // Neither a sample of the machine nor a checkpoint must follow the run's last event.
    drop((run, sampler));
    port.emit(Event::Finished(finished?));
    Ok(())
}

/// Whether what was reached is kept when a run ends early.
#[derive(Clone, Copy, Debug)]
enum Save {
    Yes,
    No,
}

/// A run under way.
struct Run<'a> {
    port: &'a Port,
    orders: CommandQueue<'a>,
    learner: Learner,
    examples: Tokenized,
    plan: EpochPlan,
    evaluator: Evaluator,
    /// Steps between evaluations.
    evaluate_every: u64,
    /// Has a language model answer.
    speaker: Option<SampleGenerator>,
    /// The score that decides which evaluation is best.
    deciding: String,
    learning_rate: LearningRate,
    clock: Clock,
    ahead: Lookahead,
    /// Steps launched; with none unread, steps taken.
    step: u64,
    /// The latest step whose evaluation was due and made.
    evaluated: Option<u64>,
    best: Option<Eval>,
    keeper: CheckpointPolicy<'a>,
    /// What its memory follows from.
    means: MemoryContext,
}

impl<'a> Run<'a> {
    /// Takes all steps, or as many as it is let, and sees to it that what was reached is on disk.
    fn train(&mut self) -> Result<Reason> {
        match self.take_steps() {
            Ok((reason, Save::Yes)) => {
                self.conclude()?;
                Ok(reason)
            }
            Ok((reason, Save::No)) => Ok(reason),
            Err(error) => {
                // A step that fails is not taken: what was reached before it is sound. Why it cannot be kept was told.
                if !self.learner.torn() {
                    let _ = self.settle();
                    let _ = self.conclude();
                }
                Err(error)
            }
        }
    }

    fn take_steps(&mut self) -> Result<(Reason, Save)> {
        self.port.emit(Event::Phase { phase: Phase::Training });
        // An order to stop may have cut an evaluation short. A language model can do what is asked of it before it is
        // trained, and the reader wants to compare.
        let due = if self.step == 0 { self.speaker.is_some() } else { self.evaluation_due() };
        if due && self.evaluated != Some(self.step) {
            self.evaluate()?;
        }
        while self.step < self.plan.steps {
            if let ControlFlow::Break(save) = self.obey()? {
                return Ok((Reason::Stopped, save));
            }
            self.take_step()?;
            if self.evaluation_due() {
                self.settle()?;
                self.evaluate()?;
            }
            if self.keeper.due(self.step) {
                self.settle()?;
                self.checkpoint();
            }
        }
        // The last step was evaluated above; what was asked for meanwhile is still done.
        Ok(match self.obey()? {
            ControlFlow::Break(save) => (Reason::Stopped, save),
            ControlFlow::Continue(()) => (Reason::Completed, Save::Yes),
        })
    }

    /// Launches a step, and tells what is known of those before it.
    fn take_step(&mut self) -> Result<()> {
        self.ahead.launching(self.learner.unread());
        let learning_rate = self.learning_rate.at(self.step);
        let rows = self.plan.step(self.step).iter();
        let batches: Vec<Batch> = rows.map(|rows| self.examples.collate(rows, self.evaluator.pad_id)).collect();
        let (learner, step) = (&mut self.learner, self.step);
        oom::explain(&self.means, &batches, || {
            learner.launch(step, &batches, learning_rate);
            Ok(())
        })?;
        self.step += 1;
        self.keeper.changed();
        if self.ahead.enough(self.learner.unread()) || self.learner.round_ended() {
            self.settle()?;
        }
        Ok(())
    }

    /// Waits for all that was launched, and tells it: whatever is done besides steps is done upon what is known.
    fn settle(&mut self) -> Result<()> {
        let launched = self.learner.unread();
        if launched == 0 {
            return Ok(());
        }
        let (taken, outcome) = self.learner.read();
        let each = self.ahead.read(launched);
        self.step -= (launched - taken.len()) as u64;
        let tokens: u64 = taken.iter().map(|taken| taken.tokens).sum();
        let throughput = tokens as f64 / (each * taken.len() as u32).as_secs_f64();
        for taken in &taken {
            self.clock.step_took(each);
            self.tell(taken, throughput);
        }
        outcome
    }

    /// Scores the held-out examples, unless an order to stop comes first.
    fn evaluate(&mut self) -> Result<()> {
        let start = Instant::now();
        self.port.emit(Event::Phase { phase: Phase::Evaluating });
        let (port, orders, total) = (self.port, &mut self.orders, self.evaluator.batches());
        let scores = self.evaluator.run(&self.learner.network, |done| {
            port.emit(Event::Progress(Progress { task: "evaluating".into(), done, total, unit: "batches".into() }));
            !orders.stop()
        })?;
        if let Some(scores) = scores {
            let score = |scores: &std::collections::BTreeMap<String, f64>| scores.get(&self.deciding).copied();
            let before = self.best.as_ref().and_then(|best| score(&best.scores));
            let best = match (score(&scores.scores), before) {
                (Some(now), Some(before)) if self.deciding == PERPLEXITY => now < before,
                (Some(now), Some(before)) => now > before,
                (now, _) => now.is_some(),
            };
            let eval =
                Eval { step: self.step, epoch: self.epoch(self.step), loss: scores.loss, scores: scores.scores, best };
            self.port.emit(Event::Eval(eval.clone()));
            if let Some(worst) = scores.worst {
                self.port.emit(Event::Examples(Examples { step: self.step, ..worst }));
            }
            self.clock.evaluation_took(start.elapsed());
            if self.evaluation_due() {
                self.evaluated = Some(self.step);
            }
            self.keeper.changed();
            if best {
                self.best = Some(eval);
                let now = self.now();
                self.keeper.save(&self.learner, now, true);
            }
            for prompt in self.speaker.iter().flat_map(|speaker| speaker.prompts.clone()).collect::<Vec<_>>() {
                self.sample(&prompt);
            }
        }
        self.port.emit(Event::Phase { phase: Phase::Training });
        Ok(())
    }

    /// Tells what a language model answers now, unless an order to stop comes first.
    fn sample(&mut self, prompt: &str) {
        let Some(speaker) = &self.speaker else { return self.warn("a classifier has no text to sample".into()) };
        let orders = &mut self.orders;
        match speaker.answer(&self.learner.network, prompt, || !orders.stop()) {
            Ok(Some(text)) => self.port.emit(Event::Sample { step: self.step, prompt: prompt.into(), text }),
            Ok(None) => {}
            Err(error) => self.warn(format!("{error:#}")),
        }
    }

    /// Has a checkpoint written. A disk that fails is told and does not stop the run.
    fn checkpoint(&mut self) {
        self.port.emit(Event::Phase { phase: Phase::Checkpointing });
        let now = self.now();
        self.keeper.save(&self.learner, now, false);
        self.port.emit(Event::Phase { phase: Phase::Training });
    }

    /// Waits until what was reached is on disk.
    fn conclude(&mut self) -> Result<()> {
        self.port.emit(Event::Phase { phase: Phase::Checkpointing });
        let now = self.now();
        self.keeper.conclude(&self.learner, &now).map_err(|error| {
            anyhow!("the end of the run could not be kept: {error}; make room and resume it, nothing else is lost")
        })
    }

    /// What a checkpoint of this moment says.
    fn now(&self) -> Manifest {
        Manifest {
            step: self.step,
            epoch: self.epoch(self.step),
            evaluated: self.evaluated,
            best: self.best.clone(),
            clock: self.clock.state(),
            ..self.keeper.facts.clone()
        }
    }

    fn evaluation_due(&self) -> bool {
        self.step == self.plan.steps || self.step.is_multiple_of(self.evaluate_every)
    }

    fn evaluations_after(&self, step: u64) -> u64 {
        self.plan.steps.div_ceil(self.evaluate_every) - step / self.evaluate_every
    }

    fn epoch(&self, step: u64) -> f64 {
        step as f64 / self.plan.steps_per_epoch() as f64
    }

    fn finished(&self, reason: Reason) -> Finished {
        Finished { reason, step: self.step, elapsed: self.clock.elapsed(), best: self.best.clone() }
    }

    fn warn(&self, message: String) {
        self.port.emit(Event::warning(message));
    }

    /// Tells of a step, of those that went at this throughput in tokens per second.
    fn tell(&self, taken: &Taken, throughput: f64) {
        let step = taken.step + 1;
        self.port.emit(Event::Step(Step {
            step,
            epoch: self.epoch(step),
            loss: taken.loss,
            learning_rate: taken.learning_rate,
            grad_norm: taken.grad_norm,
            tokens_per_second: throughput,
            elapsed: self.clock.elapsed(),
            eta: self.clock.eta(self.plan.steps - step, self.evaluations_after(step)),
        }));
        if let Some(mass) = &taken.mass {
            self.tell_of_mass(mass);
        }
    }

    fn tell_of_mass(&self, mass: &GradientMass) {
        let values = self.learner.values();
        let updates = values.updates();
        let targets = mass.targets.iter().map(|target| TargetMass {
            name: values.slots()[target.slot].name.clone(),
            mass: rounded(target.percent),
            update: updates.get(target.slot).map(|update| rounded(100.0 * update)).filter(|update| update.is_finite()),
        });
        self.port.emit(Event::Mass(Mass { step: self.step, overall: mass.overall, targets: targets.collect() }));
    }
}
