//! The curves of a run that is compared: a copy of its history's, in bounded memory, that a screen can keep while the
//! history is read on.

use std::collections::BTreeMap;

use crate::runs::{History, SmoothedSeries};
use crate::series::Series;

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
            loss: run.loss.clone(),
            eval_loss: run.eval_loss.clone(),
            scores: run.scores.clone(),
            mass: run.mass.clone(),
            update: run.update.clone(),
            learning_rate: run.learning_rate.clone(),
            grad_norm: run.grad_norm.clone(),
            throughput: run.throughput.clone(),
            memory: run.memory.clone(),
            gpu: run.system.as_ref().is_some_and(|system| system.gpu.is_some()),
            best: run.started.as_ref().map(|started| started.best.clone()).unwrap_or_default(),
            taken: run.taken,
            steps: if run.end.is_some() { run.taken } else { run.steps.max(run.taken) },
            elapsed: run.elapsed(),
        }
    }
}
