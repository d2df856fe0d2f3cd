//! The shape of a training step: everything its memory depends on besides the network.

use tch::{Device, Kind};

use crate::model::by_onednn;
use crate::preset::{DataSource, Offload, Preset};

/// The shape of a training step.
#[derive(Clone, Copy, Debug)]
pub struct StepShape {
    /// Bytes of a weight.
    pub dtype: u64,
    pub gpu: bool,
    /// Examples of a micro-batch.
    pub rows: u64,
    /// Tokens of the longest example.
    pub length: u64,
    /// Whether gradient checkpointing is on.
    pub checkpointing: bool,
    /// Whether the weights of blocks are off the device.
    pub offload: bool,
    /// Processes with a part of each micro-batch, of which this is one.
    pub ranks: u64,
    /// Whether each of them keeps a part of the weights of blocks.
    pub shard: bool,
    /// Whether several examples share a row.
    pub packed: bool,
    /// Whether dropout is on, with the probabilities of the model's config.
    pub dropout: bool,
    /// Micro-batches whose gradient selects the components; `None` for those of a step. Gradients of several are kept and summed.
    pub selection_batches: Option<u64>,
    /// Whether linear layers run on oneDNN ([`by_onednn`]) and keep their inputs.
    pub keeps_inputs: bool,
    /// Micro-batches of a step. A GPU keeps the gradient of several in fp32, that of one in the weights' type.
    pub micro_batches: u64,
    /// How often a run selects again, at most.
    pub reselections: u64,
    /// Whether steps need the pre-trained values of selected components, which decay toward them.
    pub decays: bool,
}

impl StepShape {
    /// The steps of a preset, with micro-batches of `train.batch` rows of `length` tokens; where it selects again, it does so once.
    pub fn of(preset: &Preset, gpu: bool, length: u64) -> StepShape {
        let (sift, train) = (&preset.sift, &preset.train);
        let kind = Kind::from(preset.model.dtype);
        StepShape {
            checkpointing: train.gradient_checkpointing,
            // On a CPU it has no effect.
            offload: gpu && train.offload == Offload::Weights,
            shard: train.shard,
            selection_batches: sift.batches.map(|batches| batches as u64),
            micro_batches: train.accumulate as u64,
            reselections: u64::from(sift.reselect_every > 0),
            decays: sift.decay > 0.0,
            packed: matches!(&preset.data.source, DataSource::Instructions(data) if data.packing),
            ..StepShape::single(kind, gpu, train.batch as u64, length)
        }
    }

    /// Steps of one micro-batch, with dropout and without gradient checkpointing, whose components one micro-batch selects.
    pub fn single(kind: Kind, gpu: bool, rows: u64, length: u64) -> StepShape {
        StepShape {
            dtype: kind.elt_size_in_bytes() as u64,
            gpu,
            rows,
            length,
            checkpointing: false,
            offload: false,
            ranks: 1,
            packed: false,
            shard: false,
            dropout: true,
            selection_batches: Some(1),
            keeps_inputs: keeps_inputs(kind, gpu, rows, length),
            micro_batches: 1,
            reselections: 0,
            decays: false,
        }
    }

    /// The same steps with micro-batches of so many rows and tokens.
    pub fn with_micro_batch(self, rows: u64, length: u64) -> StepShape {
        let kind = if self.dtype == 4 { Kind::Float } else { Kind::BFloat16 };
        StepShape { rows, length, keeps_inputs: keeps_inputs(kind, self.gpu, rows, length), ..self }
    }

    /// The step as a rank computes it: its part of the rows, all of which are as long as the longest.
    pub fn of_rank(self) -> StepShape {
        if self.ranks == 1 { self } else { self.with_micro_batch(self.rows.div_ceil(self.ranks), self.length) }
    }

    /// Ranks that weights are sharded over; `None` where this process has all of them.
    pub fn shards(&self) -> Option<usize> {
        (self.shard && self.ranks > 1).then_some(usize::try_from(self.ranks).unwrap_or(usize::MAX))
    }

    /// Examples of an optimizer step.
    pub fn examples(&self) -> u64 {
        self.rows.saturating_mul(self.micro_batches)
    }

    /// The same examples of a step in micro-batches of so many rows, which divide them.
    pub fn split(self, rows: u64) -> StepShape {
        StepShape { micro_batches: self.examples() / rows, ..self.with_micro_batch(rows, self.length) }
    }
}

fn keeps_inputs(kind: Kind, gpu: bool, rows: u64, length: u64) -> bool {
    !gpu && by_onednn(Device::Cpu, kind, rows.saturating_mul(length).min(1 << 40) as i64)
}
