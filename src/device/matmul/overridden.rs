//! Safe wrappers around `override.cpp`.

use std::ffi::c_char;

use crate::device::shim::{LibtorchError, checked};

/// Writes a\[m, k\]·b\[k, n\] to c, or adds it; see `override.cpp`.
type Multiply = unsafe extern "C" fn(i64, i64, i64, *const f32, i64, i64, *const f32, i64, i64, *mut f32, bool);

/// Lets oneDNN multiply fp32 matrices in bf16 where it can, as `torch.backends.mkldnn.matmul.fp32_precision = "bf16"`, or not.
///
/// # Errors
/// libtorch's message.
pub fn set_onednn_bf16(allow: bool) -> Result<(), LibtorchError> {
    // SAFETY: the buffer has the stated capacity; the function does not throw.
    checked(|error, capacity| unsafe { finesift_set_onednn_bf16(allow, error, capacity) })
}

/// Whether [`set_avx512_bf16`] has a kernel for this processor.
pub fn has_avx512_bf16() -> bool {
    avx512_bf16().is_some()
}

/// Multiplies fp32 matrices with the kernel for AVX512-BF16, if this processor has one, or with libtorch again.
///
/// # Errors
/// libtorch's message.
pub fn set_avx512_bf16(on: bool) -> Result<(), LibtorchError> {
    let multiply = if on { avx512_bf16() } else { None };
    // SAFETY: the buffer has the stated capacity; the function does not throw. It calls the kernel with matrices of the sizes that
    // it states, and the processor has the kernel's instructions.
    checked(|error, capacity| unsafe { finesift_set_multiply(multiply, error, capacity) })
}

#[cfg(target_arch = "x86_64")]
fn avx512_bf16() -> Option<Multiply> {
    super::bf16::Bf16Product::detect().map(|_| super::bf16::multiply as Multiply)
}

#[cfg(not(target_arch = "x86_64"))]
fn avx512_bf16() -> Option<Multiply> {
    None
}

unsafe extern "C" {
    fn finesift_set_onednn_bf16(allow: bool, error: *mut c_char, capacity: usize) -> bool;
    fn finesift_set_multiply(multiply: Option<Multiply>, error: *mut c_char, capacity: usize) -> bool;
}
