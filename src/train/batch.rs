//! A batch goes to the device, and its logits become a loss.

use tch::{Device, Kind, Reduction, Tensor};

use crate::data::{Batch, Targets};
use crate::model::Inputs;

/// A batch on the device.
pub struct Loaded {
    /// What the model is given.
    pub inputs: Inputs,
    /// int64 classes or fp32 scores, `[rows]`.
    pub targets: Tensor,
}

impl Loaded {
    /// Copies a batch.
    pub fn new(batch: &Batch, device: Device) -> Loaded {
        let shape = [batch.rows as i64, batch.length as i64];
        let matrix = |values: &[i64]| Tensor::from_slice(values).reshape(shape).to_device(device);
        // Known from the lengths, so that no one has to ask the device.
        let padded = batch.tokens != (batch.rows * batch.length) as u64;
        let inputs = Inputs {
            input_ids: matrix(&batch.input_ids),
            token_type_ids: matrix(&batch.token_type_ids),
            attention_mask: padded.then(|| matrix(&batch.attention_mask).to_kind(Kind::Bool)),
        };
        let targets = match &batch.targets {
            Targets::Classes(classes) => Tensor::from_slice(classes),
            Targets::Scores(scores) => Tensor::from_slice(scores),
        };
        Loaded { inputs, targets: targets.to_device(device) }
    }

    /// Sum of the rows' losses, fp32: cross-entropy for classes, the squared error for scores. `logits` are `[rows, labels]`.
    pub fn loss(&self, logits: &Tensor) -> Tensor {
        self.reduced(logits, Reduction::Sum)
    }

    /// The rows' losses one by one, fp32 `[rows]`.
    pub fn losses(&self, logits: &Tensor) -> Tensor {
        self.reduced(logits, Reduction::None)
    }

    fn reduced(&self, logits: &Tensor, reduction: Reduction) -> Tensor {
        let logits = logits.to_kind(Kind::Float);
        match self.targets.kind() {
            Kind::Int64 => logits.cross_entropy_loss::<Tensor>(&self.targets, None, reduction, -100, 0.0),
            _ => logits.squeeze_dim(-1).mse_loss(&self.targets, reduction),
        }
    }
}
