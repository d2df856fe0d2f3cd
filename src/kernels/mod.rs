//! Own kernels for attention and the element-wise operations of fp32 networks on a CPU, which libtorch makes of several passes over
//! memory each; and what compiles and runs kernels in CUDA C ([`cuda`]).
//!
//! Those for a CPU alone are written once, in plain arithmetic or on [vector registers](Vector), and compiled for each instruction set. Sums have a fixed order, so
//! that the result is the same to the bit with any number of threads, and with all instruction sets that multiply and add in one
//! instruction.

mod attention;
mod cross_entropy;
pub(crate) mod cuda;
mod dropout;
mod exp;
mod gelu;
mod instructions;
mod product;
mod rms_norm;
mod rotary;
mod scatter;
pub(crate) mod slices;
mod sum;
mod swiglu;
#[cfg(test)]
mod tests;
mod vector;

pub use attention::{Attention, Mask, Operands};
pub use cross_entropy::cross_entropy;
pub use dropout::{DRAWN, Dropout, dropout};
pub use gelu::{gelu, gelu_backward};
pub use instructions::{InstructionSet, Kernel};
pub use rms_norm::{rms_norm, rms_norm_backward};
pub use rotary::{Rotation, rotate};
pub use scatter::scatter;
pub use swiglu::{swiglu, swiglu_backward};
pub use vector::Vector;

/// Elements per task: 64 KiB, enough that handing a task to a thread costs little beside it.
const TASK: usize = 16 << 10;
