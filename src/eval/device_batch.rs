//! Copies a batch to the device.

use tch::{Device, Kind, Tensor};

use crate::data::{self, Batch};
use crate::device::copies::page_locked;
use crate::model::{Inputs, LossTargets, Unpadded};

/// A batch on the device.
pub struct DeviceBatch {
    pub inputs: Inputs,
    pub targets: LossTargets,
}

impl DeviceBatch {
    pub fn new(batch: &Batch, device: Device) -> DeviceBatch {
        let shape = [batch.rows as i64, batch.length as i64];
        // Steps are launched ahead of the GPU, so the host must not wait until it gets to a copy, as it does for large ones from other memory.
        let copied = |tensor: Tensor, kind: Kind| {
            let tensor = if device.is_cuda() { page_locked(tensor) } else { tensor };
            tensor.to_device_(device, kind, true, false)
        };
        let vector = |values: &[i64]| copied(Tensor::from_slice(values), Kind::Int64);
        let matrix = |values: &[i64]| vector(values).reshape(shape);
        // Without padding the model needs no mask. The lengths show it without asking the device.
        let packed = batch.position_ids.is_some();
        let full = !packed && batch.tokens == (batch.rows * batch.length) as u64;
        let inputs = Inputs {
            input_ids: matrix(&batch.input_ids),
            token_type_ids: matrix(&batch.token_type_ids),
            sequence_ids: (!full).then(|| matrix(&batch.sequence_ids)),
            position_ids: batch.position_ids.as_deref().map(matrix),
            unpadded: if full { None } else { Unpadded::new(&batch.sequence_ids, batch.length, packed, device) },
        };
        let targets = match &batch.labels {
            data::BatchLabels::Classes(classes) => LossTargets::Classes(vector(classes)),
            data::BatchLabels::Scores(scores) => LossTargets::Scores(copied(Tensor::from_slice(scores), Kind::Float)),
            data::BatchLabels::Tokens { positions: places, labels: next } => {
                LossTargets::Tokens { positions: vector(places), labels: vector(next) }
            }
        };
        DeviceBatch { inputs, targets }
    }
}
