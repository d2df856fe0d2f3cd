//! The proof that the kernels in CUDA C give what tensor operations give on a GPU, before they are used.

use tch::{Device, Kind, Tensor, no_grad};

use super::{Kernels, RowNumbers};
use crate::kernels::cuda::Processor;
use crate::kernels::{Dropout, Rotation};

/// Compares small cases in both types.
///
/// # Errors
/// What differs.
pub fn of(processor: Processor, device: Device) -> Result<(), String> {
    no_grad(|| {
        compare(processor, device, Kind::Float, 1e-5)?;
        compare(processor, device, Kind::BFloat16, 2e-2)
    })
}

fn compare(processor: Processor, device: Device, kind: Kind, most: f64) -> Result<(), String> {
    let kernels = Kernels::Compiled(processor);
    // Numbers that depend on no generator, so that libtorch's stays as it is.
    let numbers = |shape: &[i64], step: f64| {
        let count = shape.iter().product::<i64>();
        (Tensor::arange(count, (Kind::Float, device)) * step).sin().view(shape).to_kind(kind)
    };
    let close = |got: &Tensor, expected: &Tensor| {
        let off = (got.to_kind(Kind::Double) - expected.to_kind(Kind::Double)).abs().max();
        let size = expected.to_kind(Kind::Double).abs().max();
        // NaN is not close.
        (off / size).double_value(&[]) <= most
    };
    let wide = |tensor: &Tensor| tensor.to_kind(Kind::Double);
    let (x, weight, dy) = (numbers(&[5, 3, 200], 0.7), numbers(&[200], 1.3), numbers(&[5, 3, 200], 0.4));
    let (normed, scales) = kernels.rms_norm(&x, &weight, 1e-6);
    let scale = (wide(&x).square().mean_dim(Some(&[-1i64][..]), true, Kind::Double) + 1e-6).rsqrt();
    let through = wide(&dy) * wide(&weight);
    let mean = (&through * wide(&x)).mean_dim(Some(&[-1i64][..]), true, Kind::Double);
    let of_x = &scale * (through - wide(&x) * scale.square() * mean);
    let normed = close(&normed, &(wide(&x) * &scale * wide(&weight)))
        && close(&kernels.rms_norm_backward(&dy, &x, &weight, &scales), &of_x);

    let (mut gate, mut up) = (x.copy(), numbers(&[5, 3, 200], 0.9));
    let sigmoid = wide(&gate).sigmoid();
    let of_up = wide(&dy) * wide(&gate) * &sigmoid;
    let of_gate = wide(&dy) * wide(&up) * &sigmoid * (1.0 + wide(&gate) * (1.0 - &sigmoid));
    let gated = close(&kernels.swiglu(&gate, &up), &(wide(&gate) * &sigmoid * wide(&up)));
    kernels.swiglu_backward(&dy, &mut gate, &mut up);
    let gated = gated && close(&gate, &of_gate) && close(&up, &of_up);

    let (queries, angles) = (numbers(&[2, 7, 3, 10], 0.7), numbers(&[1, 1, 7, 5], 0.3));
    let (cosines, sines) = (angles.cos(), angles.sin());
    let turned = kernels.rotate(&queries, [&cosines, &sines], Rotation::Forward);
    let halves = wide(&queries).transpose(1, 2).chunk(2, -1);
    let (a, b, cos, sin) = (&halves[0], &halves[1], wide(&cosines), wide(&sines));
    let expected = Tensor::cat(&[a * &cos - b * &sin, b * &cos + a * &sin], -1).transpose(1, 2);
    let back = kernels.rotate(&turned, [&cosines, &sines], Rotation::Backward);
    let rotated = close(&turned, &expected) && close(&back, &wide(&queries));

    let (mask, host) = (Dropout::new(0.3, 0x0123_4567_89ab_cdef), x.to_device(Device::Cpu).to_kind(Kind::Float));
    let masked = kernels.dropout(&x, mask, &RowNumbers::padded(&x)).to_device(Device::Cpu);
    let expected = Kernels::Vectors.dropout(&host, mask, &RowNumbers::padded(&host)).to_kind(kind);
    let agreements =
        [("RMS norm", normed), ("SwiGLU", gated), ("rotary embeddings", rotated), ("dropout", masked.equal(&expected))];
    match agreements.iter().find(|(_, agrees)| !agrees) {
        Some((what, _)) => Err(format!("{what} in {kind:?} differs from tensor operations")),
        None => Ok(()),
    }
}
