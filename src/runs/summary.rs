//! What lists of runs show of a run, taken from its history.

use super::history::{History, MeanCurve, RunEnd};
use crate::metrics::lower_is_better;
use crate::protocol::{Eval, Started};

/// What lists of runs show of a run.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Summary {
    /// Name of the preset.
    pub preset: String,
    /// Hub id or folder of the model.
    pub model: String,
    /// The preset's description.
    pub about: String,
    /// Task or file trained on.
    pub data: String,
    /// `cpu`, `cuda:N`, or of several ranks `4 x cuda`.
    pub device: String,
    /// Whether the model is a language model.
    pub writes: bool,
    /// Optimizer steps taken.
    pub step: u64,
    /// Optimizer steps of the whole run; 0 before it is known.
    pub steps: u64,
    /// Passes over the training examples of the whole run; 0 before it is known.
    pub epochs: f64,
    /// `train.max_steps` of the preset; 0 without a limit, or where the preset is unknown.
    pub max_steps: u64,
    /// Training time in seconds.
    pub elapsed: f64,
    pub loss: MeanCurve,
    /// The loss of the latest step.
    pub last_loss: Option<f64>,
    pub end: Option<RunEnd>,
    /// Name of the score that decides which evaluation is best.
    deciding: String,
    best: Option<Eval>,
}

/// The score of the best evaluation.
#[derive(Clone, Debug, PartialEq)]
pub struct BestScore<'a> {
    /// Name of the score.
    pub name: &'a str,
    pub score: f64,
    /// Optimizer steps taken before the evaluation.
    pub step: u64,
}

impl Summary {
    /// The summary of a run with this history. What only the preset has is left out.
    pub fn of(history: &History) -> Summary {
        let started = |field: fn(&Started) -> &String| history.started.as_ref().map(field).cloned().unwrap_or_default();
        let loss = history.step.as_ref().map(|step| step.loss);
        Summary {
            preset: started(|started| &started.preset),
            model: started(|started| &started.model),
            about: started(|started| &started.about),
            data: started(|started| &started.data),
            device: history.started.as_ref().map(|started| started.devices(None)).unwrap_or_default(),
            writes: history.started.as_ref().is_some_and(|started| started.writes),
            deciding: started(|started| &started.best),
            step: history.taken,
            steps: history.steps,
            epochs: history.started.as_ref().map_or(0.0, |started| started.epochs),
            max_steps: 0,
            elapsed: history.elapsed(),
            loss: history.mean_loss.clone(),
            last_loss: loss.filter(|loss| loss.is_finite()),
            end: history.end.clone(),
            best: history.best().cloned(),
        }
    }

    /// The best evaluation by the deciding score, or by the first one where that is missing.
    pub fn best(&self) -> Option<BestScore<'_>> {
        let eval = self.best.as_ref()?;
        let first = || eval.scores.iter().next().map(|(name, score)| (name.as_str(), *score));
        let deciding = eval.score(&self.deciding).map(|score| (self.deciding.as_str(), score));
        let (name, score) = deciding.or_else(first)?;
        Some(BestScore { name, score, step: eval.step })
    }
}

impl BestScore<'_> {
    /// Orders runs by this score: the higher, the better.
    pub fn rank(&self) -> f64 {
        if lower_is_better(self.name) { -self.score } else { self.score }
    }
}
