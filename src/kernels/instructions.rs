//! The vector instructions of a processor, and running a kernel with them.

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
    /// Computes it. `FUSED` says that the processor multiplies and adds in one instruction ([`madd`]).
    fn run<const FUSED: bool>(self);
}

/// a·b + c, rounded once if `FUSED`. Without the instruction that would be a call of a function.
#[inline(always)]
pub(super) fn madd<const FUSED: bool>(a: f32, b: f32, c: f32) -> f32 {
    if FUSED { a.mul_add(b, c) } else { a * b + c }
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
        match self {
            // SAFETY: values of this type exist only where the processor has the instructions.
            #[cfg(target_arch = "x86_64")]
            InstructionSet::Avx512 => unsafe { with_avx512(kernel) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            InstructionSet::Avx2 => unsafe { with_avx2(kernel) },
            InstructionSet::Portable => kernel.run::<{ cfg!(target_arch = "aarch64") }>(),
        }
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f")]
fn with_avx512(kernel: impl Kernel) {
    kernel.run::<true>();
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn with_avx2(kernel: impl Kernel) {
    kernel.run::<true>();
}
