//! Evaluations and samples during a run.

use std::time::Instant;

use anyhow::Result;

use super::run::Run;
use crate::eval::Scores;
use crate::metrics;
use crate::protocol::{Eval, Event, Examples, Phase, Progress};
use crate::runs::Predictions;

impl Run<'_> {
    /// Scores the held-out examples, unless a command to stop comes first.
    pub(super) fn evaluate(&mut self) -> Result<()> {
        let start = Instant::now();
        self.port.emit(Event::Phase { phase: Phase::Evaluating });
        let (port, commands, total) = (self.port, &mut self.commands, self.evaluator.batches());
        let world = self.world.clone();
        let scores = self.evaluator.run(&self.learner.network, &world, |done| {
            port.emit(Event::Progress(Progress { task: "evaluating".into(), done, total, unit: "batches".into() }));
            !commands.stop_requested()
        })?;
        if let Some(scores) = scores {
            self.record_evaluation(scores, start)?;
            for prompt in self.generator.iter().flat_map(|generator| generator.prompts.clone()).collect::<Vec<_>>() {
                self.sample(&prompt)?;
            }
        }
        self.port.emit(Event::Phase { phase: Phase::Training });
        Ok(())
    }

    /// Reports an evaluation, and saves the state if it is the best so far.
    fn record_evaluation(&mut self, scores: Scores, start: Instant) -> Result<()> {
        let Scores { loss, scores, worst, predictions } = scores;
        let mut eval =
            Eval { step: self.step, epoch: self.epoch(self.step), loss, scores, best: false, patience: None };
        let before = self.best.as_ref().and_then(|best| best.score(&self.best_score));
        let best = metrics::improves(&self.best_score, eval.score(&self.best_score), before);
        // When the user evaluates, it must not decide when the run stops.
        self.early_stopping.record(best, self.evaluation_due());
        (eval.best, eval.patience) = (best, self.early_stopping.patience());
        if best {
            // Before the event: a run that has finished with this evaluation has its predictions.
            self.write_predictions(predictions);
        }
        self.port.emit(Event::Eval(eval.clone()));
        if let Some(worst) = worst {
            self.port.emit(Event::Examples(Examples { step: self.step, ..worst }));
        }
        self.clock.record_evaluation(start.elapsed());
        if self.evaluation_due() {
            self.evaluated = Some(self.step);
        }
        self.checkpoints.mark_changed();
        if best {
            self.best = Some(eval);
            let now = self.manifest();
            self.checkpoints.save(&self.learner, now, true)?;
        }
        Ok(())
    }

    /// Writes the predictions of the best evaluation, where the preset asks for it.
    fn write_predictions(&mut self, predictions: Vec<f64>) {
        let (Some(folder), Some(labelled)) = (&self.predictions, &self.evaluator.labelled) else { return };
        let manifest = &self.checkpoints.manifest;
        let predictions = Predictions {
            step: self.step,
            held_out: manifest.data.eval.clone(),
            classes: manifest.labels.clone(),
            predictions,
            labels: labelled.references(),
        };
        if let Err(error) = predictions.write(folder) {
            self.port.emit(Event::warning(format!("cannot write the predictions: {error}")));
        }
    }

    /// Reports a completion of the prompt, unless a command to stop comes first.
    ///
    /// # Errors
    /// A rank that is gone, where all are needed to compute it.
    pub(super) fn sample(&mut self, prompt: &str) -> Result<()> {
        let sharded = self.learner.is_sharded();
        if !self.world.is_first() && !sharded {
            return Ok(());
        }
        let Some(generator) = &self.generator else {
            self.port.emit(Event::warning("a classifier cannot generate samples"));
            return Ok(());
        };
        let (commands, learner) = (&mut self.commands, &self.learner);
        let mut outcome = Ok(());
        let completed = generator.complete(&learner.network, prompt, || {
            // Ranks among which weights are sharded compute the same tokens.
            let proceeds = learner.agreed(!commands.stop_requested());
            proceeds.unwrap_or_else(|error| {
                outcome = Err(error);
                false
            })
        });
        outcome?;
        if let Some(offload) = &learner.network.offload {
            offload.outcome()?;
        }
        match completed {
            Ok(Some(text)) => self.port.emit(Event::Sample { step: self.step, prompt: prompt.into(), text }),
            Ok(None) => {}
            Err(error) => self.port.emit(Event::warning(format!("{error:#}"))),
        }
        Ok(())
    }
}
