//! Which kernels compute an operation: for fp32 on a CPU those on vector registers, for bf16, and on a GPU, those in CUDA C.

mod proof;

use std::ffi::c_void;
use std::ptr;
use std::sync::{LazyLock, OnceLock};

use tch::{Device, Kind, Tensor};
use tracing::trace_span;

use super::row_numbers::RowNumbers;
use crate::kernels::cuda::{CHUNK, GPUS, Kernel, Processor, Program, THREADS, data, kind_number};
use crate::kernels::slices::{as_f32, as_f32_mut};
use crate::kernels::{self, DRAWN, Dropout, InstructionSet, Rotation};

pub static INSTRUCTIONS: LazyLock<InstructionSet> = LazyLock::new(InstructionSet::best);

/// The kernels in CUDA C.
static NETWORK: Program = Program::new(
    "network",
    include_str!("network.cu"),
    &[RMS_NORM.name, RMS_NORM_BACKWARD.name, SWIGLU.name, SWIGLU_BACKWARD.name, ROTATE.name, DROPOUT.name],
);

const RMS_NORM: Kernel<RmsNormArguments> = Kernel { name: c"finesift_rms_norm", on_cpu: finesift_rms_norm };
const RMS_NORM_BACKWARD: Kernel<RmsNormArguments> =
    Kernel { name: c"finesift_rms_norm_backward", on_cpu: finesift_rms_norm_backward };
const SWIGLU: Kernel<SwiGluArguments> = Kernel { name: c"finesift_swiglu", on_cpu: finesift_swiglu };
const SWIGLU_BACKWARD: Kernel<SwiGluArguments> =
    Kernel { name: c"finesift_swiglu_backward", on_cpu: finesift_swiglu_backward };
const ROTATE: Kernel<RotaryArguments> = Kernel { name: c"finesift_rotate", on_cpu: finesift_rotate };
const DROPOUT: Kernel<DropoutArguments> = Kernel { name: c"finesift_dropout", on_cpu: finesift_dropout };

unsafe extern "C" {
    fn finesift_rms_norm(arguments: &RmsNormArguments, block: i64);
    fn finesift_rms_norm_backward(arguments: &RmsNormArguments, block: i64);
    fn finesift_swiglu(arguments: &SwiGluArguments, block: i64);
    fn finesift_swiglu_backward(arguments: &SwiGluArguments, block: i64);
    fn finesift_rotate(arguments: &RotaryArguments, block: i64);
    fn finesift_dropout(arguments: &DropoutArguments, block: i64);
}

/// The kernels for some operands.
#[derive(Clone, Copy)]
pub enum Kernels {
    /// On vector registers.
    Vectors,
    /// In CUDA C, compiled for this processor.
    Compiled(Processor),
}

impl Kernels {
    /// Those for operands of one type on one device, contiguous; `None` where tensor operations have to do.
    pub fn of(operands: &[&Tensor]) -> Option<Kernels> {
        let (kind, device) = (operands[0].kind(), operands[0].device());
        let alike = |tensor: &&Tensor| tensor.kind() == kind && tensor.device() == device && tensor.is_contiguous();
        if !operands.iter().all(alike) {
            return None;
        }
        match (device, kind) {
            (Device::Cpu, Kind::Float) => Some(Kernels::Vectors),
            (Device::Cpu | Device::Cuda(_), Kind::Float | Kind::BFloat16) => {
                processor(device).ok().map(Kernels::Compiled)
            }
            _ => None,
        }
    }

    /// x `[…, width]` normalized and weighted, and the scale of each row, fp32 `[…]`.
    pub fn rms_norm(self, x: &Tensor, weight: &Tensor, eps: f64) -> (Tensor, Tensor) {
        let mut output = x.empty_like();
        let mut scales = Tensor::empty(&x.size()[..x.dim() - 1], (Kind::Float, x.device()));
        let _span = trace_span!("kernel rms norm").entered();
        match self {
            Kernels::Vectors => {
                let (out, of_rows) = (as_f32_mut(&mut output), as_f32_mut(&mut scales));
                kernels::rms_norm(*INSTRUCTIONS, as_f32(x), as_f32(weight), eps as f32, out, of_rows);
            }
            Kernels::Compiled(processor) => {
                let arguments = RmsNormArguments::new([x, weight, &output, &scales], None, eps);
                // SAFETY: all operands have rows of the same width, and `scales` a place for each.
                unsafe { processor.launch(&RMS_NORM, scales.numel() as i64, &arguments) };
            }
        }
        (output, scales)
    }

    /// The gradient of x, from that of the output.
    pub fn rms_norm_backward(self, gradient: &Tensor, x: &Tensor, weight: &Tensor, scales: &Tensor) -> Tensor {
        let mut of_x = x.empty_like();
        let _span = trace_span!("kernel rms norm backward").entered();
        match self {
            Kernels::Vectors => {
                let out = as_f32_mut(&mut of_x);
                kernels::rms_norm_backward(
                    *INSTRUCTIONS,
                    as_f32(gradient),
                    as_f32(x),
                    as_f32(weight),
                    as_f32(scales),
                    out,
                );
            }
            Kernels::Compiled(processor) => {
                let arguments = RmsNormArguments::new([x, weight, &of_x, scales], Some(gradient), 0.0);
                // SAFETY: as above.
                unsafe { processor.launch(&RMS_NORM_BACKWARD, scales.numel() as i64, &arguments) };
            }
        }
        of_x
    }

    /// silu(gate)·up.
    pub fn swiglu(self, gate: &Tensor, up: &Tensor) -> Tensor {
        let mut output = gate.empty_like();
        let _span = trace_span!("kernel swiglu").entered();
        match self {
            Kernels::Vectors => {
                kernels::swiglu(*INSTRUCTIONS, as_f32(gate), as_f32(up), as_f32_mut(&mut output));
            }
            Kernels::Compiled(processor) => {
                let arguments = SwiGluArguments::new([gate, up], None, &output);
                // SAFETY: all operands have as many elements.
                unsafe { processor.launch(&SWIGLU, blocks(gate.numel() as i64), &arguments) };
            }
        }
        output
    }

    /// Replaces gate and up by their gradients.
    pub fn swiglu_backward(self, gradient: &Tensor, gate: &mut Tensor, up: &mut Tensor) {
        let _span = trace_span!("kernel swiglu backward").entered();
        match self {
            Kernels::Vectors => {
                kernels::swiglu_backward(*INSTRUCTIONS, as_f32(gradient), as_f32_mut(gate), as_f32_mut(up));
            }
            Kernels::Compiled(processor) => {
                let arguments = SwiGluArguments::new([gate, up], Some(gradient), gate);
                // SAFETY: as above; each element is read before it is written.
                unsafe { processor.launch(&SWIGLU_BACKWARD, blocks(gate.numel() as i64), &arguments) };
            }
        }
    }

    /// Rotates pairs of x `[rows, length, heads, head_dim]` by these cosines and sines `[rows or 1, 1, length, head_dim / 2]`.
    pub fn rotate(self, x: &Tensor, [cosines, sines]: [&Tensor; 2], rotation: Rotation) -> Tensor {
        let mut output = x.empty_like();
        let (heads, half) = (x.size()[2], x.size()[3] / 2);
        let _span = trace_span!("kernel rotary").entered();
        match self {
            Kernels::Vectors => {
                let (out, angles) = (as_f32_mut(&mut output), [as_f32(cosines), as_f32(sines)]);
                kernels::rotate(*INSTRUCTIONS, rotation, as_f32(x), heads as usize, angles, half as usize, out);
            }
            Kernels::Compiled(processor) => {
                let pairs = x.numel() as i64 / 2;
                let arguments = RotaryArguments {
                    x: data(x),
                    cosines: data(cosines),
                    sines: data(sines),
                    output: data(&output),
                    pairs,
                    heads,
                    half,
                    length: cosines.numel() as i64 / half.max(1),
                    direction: if matches!(rotation, Rotation::Forward) { 1.0 } else { -1.0 },
                    kind: number(x),
                };
                // SAFETY: the angles are those of all tokens, or of those of a row.
                unsafe { processor.launch(&ROTATE, blocks(pairs), &arguments) };
            }
        }
        output
    }

    /// x `[…, width]` times the mask that follows from its rows' numbers: 0, or 1 / (1 − probability).
    pub fn dropout(self, x: &Tensor, mask: Dropout, rows: &RowNumbers) -> Tensor {
        let mut output = x.empty_like();
        let width = x.size().last().map_or(1, |&width| width.max(1));
        let _span = trace_span!("kernel dropout").entered();
        match self {
            Kernels::Vectors => {
                let out = as_f32_mut(&mut output);
                kernels::dropout(*INSTRUCTIONS, mask, width as usize, rows.on_cpu(), as_f32(x), out);
            }
            Kernels::Compiled(processor) => {
                let arguments = DropoutArguments::new(x, width, mask, rows, &output);
                // SAFETY: both operands have as many elements, and there is a number for each row of the batch.
                unsafe { processor.launch(&DROPOUT, arguments.blocks(), &arguments) };
            }
        }
        output
    }
}

/// Where the kernels in CUDA C run for tensors on this device.
///
/// # Errors
/// Why they do not run there: they cannot be compiled, or do not give what tensor operations give.
fn processor(device: Device) -> Result<Processor, String> {
    let processor = NETWORK.on(device)?;
    if let Device::Cuda(gpu) = device {
        static PROVEN: [OnceLock<Result<(), String>>; GPUS] = [const { OnceLock::new() }; GPUS];
        PROVEN[gpu].get_or_init(|| proof::of(processor, device)).clone()?;
    }
    Ok(processor)
}

/// Whether the kernels can be used on this device.
///
/// # Errors
/// Why they cannot.
pub fn check(device: Device) -> Result<(), String> {
    proof::of(processor(device)?, device)
}

fn blocks(elements: i64) -> i64 {
    (elements + CHUNK - 1) / CHUNK
}

fn number(tensor: &Tensor) -> i32 {
    kind_number(tensor.kind()).unwrap_or_else(|| panic!("a kernel's operand of {:?}", tensor.kind()))
}

#[repr(C)]
struct RmsNormArguments {
    x: *const c_void,
    weight: *const c_void,
    output: *mut c_void,
    scales: *mut f32,
    gradient: *const c_void,
    width: i64,
    eps: f32,
    kind: i32,
}

#[repr(C)]
struct SwiGluArguments {
    gate: *const c_void,
    up: *const c_void,
    gradient: *const c_void,
    output: *mut c_void,
    of_up: *mut c_void,
    count: i64,
    kind: i32,
    unused: i32,
}

#[repr(C)]
struct RotaryArguments {
    x: *const c_void,
    cosines: *const c_void,
    sines: *const c_void,
    output: *mut c_void,
    pairs: i64,
    heads: i64,
    half: i64,
    length: i64,
    direction: f32,
    kind: i32,
}

#[repr(C)]
struct DropoutArguments {
    x: *const c_void,
    output: *mut c_void,
    of_rows: *const i64,
    length: i64,
    stride: i64,
    first: i64,
    count: i64,
    width: i64,
    seed: u64,
    threshold: u32,
    scale: f32,
    kind: i32,
    unused: i32,
}

// SAFETY: kernels read and write what the pointers name as their caller has promised.
unsafe impl Sync for RmsNormArguments {}
// SAFETY: as above.
unsafe impl Sync for SwiGluArguments {}
// SAFETY: as above.
unsafe impl Sync for RotaryArguments {}
// SAFETY: as above.
unsafe impl Sync for DropoutArguments {}

impl RmsNormArguments {
    fn new([x, weight, output, scales]: [&Tensor; 4], gradient: Option<&Tensor>, eps: f64) -> RmsNormArguments {
        RmsNormArguments {
            x: data(x),
            weight: data(weight),
            output: data(output),
            scales: data(scales),
            gradient: gradient.map_or(ptr::null(), |gradient| data::<c_void>(gradient).cast_const()),
            width: x.size().last().copied().unwrap_or(1),
            eps: eps as f32,
            kind: number(x),
        }
    }
}

impl SwiGluArguments {
    fn new([gate, up]: [&Tensor; 2], gradient: Option<&Tensor>, output: &Tensor) -> SwiGluArguments {
        SwiGluArguments {
            gate: data(gate),
            up: data(up),
            gradient: gradient.map_or(ptr::null(), |gradient| data::<c_void>(gradient).cast_const()),
            output: data(output),
            of_up: data(up),
            count: gate.numel() as i64,
            kind: number(gate),
            unused: 0,
        }
    }
}

impl DropoutArguments {
    fn new(x: &Tensor, width: i64, mask: Dropout, rows: &RowNumbers, output: &Tensor) -> DropoutArguments {
        DropoutArguments {
            x: data(x),
            output: data(output),
            of_rows: rows.of_rows.as_ref().map_or(ptr::null(), |of_rows| data::<i64>(of_rows).cast_const()),
            length: rows.length,
            stride: rows.stride,
            first: rows.first,
            count: x.numel() as i64,
            width,
            seed: mask.seed(),
            threshold: mask.threshold(),
            scale: mask.scale(),
            kind: number(x),
            unused: 0,
        }
    }

    fn blocks(&self) -> i64 {
        // A thread draws four numbers.
        let (drawn, threads) = (DRAWN as i64, DRAWN as i64 / 4);
        let parts = self.count / self.width * ((self.width + drawn - 1) / drawn);
        (parts * threads + THREADS - 1) / THREADS
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::test_device;

    #[test]
    fn kernels_prove_themselves() {
        check(test_device()).unwrap();
    }
}
