//! The fixed set of examples whose loss is measured at every point.

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use tch::{Device, Kind, Tensor};

use crate::data::Tokenized;
use crate::eval::DeviceBatch;
use crate::model::Network;
use crate::model::backward::{self, BackwardOptions, GradTargets, Gradient};
use crate::sift::sampled;

/// Examples on the device. Their mean loss is a function of the weights alone: they stay the same, and dropout is off.
pub struct FixedBatches {
    batches: Vec<DeviceBatch>,
    /// Number of examples.
    pub examples: usize,
    /// Classes, scores or tokens to predict: the loss is their mean.
    pub targets: usize,
    /// Recompute activations in the backward pass.
    checkpointing: bool,
}

/// How examples become batches.
#[derive(Clone, Copy, Debug)]
pub struct Batching {
    /// Examples to draw; all if there are fewer.
    pub examples: usize,
    /// Examples of a batch.
    pub batch: usize,
    /// The token that rows are padded with.
    pub pad_id: i64,
    /// Seed of the draw.
    pub seed: u64,
    /// Recompute activations in the backward pass (gradient checkpointing).
    pub checkpointing: bool,
}

impl FixedBatches {
    /// Draws examples at random, and batches them by length.
    pub fn draw(examples: &Tokenized, batching: Batching, device: Device) -> FixedBatches {
        let lengths = examples.lengths();
        let mut drawn: Vec<usize> = (0..lengths.len()).collect();
        drawn.shuffle(&mut ChaCha8Rng::seed_from_u64(batching.seed));
        drawn.truncate(batching.examples);
        // The longest first, so that memory runs out at once if at all.
        drawn.sort_by_key(|&index| (std::cmp::Reverse(lengths[index]), index));
        let collated: Vec<_> =
            drawn.chunks(batching.batch).map(|rows| examples.collate(rows, batching.pad_id)).collect();
        FixedBatches {
            batches: collated.iter().map(|batch| DeviceBatch::new(batch, device)).collect(),
            examples: drawn.len(),
            targets: collated.iter().map(|batch| batch.labels.count()).sum(),
            checkpointing: batching.checkpointing,
        }
    }

    /// The mean loss at the network's current weights.
    pub fn loss(&self, network: &Network) -> f64 {
        let of_batch = |batch: &DeviceBatch| {
            let output = network.output(&batch.inputs);
            network.objective(&batch.targets, 1.0).loss(&output).double_value(&[])
        };
        self.batches.iter().map(of_batch).sum::<f64>() / self.targets as f64
    }

    /// The gradient of the mean loss, batch by batch and one parameter at a time: `visit` gets a slot of `targets` and its part
    /// of the gradient, in the parameter's shape.
    pub fn gradients(&self, network: &Network, targets: &GradTargets, mut visit: impl FnMut(usize, &Tensor)) {
        let options = BackwardOptions { training: false, checkpointing: self.checkpointing, seed: 0 };
        for batch in &self.batches {
            let chain = network.segments(&batch.inputs);
            let objective = network.objective(&batch.targets, 1.0 / self.targets as f64);
            let _ = backward::gradients(&*chain, targets, options, &objective, &mut |gradients| {
                for gradient in gradients {
                    match gradient {
                        Gradient::Linear { slots, x, dy } => {
                            if let Some(slot) = slots.weight {
                                visit(slot, &sampled::dense_gradient(&x, &dy));
                            }
                            if let Some(slot) = slots.bias {
                                visit(slot, &dy.sum_dim_intlist(Some(&[0i64][..]), false, Kind::Float));
                            }
                        }
                        Gradient::Leaf { slot, gradient } => visit(slot, &gradient),
                    }
                }
            });
        }
    }
}
