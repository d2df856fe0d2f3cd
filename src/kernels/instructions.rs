//! The vector instructions of a processor, and running a kernel with them.

#[cfg(target_arch = "x86_64")]
use std::arch::x86_64::{__m256, __m512};

use super::vector::{Lanes, Vector};

/// The vector instructions of a processor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InstructionSet {
    /// Vectors of 16 numbers.
    #[cfg(target_arch = "x86_64")]
    Avx512,
    /// Vectors of 8 numbers.
    #[cfg(target_arch = "x86_64")]
    Avx2,
    /// Those that every processor of the target has; on AArch64 they include NEON.
    Portable,
}

/// Arithmetic that is compiled for each instruction set. `run`, and all that it calls, is `#[inline(always)]`: what is not part
/// of the caller is compiled for the least processor.
pub trait Kernel {
    /// Computes it, with vectors of this type or in plain arithmetic.
    ///
    /// # Safety
    /// The processor has the vector's instructions.
    unsafe fn run<V: Vector>(self);
}

impl InstructionSet {
    /// All that this machine has, the fastest first.
    pub fn available() -> Vec<InstructionSet> {
        let mut available = Vec::new();
        #[cfg(target_arch = "x86_64")]
        {
            if is_x86_feature_detected!("avx512f") {
                available.push(InstructionSet::Avx512);
            }
            if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
                available.push(InstructionSet::Avx2);
            }
        }
        available.push(InstructionSet::Portable);
        available
    }

    /// The fastest that this machine has.
    pub fn best() -> InstructionSet {
        InstructionSet::available()[0]
    }

    /// The name, as vendors write it.
    pub fn name(self) -> &'static str {
        match self {
            #[cfg(target_arch = "x86_64")]
            InstructionSet::Avx512 => "AVX-512",
            #[cfg(target_arch = "x86_64")]
            InstructionSet::Avx2 => "AVX2",
            InstructionSet::Portable => "portable",
        }
    }

    /// Runs a kernel with these instructions.
    #[inline]
    pub fn run(self, kernel: impl Kernel) {
        // SAFETY: values of this type exist only where the processor has the instructions.
        unsafe {
            match self {
                #[cfg(target_arch = "x86_64")]
                InstructionSet::Avx512 => with_avx512(kernel),
                #[cfg(target_arch = "x86_64")]
                InstructionSet::Avx2 => with_avx2(kernel),
                InstructionSet::Portable => kernel.run::<Lanes>(),
            }
        }
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f")]
fn with_avx512(kernel: impl Kernel) {
    // SAFETY: the caller has the instructions.
    unsafe { kernel.run::<__m512>() };
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn with_avx2(kernel: impl Kernel) {
    // SAFETY: the caller has the instructions.
    unsafe { kernel.run::<__m256>() };
}
