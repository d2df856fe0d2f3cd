//! The training loop: steps, and what happens between them.

use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Result, anyhow};

use super::auto_batch::is_out_of_memory;
use super::checkpoint_policy::CheckpointPolicy;
use super::clock::Clock;
use super::command_queue::CommandQueue;
use super::early_stopping::EarlyStopping;
use super::generation::SampleGenerator;
use super::learner::Learner;
use super::loader::Loader;
use super::lookahead::Lookahead;
use super::not_finite::StabilitySettings;
use super::reselect::SelectionSettings;
use super::schedule::LearningRate;
use crate::distributed::World;
use crate::estimate::oom::{self, MemoryContext};
use crate::eval::Evaluator;
use crate::protocol::{Eval, Event, Finished, Phase, Reason};
use crate::runs::checkpoint::Manifest;
use crate::session::Port;

/// Whether a run that ends early is saved.
#[derive(Clone, Copy, Debug)]
pub(super) enum Save {
    Yes,
    No,
}

/// A run in progress.
pub(super) struct Run<'a> {
    pub port: &'a Port,
    pub world: Arc<World>,
    pub commands: CommandQueue<'a>,
    pub learner: Learner,
    pub loader: Loader,
    pub evaluator: Evaluator,
    /// Steps between evaluations.
    pub evaluate_every: u64,
    /// The run's folder, where the predictions of the best evaluation are written; `None` if they are not.
    pub predictions: Option<PathBuf>,
    /// Of a language model.
    pub generator: Option<SampleGenerator>,
    /// The score that decides which evaluation is best.
    pub best_score: String,
    pub learning_rate: LearningRate,
    pub selection: SelectionSettings,
    pub clock: Clock,
    pub lookahead: Lookahead,
    /// Steps launched; the number of steps taken while none is pending.
    pub step: u64,
    /// The latest step before which components were selected again.
    pub reselected: Option<u64>,
    /// The latest step with a scheduled evaluation that is complete.
    pub evaluated: Option<u64>,
    pub best: Option<Eval>,
    pub early_stopping: EarlyStopping,
    pub checkpoints: CheckpointPolicy<'a>,
    /// For the error when memory runs out.
    pub memory: MemoryContext,
    /// Whether the run starts again with a smaller batch if memory runs out before its first step.
    pub may_start_again: bool,
    /// Whether the run fails for a reason that all ranks have: a step that is not finite.
    pub failed_together: bool,
    /// For the error of a step that is not finite.
    pub stability: StabilitySettings,
}

impl Run<'_> {
    /// Takes all steps, or until a command or early stopping ends the run, and waits until the state is on disk.
    pub fn train(&mut self) -> Result<Reason> {
        match self.take_steps() {
            Ok((reason, Save::Yes)) => {
                self.save_final()?;
                Ok(reason)
            }
            Ok((reason, Save::No)) => Ok(reason),
            Err(error) => {
                // A failed step is not taken, and the state before it is intact. Failures to save it are reported. What is sharded over
                // ranks can be saved by all of them only.
                let can_save = !self.learner.is_sharded() || self.failed_together;
                if can_save && !self.learner.update_interrupted() && !self.starts_again(&error) {
                    let _ = self.finish_steps();
                    // What a GPU computed after a rank had gone is of no use.
                    if self.world.outcome().is_ok() {
                        let _ = self.save_final();
                    }
                }
                Err(error)
            }
        }
    }

    /// Whether after this error the run starts again, so that no state of it is kept.
    pub fn starts_again(&self, error: &anyhow::Error) -> bool {
        self.may_start_again && is_out_of_memory(error)
    }

    fn take_steps(&mut self) -> Result<(Reason, Save)> {
        self.port.emit(Event::Phase { phase: Phase::Training });
        // A language model is evaluated before its first step, for comparison. Later steps are due here if a command to
        // stop interrupted their evaluation.
        let due = if self.step == 0 { self.generator.is_some() } else { self.evaluation_due() };
        if due && self.evaluated != Some(self.step) {
            self.evaluate()?;
        }
        let reason = loop {
            if self.step >= self.loader.steps() {
                break Reason::Completed;
            }
            if self.early_stopping.is_due() {
                let why = self.early_stopping.reason(&self.best_score, self.best.as_ref());
                self.port.emit(Event::info(format!("early stopping: {why}")));
                break Reason::EarlyStopped;
            }
            if let ControlFlow::Break(save) = self.handle_commands()? {
                return Ok((Reason::Stopped, save));
            }
            self.reselect_if_due()?;
            self.take_step()?;
            if self.evaluation_due() {
                self.finish_steps()?;
                self.evaluate()?;
            }
            if self.learner.agreed(self.checkpoints.due(self.step))? {
                self.finish_steps()?;
                self.checkpoint()?;
            }
        };
        // The last step is evaluated; commands that came meanwhile are still handled.
        Ok(match self.handle_commands()? {
            ControlFlow::Break(save) => (Reason::Stopped, save),
            ControlFlow::Continue(()) => (reason, Save::Yes),
        })
    }

    /// Launches a step, and reads pending results when they are due.
    fn take_step(&mut self) -> Result<()> {
        self.lookahead.record_launch(self.learner.pending());
        let learning_rate = self.learning_rate.at(self.step);
        let batches = self.loader.step(self.step);
        let (learner, step) = (&mut self.learner, self.step);
        oom::explain(&self.memory, &batches, || Ok(learner.launch(step, &batches, learning_rate)?))?;
        self.step += 1;
        self.may_start_again = false;
        self.checkpoints.mark_changed();
        if self.lookahead.is_due(self.learner.pending()) || self.learner.probe_round_ended() {
            self.finish_steps()?;
        }
        Ok(())
    }

    /// Waits for pending steps and reports them. Everything but a step happens with no step pending.
    pub fn finish_steps(&mut self) -> Result<()> {
        let launched = self.learner.pending();
        if launched == 0 {
            return Ok(());
        }
        let (results, outcome) = self.learner.read();
        self.world.outcome()?;
        let each = self.lookahead.record_read(launched);
        self.step -= (launched - results.len()) as u64;
        let tokens: u64 = results.iter().map(|result| result.tokens).sum();
        let tokens_per_second = tokens as f64 / (each * results.len() as u32).as_secs_f64();
        for result in &results {
            self.clock.record_step(each);
            self.report_step(result, tokens_per_second);
        }
        self.failed_together |= outcome.is_err();
        outcome.map_err(|error| anyhow!("{error}. {}", self.stability.advice(&error)))
    }

    /// Queues a checkpoint. The run continues if the disk fails, which the writer reports.
    ///
    /// # Errors
    /// A rank that is gone.
    pub fn checkpoint(&mut self) -> Result<()> {
        self.port.emit(Event::Phase { phase: Phase::Checkpointing });
        let now = self.manifest();
        self.checkpoints.save(&self.learner, now, false)?;
        self.port.emit(Event::Phase { phase: Phase::Training });
        Ok(())
    }

    /// Waits until the current state is on disk.
    fn save_final(&mut self) -> Result<()> {
        self.port.emit(Event::Phase { phase: Phase::Checkpointing });
        let now = self.manifest();
        self.checkpoints.save_final(&self.learner, &now).map_err(|error| {
            anyhow!("cannot save the last checkpoint: {error}. Free disk space and resume the run; earlier checkpoints are intact")
        })
    }

    /// The manifest of a checkpoint of this moment.
    pub fn manifest(&self) -> Manifest {
        Manifest {
            step: self.step,
            epoch: self.epoch(self.step),
            evaluated: self.evaluated,
            reselected: self.reselected,
            best: self.best.clone(),
            since_best: self.early_stopping.since_best(),
            clock: self.clock.state(),
            ..self.checkpoints.manifest.clone()
        }
    }

    pub fn evaluation_due(&self) -> bool {
        self.step == self.loader.steps() || self.step.is_multiple_of(self.evaluate_every)
    }

    pub fn evaluations_after(&self, step: u64) -> u64 {
        self.loader.steps().div_ceil(self.evaluate_every) - step / self.evaluate_every
    }

    pub fn epoch(&self, step: u64) -> f64 {
        step as f64 / self.loader.steps_per_epoch() as f64
    }

    pub fn finished(&self, reason: Reason) -> Finished {
        Finished { reason, step: self.step, elapsed: self.clock.elapsed(), best: self.best.clone() }
    }
}
