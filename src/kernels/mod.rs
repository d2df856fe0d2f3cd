//! Own kernels for the element-wise operations of fp32 networks on a CPU, which libtorch makes of several passes over memory each.
//!
//! Written once in plain arithmetic, and compiled for each instruction set. The result is the same to the bit with all of them, and
//! with any number of threads: nothing is contracted to a fused multiply-add, and sums have a fixed order.

mod cross_entropy;
mod exp;
mod gated;
mod gelu;
mod instructions;
pub mod numbers;
mod rms_norm;
mod rotary;
mod sum;
#[cfg(test)]
mod tests;

pub use cross_entropy::cross_entropy;
pub use gated::{silu_gate, silu_gate_backward};
pub use gelu::{gelu, gelu_backward};
pub use instructions::{InstructionSet, Kernel};
pub use rms_norm::{rms_norm, rms_norm_backward};
pub use rotary::{Rotation, rotate};

/// Numbers that a task takes at a time: 64 KiB, enough that handing it to a thread costs little beside it.
const TASK: usize = 16 << 10;
