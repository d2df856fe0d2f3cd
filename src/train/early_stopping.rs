//! Early stopping: ends a run whose evaluations have not improved for a while.

use crate::protocol::{Eval, Patience};

/// Counts evaluations without improvement.
#[derive(Clone, Copy, Debug, Default)]
pub struct EarlyStopping {
    /// Evaluations without improvement after which the run stops; 0 never stops it.
    patience: u64,
    /// Scheduled evaluations since the best one.
    since_best: u64,
}

impl EarlyStopping {
    /// Continues with the number of scheduled evaluations since the best one; 0 in a new run.
    pub fn new(patience: u64, since_best: u64) -> EarlyStopping {
        EarlyStopping { patience, since_best }
    }

    /// Records an evaluation: whether it is the best so far, and whether it was scheduled.
    pub fn record(&mut self, best: bool, scheduled: bool) {
        if best {
            self.since_best = 0;
        } else if scheduled {
            self.since_best += 1;
        }
    }

    /// Scheduled evaluations since the best one.
    pub fn since_best(&self) -> u64 {
        self.since_best
    }

    /// What is left; `None` if the run never stops early.
    pub fn patience(&self) -> Option<Patience> {
        let left = self.patience.saturating_sub(self.since_best);
        (self.patience > 0).then_some(Patience { left, of: self.patience })
    }

    /// Whether the run stops now.
    pub fn is_due(&self) -> bool {
        self.patience().is_some_and(|patience| patience.left == 0)
    }

    /// Why the run stops: `accuracy has not improved on 0.8800 (step 140) for 3 evaluations`.
    pub fn reason(&self, score: &str, best: Option<&Eval>) -> String {
        let evaluations = match self.since_best {
            1 => "1 evaluation".to_owned(),
            number => format!("{number} evaluations"),
        };
        match best.and_then(|best| Some((best.score(score)?, best.step))) {
            Some((value, step)) => format!("{score} has not improved on {value:.4} (step {step}) for {evaluations}"),
            None => format!("{score} was not finite in {evaluations}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reason_names_score_step_and_evaluations() {
        let best = Eval {
            step: 140,
            epoch: 1.0,
            loss: 0.5,
            scores: [("f1".to_owned(), 0.88)].into(),
            best: true,
            patience: None,
        };
        let reason = |since_best, score| EarlyStopping::new(3, since_best).reason(score, Some(&best));
        assert_eq!(reason(3, "f1"), "f1 has not improved on 0.8800 (step 140) for 3 evaluations");
        assert_eq!(reason(1, "loss"), "loss has not improved on 0.5000 (step 140) for 1 evaluation");
        let never = EarlyStopping::new(3, 3).reason("perplexity", None);
        assert_eq!(never, "perplexity was not finite in 3 evaluations");
    }

    #[test]
    fn only_scheduled_evaluations_without_improvement_count() {
        let mut stopping = EarlyStopping::new(2, 0);
        let mut due = |best, scheduled| {
            stopping.record(best, scheduled);
            (stopping.patience().map_or(0, |patience| patience.left), stopping.is_due())
        };
        assert_eq!(due(true, true), (2, false));
        assert_eq!(due(false, true), (1, false));
        assert_eq!(due(false, false), (1, false));
        assert_eq!(due(true, false), (2, false));
        assert_eq!([due(false, true), due(false, true)], [(1, false), (0, true)]);
        // A count from before a resume with less patience.
        assert!(EarlyStopping::new(3, 5).is_due() && !EarlyStopping::new(0, 5).is_due());
        assert_eq!(EarlyStopping::new(0, 5).patience(), None);
    }
}
