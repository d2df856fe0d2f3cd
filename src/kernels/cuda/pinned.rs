//! Page-locked host memory, which a GPU copies from on its own.

use std::ffi::c_void;

use cudarc::driver::sys;
use tch::Tensor;

use crate::panics::catch;

/// Keeps the pages of a tensor on the host in place.
pub struct Pinned {
    start: *mut c_void,
}

// SAFETY: the registration is the process's.
unsafe impl Send for Pinned {}

impl Pinned {
    /// Locks the pages of a contiguous tensor on the host, which has to outlive it. In contrast to memory that libtorch's allocator
    /// locks, there is no more of it than the tensor has: that rounds sizes up to powers of two.
    ///
    /// # Errors
    /// The driver's message: no such memory, or no GPU that this thread has used.
    pub fn new(tensor: &Tensor) -> Result<Pinned, String> {
        let (start, bytes) = (tensor.data_ptr(), tensor.numel() * tensor.kind().elt_size_in_bytes());
        // The crate panics where it finds no library.
        catch(|| {
            // SAFETY: the range is the tensor's memory.
            let status = unsafe { sys::cuMemHostRegister_v2(start, bytes, sys::CU_MEMHOSTREGISTER_PORTABLE) };
            status.result().map(|()| Pinned { start }).map_err(|error| format!("CUDA: {error}"))
        })
        .unwrap_or_else(|panic| Err(panic.0))
    }
}

impl Drop for Pinned {
    fn drop(&mut self) {
        // SAFETY: the range was registered, and nothing else unregisters it. At the end of the process the driver may be gone, which
        // is no matter.
        let _ = catch(|| unsafe { sys::cuMemHostUnregister(self.start) });
    }
}
