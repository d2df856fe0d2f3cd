//! The learning rate of each step, as in transformers' `get_scheduler`.

use std::f64::consts::PI;

use crate::preset::Schedule;

/// Linear warm-up, then a decay.
#[derive(Clone, Debug, PartialEq)]
pub struct LearningRate {
    pub schedule: Schedule,
    pub peak: f64,
    /// Steps of the warm-up.
    pub warmup: u64,
    /// Steps of the whole run.
    pub steps: u64,
}

impl LearningRate {
    /// The learning rate of a step, counted from 0. A warm-up starts at 0.
    pub fn at(&self, step: u64) -> f64 {
        if step < self.warmup {
            return self.peak * step as f64 / self.warmup as f64;
        }
        let decay = (self.steps - self.warmup).max(1) as f64;
        let progress = (step - self.warmup) as f64 / decay;
        self.peak
            * match self.schedule {
                Schedule::Linear => (1.0 - progress).max(0.0),
                Schedule::Cosine => 0.5 * (1.0 + (PI * progress.min(1.0)).cos()),
                Schedule::Constant => 1.0,
            }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn schedules_match_transformers() {
        let rates = |schedule| {
            let rate = LearningRate { schedule, peak: 1.0, warmup: 2, steps: 6 };
            (0..6).map(|step| rate.at(step)).collect::<Vec<_>>()
        };
        assert_eq!(rates(Schedule::Linear), [0.0, 0.5, 1.0, 0.75, 0.5, 0.25]);
        assert_eq!(rates(Schedule::Constant), [0.0, 0.5, 1.0, 1.0, 1.0, 1.0]);
        let cosine = rates(Schedule::Cosine);
        for (got, expected) in cosine.iter().zip([0.0, 0.5, 1.0, 0.853_553_390_593_273_8, 0.5, 0.146_446_609_406_726_2])
        {
            assert!((got - expected).abs() < 1e-12, "{cosine:?}");
        }
        let whole = LearningRate { schedule: Schedule::Linear, peak: 2.0, warmup: 0, steps: 1 };
        assert_eq!(whole.at(0), 2.0);
    }
}
