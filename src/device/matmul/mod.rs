//! The precision of products of fp32 matrices, `train.matmul`: TF32 on a GPU, bf16 on a CPU.
//!
//! libtorch has bf16 products of fp32 matrices where oneDNN has them: on x86-64 with AMX, on AArch64 with bf16 instructions. On a
//! processor with AVX512-BF16 alone oneDNN computes them in fp32, so [`bf16`] multiplies in its place.

#[cfg(target_arch = "x86_64")]
mod bf16;
mod overridden;
mod speed;

use std::fmt::{self, Display, Formatter};
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Result;
use tch::{Device, Kind, Tensor};

use super::shim::{LibtorchError, set_allow_tf32};
use crate::preset::Matmul;
use crate::system::instruction_sets;
pub use speed::MatmulSpeed;

/// Whether products of fp32 matrices on the CPU are in bf16 now.
static BF16: AtomicBool = AtomicBool::new(false);

/// Whether products of fp32 matrices on the CPU have operands that are rounded to bf16.
pub fn in_bf16() -> bool {
    BF16.load(Ordering::Relaxed)
}

/// A precision that the device does not have, with what to use instead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unsupported {
    /// bf16 on a GPU.
    Gpu,
    /// bf16 on this processor.
    Processor,
}

impl Display for Unsupported {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Unsupported::Gpu => {
                "on a GPU, PyTorch multiplies fp32 matrices in f32 or tf32; use tf32, or weights in bf16 (model.dtype)"
            }
            Unsupported::Processor => {
                "this processor cannot multiply in bf16, which needs AMX or AVX512-BF16 on x86-64, or bf16 instructions \
                 on AArch64; use f32"
            }
        })
    }
}

impl std::error::Error for Unsupported {}

/// What multiplies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Implementation {
    /// In fp32, on any device.
    Fp32,
    /// A GPU's tensor cores.
    Tf32,
    /// libtorch through oneDNN.
    OneDnn,
    /// The kernel for AVX512-BF16.
    Avx512Bf16,
}

/// The precision of the products of this process until it is dropped; then fp32 again.
pub struct MatmulPrecision {
    requested: Matmul,
    implementation: Implementation,
}

impl MatmulPrecision {
    /// Sets the precision. A CPU has no TF32 and computes in fp32, which is more precise.
    ///
    /// # Errors
    /// [`Unsupported`], or a failure of libtorch.
    pub fn set(matmul: Matmul, device: Device) -> Result<MatmulPrecision> {
        // Dropped on an error, it takes back what was set.
        let mut precision = MatmulPrecision { requested: matmul, implementation: Implementation::Fp32 };
        match (matmul, device) {
            (Matmul::F32 | Matmul::Tf32, Device::Cpu) => {}
            // The environment may allow it.
            (Matmul::F32, _) => set_allow_tf32(false)?,
            (Matmul::Tf32, _) => {
                set_allow_tf32(true)?;
                precision.implementation = Implementation::Tf32;
            }
            (Matmul::Bf16, Device::Cpu) => precision.implementation = enable_bf16()?,
            (Matmul::Bf16, _) => return Err(Unsupported::Gpu.into()),
        }
        Ok(precision)
    }

    /// What multiplies: `f32`, `bf16 (AMX)`.
    pub fn name(&self) -> &'static str {
        match self.implementation {
            Implementation::Fp32 => "f32",
            Implementation::Tf32 => "tf32",
            Implementation::OneDnn if instruction_sets().contains(&"AMX-BF16") => "bf16 (AMX)",
            Implementation::OneDnn => "bf16 (oneDNN)",
            Implementation::Avx512Bf16 => "bf16 (AVX512-BF16)",
        }
    }

    /// Whether products are in fp32 although another precision was requested.
    pub fn is_ignored(&self) -> bool {
        self.requested != Matmul::F32 && self.implementation == Implementation::Fp32
    }

    /// Whether products are in less than fp32.
    pub fn is_reduced(&self) -> bool {
        self.implementation != Implementation::Fp32
    }

    /// How long bf16 products of x `[tokens, in]` with this weight's transpose take beside fp32 ones; `None` in other precisions.
    ///
    /// # Errors
    /// libtorch's.
    pub fn measure(&self, weight: [i64; 2]) -> Result<Option<MatmulSpeed>, LibtorchError> {
        match self.implementation {
            Implementation::Fp32 | Implementation::Tf32 => Ok(None),
            implementation => {
                let ratio = speed::ratio(weight, || implementation.switch(true), || implementation.switch(false))?;
                Ok(Some(MatmulSpeed { name: self.name(), ratio }))
            }
        }
    }
}

impl Drop for MatmulPrecision {
    fn drop(&mut self) {
        // What was set can be taken back.
        let off = self.implementation.switch(false);
        debug_assert_eq!(off, Ok(()));
    }
}

impl Implementation {
    /// Turns it on or off.
    fn switch(self, on: bool) -> Result<(), LibtorchError> {
        match self {
            Implementation::Fp32 => return Ok(()),
            Implementation::Tf32 => return set_allow_tf32(on),
            Implementation::OneDnn => overridden::set_onednn_bf16(on)?,
            Implementation::Avx512Bf16 => overridden::set_avx512_bf16(on)?,
        }
        BF16.store(on, Ordering::Relaxed);
        Ok(())
    }
}

/// Turns on the first implementation that rounds: flags of a processor do not tell what libtorch does with them.
fn enable_bf16() -> Result<Implementation> {
    for implementation in [Implementation::OneDnn, Implementation::Avx512Bf16] {
        if implementation == Implementation::Avx512Bf16 && !overridden::has_avx512_bf16() {
            continue;
        }
        implementation.switch(true)?;
        if rounds_to_bf16()? {
            return Ok(implementation);
        }
        implementation.switch(false)?;
    }
    Err(Unsupported::Processor.into())
}

/// Whether a product of fp32 matrices rounds its operands: 1 + 2⁻¹² is not a bf16.
fn rounds_to_bf16() -> Result<bool> {
    // Large enough for implementations that are only used where they pay.
    const SIZE: i64 = 512;
    let (options, above_one) = ((Kind::Float, Device::Cpu), 1.0 + f64::exp2(-12.0));
    let ones = Tensor::f_ones([SIZE, SIZE], options)?;
    let product = Tensor::f_full([SIZE, SIZE], above_one, options)?.f_matmul(&ones)?;
    Ok(product.f_eq(SIZE as f64)?.f_all()?.f_int64_value(&[])? == 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_device_lacks_is_refused_or_said() {
        let error = MatmulPrecision::set(Matmul::Bf16, Device::Cuda(0)).map(|_| ()).unwrap_err();
        assert!(error.is::<Unsupported>() && error.to_string().contains("use tf32"), "{error}");
        let tf32 = MatmulPrecision::set(Matmul::Tf32, Device::Cpu).unwrap();
        assert!(tf32.is_ignored() && tf32.name() == "f32" && tf32.measure([8, 8]).unwrap().is_none());
        let f32 = MatmulPrecision::set(Matmul::F32, Device::Cpu).unwrap();
        assert!(!f32.is_ignored());
        assert!(!rounds_to_bf16().unwrap());
    }
}
