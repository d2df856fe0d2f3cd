//! A batch goes to the device.

use tch::{Device, Kind, Tensor};

use crate::data::{self, Batch};
use crate::model::{Inputs, LossTargets};

/// A batch on the device.
pub struct DeviceBatch {
    /// What the model is given.
    pub inputs: Inputs,
    /// What it should make of it.
    pub targets: LossTargets,
}

impl DeviceBatch {
    /// Copies a batch.
    pub fn new(batch: &Batch, device: Device) -> DeviceBatch {
        let shape = [batch.rows as i64, batch.length as i64];
        // The host need not wait for a copy: CUDA has taken what is in pageable memory when the call returns.
        let sent = |tensor: Tensor, kind: Kind| tensor.to_device_(device, kind, true, false);
        let vector = |values: &[i64]| sent(Tensor::from_slice(values), Kind::Int64);
        let matrix = |values: &[i64]| vector(values).reshape(shape);
        // Known from the lengths, so that no one has to ask the device.
        let plain = batch.position_ids.is_none() && batch.tokens == (batch.rows * batch.length) as u64;
        let inputs = Inputs {
            input_ids: matrix(&batch.input_ids),
            token_type_ids: matrix(&batch.token_type_ids),
            sequence_ids: (!plain).then(|| matrix(&batch.sequence_ids)),
            position_ids: batch.position_ids.as_deref().map(matrix),
        };
        let targets = match &batch.targets {
            data::BatchLabels::Classes(classes) => LossTargets::Classes(vector(classes)),
            data::BatchLabels::Scores(scores) => LossTargets::Scores(sent(Tensor::from_slice(scores), Kind::Float)),
            data::BatchLabels::Tokens { places, next } => {
                LossTargets::Tokens { positions: vector(places), labels: vector(next) }
            }
        };
        DeviceBatch { inputs, targets }
    }
}
