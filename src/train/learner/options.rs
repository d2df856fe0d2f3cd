//! How a learner takes its steps, and what a step yields.

use crate::model::backward::BackwardOptions;
use crate::model::mixed;
use crate::preset::Preset;
use crate::sift::{AdamW, GradientMass, SparseDecay};

/// How to train.
#[derive(Clone, Debug)]
pub struct LearnerOptions {
    pub adamw: AdamW,
    /// Largest norm of the gradient.
    pub clip: Option<f64>,
    /// Whether dropout is on, with the probabilities of the model's config.
    pub dropout: bool,
    /// Whether gradient checkpointing is on.
    pub checkpointing: bool,
    /// Steps in which the gradient mass of each target is measured once.
    pub probe_every: u64,
    /// Micro-batches of a step.
    pub micro_batches: usize,
    /// Seed of dropout.
    pub seed: u64,
}

/// The result of one optimizer step.
#[derive(Clone, Debug)]
pub struct StepResult {
    /// Counted from 0.
    pub step: u64,
    pub learning_rate: f64,
    /// Without padding.
    pub tokens: u64,
    /// Mean loss over the step's examples, before the update.
    pub loss: f64,
    /// L2 norm of the gradient before clipping.
    pub grad_norm: f64,
    /// Gradient mass covered by the selection; only in the last step of a probe round.
    pub mass: Option<GradientMass>,
}

impl LearnerOptions {
    /// The options in a preset.
    pub(crate) fn of(preset: &Preset) -> LearnerOptions {
        let (sift, train) = (&preset.sift, &preset.train);
        let sparse_decay = if sift.decay > 0.0 { SparseDecay::TowardPretrained(sift.decay) } else { SparseDecay::None };
        LearnerOptions {
            adamw: AdamW { betas: (0.9, 0.999), eps: 1e-8, sparse_decay, dense_decay: train.weight_decay },
            clip: train.max_grad_norm(),
            dropout: true,
            checkpointing: train.gradient_checkpointing,
            probe_every: sift.probe_every,
            micro_batches: train.accumulate,
            seed: train.seed,
        }
    }

    /// The backward pass of a step, counted from 0. All its randomness follows from the seed and the step.
    pub fn backward(&self, step: u64) -> BackwardOptions {
        BackwardOptions { training: self.dropout, checkpointing: self.checkpointing, seed: mixed(self.seed, step) }
    }
}
