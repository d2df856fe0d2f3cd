//! What tch does not bind: TF32, and the caching allocator of the accelerator. Safe wrappers around `shim.cpp`.

use std::error::Error;
use std::ffi::{CStr, c_char};
use std::fmt::{self, Display, Formatter};

/// The message of a failed libtorch call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LibtorchError(String);

impl Display for LibtorchError {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "libtorch: {}", self.0)
    }
}

impl Error for LibtorchError {}

/// Bytes that libtorch's caching allocator has of a device, as in `torch.cuda.memory_stats`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct DeviceMemory {
    /// Bytes of live tensors.
    pub allocated: i64,
    /// The most that `allocated` has been.
    pub peak_allocated: i64,
    /// Bytes held from the driver: live tensors and the cache.
    pub reserved: i64,
    /// The most that `reserved` has been.
    pub peak_reserved: i64,
}

/// Allows products of fp32 matrices in TF32 on NVIDIA GPUs, or forbids them: 10 bits of mantissa instead of 23, several times
/// faster. As `torch.backends.cuda.matmul.allow_tf32`; no TF32 by default. Without a GPU it has no effect.
///
/// # Errors
/// libtorch's message.
pub fn set_allow_tf32(allow: bool) -> Result<(), LibtorchError> {
    // SAFETY: the buffer has the stated capacity; the function does not throw.
    checked(|error, capacity| unsafe { finesift_set_allow_tf32(allow, error, capacity) })
}

/// Whether TF32 is allowed.
///
/// # Errors
/// libtorch's message.
pub fn allow_tf32() -> Result<bool, LibtorchError> {
    let mut allowed = false;
    // SAFETY: the buffer has the stated capacity; the function does not throw.
    checked(|error, capacity| unsafe { finesift_allow_tf32(&mut allowed, error, capacity) })?;
    Ok(allowed)
}

/// What the allocator has of the accelerator of this index.
///
/// # Errors
/// libtorch's message: there is no accelerator, or not this one, or nothing was computed on it yet.
pub fn device_memory(index: usize) -> Result<DeviceMemory, LibtorchError> {
    let index = i8::try_from(index).map_err(|_| LibtorchError(format!("no accelerator {index}")))?;
    let mut memory = DeviceMemory::default();
    // SAFETY: the buffer has the stated capacity; the struct has the layout of the other side's; the function does not throw.
    checked(|error, capacity| unsafe { finesift_device_memory(index, &mut memory, error, capacity) })?;
    Ok(memory)
}

/// Returns the accelerator's cached memory to the driver, as `torch.cuda.empty_cache`.
///
/// # Errors
/// libtorch's message: there is no accelerator.
pub fn empty_cache() -> Result<(), LibtorchError> {
    // SAFETY: the buffer has the stated capacity; the function does not throw.
    checked(|error, capacity| unsafe { finesift_empty_cache(error, capacity) })
}

/// Makes a call that writes a message of so many bytes at most if it fails.
fn checked(call: impl FnOnce(*mut c_char, usize) -> bool) -> Result<(), LibtorchError> {
    let mut message = [0u8; 512];
    if call(message.as_mut_ptr().cast(), message.len()) {
        return Ok(());
    }
    let message = CStr::from_bytes_until_nul(&message).map(CStr::to_string_lossy).unwrap_or_default();
    Err(LibtorchError(message.trim().to_owned()))
}

unsafe extern "C" {
    fn finesift_set_allow_tf32(allow: bool, error: *mut c_char, capacity: usize) -> bool;
    fn finesift_allow_tf32(allowed: *mut bool, error: *mut c_char, capacity: usize) -> bool;
    fn finesift_device_memory(index: i8, memory: *mut DeviceMemory, error: *mut c_char, capacity: usize) -> bool;
    fn finesift_empty_cache(error: *mut c_char, capacity: usize) -> bool;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tf32_is_off_until_it_is_allowed() {
        assert_eq!(allow_tf32(), Ok(false));
        set_allow_tf32(true).unwrap();
        assert_eq!(allow_tf32(), Ok(true));
        set_allow_tf32(false).unwrap();
        assert_eq!(allow_tf32(), Ok(false));
    }

    #[test]
    fn without_an_accelerator_the_allocator_calls_say_so() {
        if tch::Cuda::device_count() > 0 || tch::utils::has_mps() {
            return;
        }
        let none = LibtorchError("no accelerator".into());
        assert_eq!(device_memory(0), Err(none.clone()));
        assert_eq!(empty_cache(), Err(none.clone()));
        assert_eq!(none.to_string(), "libtorch: no accelerator");
        assert_eq!(device_memory(1 << 20), Err(LibtorchError("no accelerator 1048576".into())));
    }
}
