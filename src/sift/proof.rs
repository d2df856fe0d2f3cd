//! The method's kernels on a device, once they have proven that they give what tensor operations give there: a small random case.

use std::sync::OnceLock;

use tch::{Device, Kind, Tensor};

use super::adamw::{AdamW, SparseDecay, UpdateGate};
use super::flat_gradient::FlatGradient;
use super::fused::{METHOD, SlotGradient};
use super::selected::{Blocks, Grid, Selected};
use super::state::TrainableParameter;
use super::values::Values;
use crate::kernels::cuda::{GPUS, Processor};

/// Where the kernels run for parameters on this device.
///
/// # Errors
/// Why they do not run there: they cannot be compiled, or do not give what tensor operations give.
pub fn kernels(device: Device) -> Result<Processor, String> {
    let processor = METHOD.on(device)?;
    if let Device::Cuda(number) = device {
        static PROVEN: [OnceLock<Result<(), String>>; GPUS] = [const { OnceLock::new() }; GPUS];
        PROVEN[number].get_or_init(|| prove(processor, device)).clone()?;
    }
    Ok(processor)
}

/// Whether the kernels can be used on this device.
///
/// # Errors
/// Why they cannot.
pub fn check_kernels(device: Device) -> Result<(), String> {
    prove(kernels(device)?, device)
}

/// Compares two steps of parameters of both types, with each structure.
///
/// # Errors
/// What differs.
fn prove(processor: Processor, device: Device) -> Result<(), String> {
    for (weights, gradient) in
        [(Kind::Float, Kind::Float), (Kind::BFloat16, Kind::Float), (Kind::BFloat16, Kind::BFloat16)]
    {
        let parameters = || parameters(weights, device);
        let (by_kernels, by_tensors) = (parameters(), parameters());
        let processors = [Ok(processor), Err("compared with".to_owned())];
        let mut sides =
            [(&by_kernels, &processors[0]), (&by_tensors, &processors[1])].map(|(parameters, processor)| {
                let values = Values::new(parameters, processor.clone(), SparseDecay::TowardPretrained(0.1));
                let gradient = FlatGradient::new(values.slots().to_vec(), gradient, device, processor);
                (values, gradient)
            });
        for step in 0..2 {
            let squares: Vec<Tensor> =
                sides.iter_mut().map(|(values, gradient)| take_step(values, gradient, weights, step)).collect();
            same("squares", &squares[0], &squares[1], 1e-5)?;
        }
        let [a, b] = sides.each_ref().map(|(values, _)| values.state());
        same("master values", &a.master, &b.master, 1e-6)?;
        same("first moments", &a.first_moment, &b.first_moment, 1e-5)?;
        same("second moments", &a.second_moment, &b.second_moment, 1e-5)?;
        for (a, b) in by_kernels.iter().zip(&by_tensors) {
            let tolerance = if weights == Kind::Float { 1e-6 } else { 1e-2 };
            same(&a.name, &a.weights, &b.weights, tolerance)?;
        }
    }
    Ok(())
}

/// Parameters with the same random weights at each call.
fn parameters(kind: Kind, device: Device) -> Vec<TrainableParameter> {
    let list = |numbers: &[i64]| Tensor::from_slice(numbers).to_device(device);
    let shape = [24, 40];
    let selected = [
        ("entries", Some(Selected::entries(&Tensor::arange_start_step(3, 960, 7, (Kind::Int64, device)), &shape))),
        ("columns", Some(Selected::Grid(Grid::of_columns(shape, &list(&[0, 5, 39]))))),
        ("rows and columns", Some(Selected::Grid(Grid::of_both(shape, &list(&[1, 23]), &list(&[2, 3, 38]))))),
        ("blocks", Some(Selected::Blocks(Blocks::new(shape, [4, 8], &list(&[1, 7, 29]))))),
        ("bias", Some(Selected::entries(&list(&[2]), &[40]))),
        ("dense", None),
    ];
    let parameters = selected.into_iter().enumerate().map(|(number, (name, selected))| {
        let shape = if name == "bias" { vec![40] } else { shape.to_vec() };
        let weights = random(&shape, number as u64, device).to_kind(kind);
        TrainableParameter { name: name.to_owned(), weights, selected }
    });
    parameters.collect()
}

/// Numbers in −1 to 1 that depend on nothing but the seed: libtorch's generators stay as they are.
pub(super) fn random(shape: &[i64], seed: u64, device: Device) -> Tensor {
    let mut state = seed + 1;
    let numbers = (0..shape.iter().product::<i64>()).map(|_| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / (1u64 << 23) as f32 - 1.0
    });
    Tensor::from_slice(&numbers.collect::<Vec<f32>>()).view(shape).to_device(device)
}

fn take_step(values: &mut Values, gradient: &mut FlatGradient, kind: Kind, step: u64) -> Tensor {
    let device = gradient.sum().device();
    gradient.zero();
    let gradients: Vec<(usize, SlotGradient)> = values
        .slots()
        .iter()
        .enumerate()
        .map(|(number, slot)| {
            let of = |shape: &[i64]| random(shape, 100 * step + number as u64, device).to_kind(kind);
            let gradient = match slot.shape[..] {
                [width] => SlotGradient::Output(of(&[300, width])),
                _ => SlotGradient::Whole(of(&slot.shape)),
            };
            (number, gradient)
        })
        .collect();
    gradient.accumulate(&gradients);
    let whole: Vec<(usize, &Tensor)> = gradients
        .iter()
        .filter_map(|(slot, gradient)| match gradient {
            SlotGradient::Whole(whole) => Some((*slot, whole)),
            _ => None,
        })
        .collect();
    let squares = gradient.squares(&whole);
    let adamw =
        AdamW { betas: (0.9, 0.999), eps: 1e-8, sparse_decay: SparseDecay::TowardPretrained(0.1), dense_decay: 0.1 };
    let gate =
        UpdateGate { scale: Tensor::from(0.5f32).to_device(device), apply: Tensor::from(true).to_device(device) };
    values.update(gradient.sum(), &adamw, 1e-2, &gate);
    squares
}

/// Whether two tensors are the same but for rounding.
fn same(what: &str, a: &Tensor, b: &Tensor, tolerance: f64) -> Result<(), String> {
    let (a, b) = (a.to_kind(Kind::Double), b.to_kind(Kind::Double));
    let off = ((&a - &b).abs() / (b.abs() + 1e-3)).max().double_value(&[]);
    // NaN is not within any tolerance.
    if off <= tolerance { Ok(()) } else { Err(format!("{what}: off by {off:.1e}, relatively")) }
}
