//! The training run, top to bottom: prepare, select, take steps, evaluate, keep. It knows no terminal.

mod batch;
mod checkpoint;
mod clock;
pub mod device;
mod evaluate;
mod increment;
mod material;
mod orders;
mod prepare;
mod schedule;
mod select;
mod speaker;
mod tuner;

use std::ops::ControlFlow;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::Result;

pub use batch::Loaded;
pub use device::DeviceChoice;
pub use increment::Increment;
pub use schedule::LearningRate;
pub use select::{Choice, Chooser, Selection, choose};
pub use tuner::{Settings, Taken, Tuner};

use crate::data::{Batch, Tokenized};
use crate::hub::Hub;
use crate::preset::Preset;
use crate::protocol::{
    Command, Eval, Event, Finished, Level, Mass, Memory, Phase, Progress, Reason, Selected, SelectedTarget, Step,
    TargetMass,
};
use crate::runs::RunFolder;
use crate::session::{Interrupted, Port};
use crate::sift::{AdamW, Covered, Role, SparseDecay};
use crate::system::Sampler;
use checkpoint::Facts;
use clock::Clock;
use evaluate::Evaluator;
use material::PERPLEXITY;
use orders::Orders;
use prepare::{Plan, Prepared};
use speaker::Speaker;

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
}

/// Makes a run. Facts go out through the port and orders come in.
///
/// # Errors
/// [`Usage`](crate::Usage) for what the user can mend; [`Interrupted`] once there is a checkpoint to go back to.
pub fn run(job: Job, port: &Port) -> Result<()> {
    port.emit(Event::Phase { phase: Phase::Preparing });
    let chosen = job.device.resolve()?;
    let sampler = Sampler::start(port.emitter(), device::gpu(chosen.device))?;
    let prepared = prepare::prepare(&job, &chosen, port)?;
    let mut run = Run::select(job, prepared, port)?;
    let finished = match run.train() {
        Ok(reason) => Ok(run.finished(reason)),
        Err(error) => Err(match run.last_checkpoint.take() {
            Some(checkpoint) => Interrupted { error: format!("{error:#}"), checkpoint }.into(),
            None => error,
        }),
    };
    // Its last sample must not follow the run's last event.
    drop(sampler);
    port.emit(Event::Finished(finished?));
    Ok(())
}

/// A run under way.
struct Run<'a> {
    job: Job,
    port: &'a Port,
    orders: Orders<'a>,
    tuner: Tuner,
    examples: Tokenized,
    plan: Plan,
    evaluator: Evaluator,
    /// Has a language model answer.
    speaker: Option<Speaker>,
    /// The score that decides which evaluation is best.
    deciding: String,
    learning_rate: LearningRate,
    clock: Clock,
    /// Steps taken.
    step: u64,
    best: Option<Eval>,
    last_checkpoint: Option<PathBuf>,
    checkpointed: Instant,
}

impl<'a> Run<'a> {
    /// Chooses what to train.
    fn select(job: Job, prepared: Prepared, port: &'a Port) -> Result<Run<'a>> {
        let Prepared { network, rules, examples, mut plan, evaluator, best, learning_rate, speaker } = prepared;
        port.emit(Event::Phase { phase: Phase::Selecting });
        let (sift, train) = (&job.preset.sift, &job.preset.train);
        let settings = Settings {
            adamw: AdamW {
                betas: (0.9, 0.999),
                eps: 1e-8,
                sparse_decay: if sift.decay > 0.0 {
                    SparseDecay::TowardPretrained(sift.decay)
                } else {
                    SparseDecay::None
                },
                dense_decay: train.weight_decay,
            },
            clip: (train.clip > 0.0).then_some(train.clip),
            dropout: true,
            checkpointing: train.gradient_checkpointing,
            probe_every: sift.probe_every,
            seed: train.seed,
        };
        let first = plan.first(sift.batches).iter();
        let batches: Vec<Batch> = first.map(|rows| examples.collate(rows, evaluator.pad_id)).collect();
        let chooser = Chooser { rules: &rules, select: sift.select, seed: train.seed, walk: settings.walk(0) };
        let Selection { choices, mass } = choose(&network, &chooser, &batches)?;
        let tuner = Tuner::new(network, &choices, settings);
        let run = Run {
            port,
            orders: Orders::new(port),
            tuner,
            examples,
            plan,
            evaluator,
            speaker,
            deciding: best,
            learning_rate,
            clock: Clock::start(),
            step: 0,
            best: None,
            last_checkpoint: None,
            checkpointed: Instant::now(),
            job,
        };
        run.tell_of_selection(mass);
        Ok(run)
    }

    /// Takes all steps, or as many as it is let.
    fn train(&mut self) -> Result<Reason> {
        self.port.emit(Event::Phase { phase: Phase::Training });
        // A language model can do what is asked of it before it is trained, and the reader wants to compare.
        if self.speaker.is_some() && self.step == 0 {
            self.evaluate()?;
        }
        while self.step < self.plan.steps {
            if self.obey()?.is_break() {
                return Ok(Reason::Stopped);
            }
            self.take_step()?;
            if self.evaluation_due() {
                self.evaluate()?;
            }
            let minutes = self.job.preset.keep.every_minutes;
            if minutes > 0.0 && self.checkpointed.elapsed() > Duration::from_secs_f64(minutes * 60.0) {
                self.checkpoint();
            }
        }
        // The last step was evaluated above; what was asked for meanwhile is still done.
        match self.obey()? {
            ControlFlow::Break(()) => Ok(Reason::Stopped),
            ControlFlow::Continue(()) => {
                self.checkpoint();
                Ok(Reason::Completed)
            }
        }
    }

    fn take_step(&mut self) -> Result<()> {
        let start = Instant::now();
        let learning_rate = self.learning_rate.at(self.step);
        let rows = self.plan.step(self.step).iter();
        let batches: Vec<Batch> = rows.map(|rows| self.examples.collate(rows, self.evaluator.pad_id)).collect();
        let taken = self.tuner.step(self.step, &batches, learning_rate)?;
        self.step += 1;
        self.clock.step_took(start.elapsed());
        let tokens: u64 = batches.iter().map(|batch| batch.tokens).sum();
        self.port.emit(Event::Step(Step {
            step: self.step,
            epoch: self.epoch(),
            loss: taken.loss,
            learning_rate,
            grad_norm: taken.grad_norm,
            tokens_per_second: tokens as f64 / start.elapsed().as_secs_f64(),
            elapsed: self.clock.elapsed(),
            eta: self.clock.eta(self.plan.steps - self.step, self.evaluations_left()),
        }));
        if let Some(mass) = taken.mass {
            self.tell_of_mass(&mass);
        }
        Ok(())
    }

    /// Does what was ordered. `Break` ends the run.
    fn obey(&mut self) -> Result<ControlFlow<()>> {
        while let Some(command) = self.orders.next() {
            match command {
                Command::Pause => {
                    if self.hold()?.is_break() {
                        return Ok(ControlFlow::Break(()));
                    }
                }
                other => {
                    if self.obey_at_once(other)?.is_break() {
                        return Ok(ControlFlow::Break(()));
                    }
                }
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    fn obey_at_once(&mut self, command: Command) -> Result<ControlFlow<()>> {
        match command {
            Command::Checkpoint => self.checkpoint(),
            Command::Evaluate => self.evaluate()?,
            Command::Sample { prompt } => self.sample(&prompt),
            Command::Stop { save } => {
                if save {
                    self.checkpoint();
                }
                return Ok(ControlFlow::Break(()));
            }
            Command::Pause | Command::Resume => {}
        }
        Ok(ControlFlow::Continue(()))
    }

    /// Sleeps until told to go on; other orders are obeyed meanwhile.
    fn hold(&mut self) -> Result<ControlFlow<()>> {
        let start = Instant::now();
        self.port.emit(Event::Phase { phase: Phase::Paused });
        let mut obeyed = ControlFlow::Continue(());
        loop {
            match self.orders.wait() {
                Some(Command::Resume) => break,
                Some(Command::Pause) => {}
                Some(command) => {
                    obeyed = self.obey_at_once(command)?;
                    if obeyed.is_break() {
                        break;
                    }
                    self.port.emit(Event::Phase { phase: Phase::Paused });
                }
                // No one is left who could say so.
                None => {
                    self.checkpoint();
                    obeyed = ControlFlow::Break(());
                    break;
                }
            }
        }
        self.clock.paused_for(start.elapsed());
        if obeyed.is_continue() {
            self.port.emit(Event::Phase { phase: Phase::Training });
        }
        Ok(obeyed)
    }

    /// Scores the held-out examples, unless an order to stop comes first.
    fn evaluate(&mut self) -> Result<()> {
        let start = Instant::now();
        self.port.emit(Event::Phase { phase: Phase::Evaluating });
        let (port, orders, total) = (self.port, &mut self.orders, self.evaluator.batches());
        let scores = self.evaluator.run(&self.tuner.network, |done| {
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
            let eval = Eval { step: self.step, epoch: self.epoch(), loss: scores.loss, scores: scores.scores, best };
            self.port.emit(Event::Eval(eval.clone()));
            if best {
                self.best = Some(eval);
                self.keep_best();
            }
            for prompt in self.speaker.iter().flat_map(|speaker| speaker.prompts.clone()).collect::<Vec<_>>() {
                self.sample(&prompt);
            }
            self.clock.evaluation_took(start.elapsed());
        }
        self.port.emit(Event::Phase { phase: Phase::Training });
        Ok(())
    }

    /// Tells what a language model answers now, unless an order to stop comes first.
    fn sample(&mut self, prompt: &str) {
        let Some(speaker) = &self.speaker else { return self.warn("a classifier has no text to sample".into()) };
        let orders = &mut self.orders;
        match speaker.answer(&self.tuner.network, prompt, || !orders.stop()) {
            Ok(Some(text)) => self.port.emit(Event::Sample { step: self.step, prompt: prompt.into(), text }),
            Ok(None) => {}
            Err(error) => self.warn(format!("{error:#}")),
        }
    }

    /// Writes a checkpoint. A disk that fails is told and does not stop the run.
    fn checkpoint(&mut self) {
        let folder = self.job.folder.checkpoint(self.step);
        self.port.emit(Event::Phase { phase: Phase::Checkpointing });
        if self.write(folder.clone()) {
            self.last_checkpoint = Some(folder.clone());
            let checkpoints = folder.parent().unwrap_or(&folder);
            if let Err(error) = checkpoint::prune(checkpoints, self.job.preset.keep.checkpoints) {
                self.warn(format!("{error:#}"));
            }
        }
        self.checkpointed = Instant::now();
        self.port.emit(Event::Phase { phase: Phase::Training });
    }

    fn keep_best(&mut self) {
        let folder = self.job.folder.best();
        if self.write(folder.clone()) {
            self.last_checkpoint.get_or_insert(folder);
        }
    }

    fn write(&self, folder: PathBuf) -> bool {
        let facts = Facts {
            run: self.job.folder.name(),
            model: &self.job.preset.model.id,
            step: self.step,
            elapsed: self.clock.elapsed(),
            best: self.best.as_ref(),
        };
        match checkpoint::write(&folder, self.tuner.values(), &facts) {
            Ok(bytes) => self.port.emit(Event::Checkpointed { step: self.step, path: folder, bytes }),
            Err(error) => {
                self.port.emit(Event::Log { level: Level::Error, message: format!("{error:#}; training goes on") });
                return false;
            }
        }
        true
    }

    fn evaluation_due(&self) -> bool {
        self.step == self.plan.steps || self.step.is_multiple_of(self.evaluate_every())
    }

    fn evaluations_left(&self) -> u64 {
        self.plan.steps.div_ceil(self.evaluate_every()) - self.step / self.evaluate_every()
    }

    fn evaluate_every(&self) -> u64 {
        match self.job.preset.train.eval_every {
            0 => self.plan.steps_per_epoch(),
            steps => steps,
        }
    }

    fn epoch(&self) -> f64 {
        self.step as f64 / self.plan.steps_per_epoch() as f64
    }

    fn finished(&self, reason: Reason) -> Finished {
        Finished { reason, step: self.step, elapsed: self.clock.elapsed(), best: self.best.clone() }
    }

    fn warn(&self, message: String) {
        self.port.emit(Event::warning(message));
    }

    fn tell_of_selection(&self, mass: Option<Covered>) {
        let values = self.tuner.values();
        let sparse = || values.slots().iter().filter(|slot| slot.role == Role::Sparse);
        self.port.emit(Event::Selected(Selected {
            total: values.sparse() as u64,
            of: sparse().map(|slot| slot.components() as u64).sum(),
            dense: (values.total() - values.sparse()) as u64,
            targets: sparse()
                .map(|slot| SelectedTarget {
                    name: slot.name.clone(),
                    shape: slot.shape.clone(),
                    selected: slot.trained() as u64,
                })
                .collect(),
        }));
        let (indices, optimizer) = values.bytes();
        let weights = self.tuner.network.parameters.bytes();
        self.port.emit(Event::Memory(Memory { weights, indices, optimizer }));
        if let Some(mass) = mass {
            self.tell_of_mass(&mass);
        }
    }

    fn tell_of_mass(&self, mass: &Covered) {
        let slots = self.tuner.values().slots();
        let targets = mass.targets.iter().map(|&(number, mass)| TargetMass { name: slots[number].name.clone(), mass });
        self.port.emit(Event::Mass(Mass { step: self.step, overall: mass.overall, targets: targets.collect() }));
    }
}
