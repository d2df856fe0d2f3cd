//! The curves of a run that is compared: a copy of its history's, in bounded memory, that a screen can keep while the
//! history is read on.

use std::collections::BTreeMap;

use crate::runs::{History, SmoothedSeries};
use crate::series::Series;

/// Buckets of a curve: more than a terminal has dots in a row, and few enough for a screen of all metrics of eight runs.
const MOST: usize = 512;

/// The curves of a run, and how far it is.
#[derive(Clone, Default)]
pub struct RunCurves {
    pub loss: SmoothedSeries,
    pub eval_loss: Series,
    /// By name of the score.
    pub scores: BTreeMap<String, Series>,
    pub mass: Series,
    /// Mean relative update of the targets, in percent.
    pub update: Series,
    pub learning_rate: Series,
    pub grad_norm: SmoothedSeries,
    pub throughput: SmoothedSeries,
    /// GPU memory where there is a GPU, else the resident set of the process.
    pub memory: Series,
    /// Whether the memory is that of a GPU.
    pub gpu: bool,
    /// Name of the score that the best checkpoint is chosen by.
    pub best: String,
    /// Optimizer steps taken.
    pub taken: u64,
    /// Optimizer steps that it will have taken at its end: those planned, or those taken once it has ended.
    pub steps: u64,
    /// Training time in seconds.
    pub elapsed: f64,
}

impl RunCurves {
    /// The curves of a run as they are now.
    pub fn of(run: &History) -> RunCurves {
        RunCurves {
            loss: run.loss.coarsened(MOST),
            eval_loss: run.eval_loss.coarsened(MOST),
            scores: run.scores.iter().map(|(name, score)| (name.clone(), score.coarsened(MOST))).collect(),
            mass: run.mass.coarsened(MOST),
            update: run.update.coarsened(MOST),
            learning_rate: run.learning_rate.coarsened(MOST),
            grad_norm: run.grad_norm.coarsened(MOST),
            throughput: run.throughput.coarsened(MOST),
            memory: run.memory.coarsened(MOST),
            gpu: run.system.as_ref().is_some_and(|system| system.gpu.is_some()),
            best: run.started.as_ref().map(|started| started.best.clone()).unwrap_or_default(),
            taken: run.taken,
            steps: if run.end.is_some() { run.taken } else { run.steps.max(run.taken) },
            elapsed: run.elapsed(),
        }
    }
}
