//! The precision of a run's products, `train.matmul`: what cannot be had is refused, and the log says what it is worth here.

use anyhow::Result;

use crate::Usage;
use crate::device::Chosen;
use crate::device::matmul::{MatmulPrecision, Unsupported};
use crate::model::{Network, ParameterSpec};
use crate::preset::{Dtype, Preset};
use crate::protocol::{Event, TrainingMethod};
use crate::session::Port;

/// Sets the precision until it is dropped.
///
/// # Errors
/// [`Usage`]: the device does not have it.
pub fn set(preset: &Preset, chosen: &Chosen) -> Result<MatmulPrecision> {
    let matmul = preset.train.matmul;
    MatmulPrecision::set(matmul, chosen.device).map_err(|error| match error.downcast_ref::<Unsupported>() {
        Some(unsupported) => Usage(format!("train.matmul = \"{}\": {unsupported}", matmul.name())).into(),
        None => error,
    })
}

/// Says how long products take in this precision, measured with the largest weight of a linear layer, or that it has no effect.
///
/// # Errors
/// libtorch's.
pub fn report(precision: &MatmulPrecision, preset: &Preset, network: &Network, port: &Port) -> Result<()> {
    let name = preset.train.matmul.name();
    if precision.is_ignored() {
        port.emit(Event::warning(format!("train.matmul = \"{name}\" needs a GPU: products are in f32 on this CPU")));
    } else if preset.model.dtype == Dtype::Bf16 && precision.is_reduced() {
        let adapters = if preset.method == TrainingMethod::Lora { " but on LoRA's adapters" } else { "" };
        port.emit(Event::info(format!(
            "train.matmul = \"{name}\" has no effect{adapters}: model.dtype = \"bf16\", and products of bf16 matrices are bf16"
        )));
    } else if let Some(weight) = largest_weight(network.parameters.specs())
        && let Some(speed) = precision.measure(weight)?
    {
        port.emit(match speed.is_slower() {
            true => Event::warning(format!("matmul: {speed}; train.matmul = \"f32\" is faster")),
            false => Event::info(format!("matmul: {speed}")),
        });
    }
    Ok(())
}

/// The shape `[out, in]` of the largest weight in the blocks.
fn largest_weight(specs: &[ParameterSpec]) -> Option<[i64; 2]> {
    let weights = specs.iter().filter(|spec| spec.is_linear() && !spec.lm_head);
    let shapes = weights.filter_map(|spec| <[i64; 2]>::try_from(&spec.shape[..]).ok());
    shapes.max_by_key(|[outputs, inputs]| outputs * inputs)
}
