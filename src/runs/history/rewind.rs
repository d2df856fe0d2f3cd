//! Going back to an earlier step, as a resume does.

use super::History;
use crate::protocol::Step;

impl History {
    /// Drops everything that came after a step. The log stays: it tells what happened.
    pub fn rewind(&mut self, step: u64) {
        let to = step as f64;
        for curve in [&mut self.loss, &mut self.grad_norm, &mut self.throughput] {
            curve.rewind(to);
        }
        let plain = [
            &mut self.learning_rate,
            &mut self.eval_loss,
            &mut self.mass,
            &mut self.update,
            &mut self.overlap,
            &mut self.changed,
            &mut self.memory,
            &mut self.checkpointed,
        ];
        plain.into_iter().chain(self.scores.values_mut()).for_each(|series| series.rewind(to));
        self.machine.rewind(to);
        self.ranks.rewind(to);
        self.targets.rewind(to);
        self.count_selected();
        self.mean_loss.rewind(step);
        self.rows.rewind(step);
        self.best.retain(|eval| eval.step <= step);
        self.completions.retain(|completion| completion.step <= step);
        self.examples.take_if(|examples| examples.step > step);
        self.latest_mass.take_if(|mass| mass.step > step);
        self.taken = self.taken.min(step);
        if step == 0 {
            self.step = None;
        }
        let loss = self.loss.raw.last().or_else(|| self.mean_loss.points().last().map(|(_, loss)| loss));
        if let Some(latest) = self.step.as_mut().filter(|latest| latest.step > step) {
            *latest = Step {
                step,
                epoch: latest.epoch * to / latest.step as f64,
                loss: loss.unwrap_or(f64::NAN),
                learning_rate: self.learning_rate.last().unwrap_or(latest.learning_rate),
                grad_norm: self.grad_norm.raw.last().unwrap_or(latest.grad_norm),
                tokens_per_second: self.throughput.raw.last().unwrap_or(latest.tokens_per_second),
                elapsed: self.loss.raw.last_at().map_or(latest.elapsed, |at| at.time),
                eta: None,
            };
        }
    }
}
