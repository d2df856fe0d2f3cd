//! Loaded kernels of a GPU, and their launch on the stream that libtorch's operators are launched on.

use std::ffi::{CStr, c_void};
use std::ptr;

use cudarc::driver::{result, sys};

use super::{THREADS, nvrtc};
use crate::device::shim;
use crate::panics::catch;

/// The kernels of a program in the memory of a GPU. They stay there.
pub struct Module {
    gpu: usize,
    functions: Vec<(&'static CStr, sys::CUfunction)>,
}

// SAFETY: the driver's handles may be used by any thread.
unsafe impl Send for Module {}
// SAFETY: as above.
unsafe impl Sync for Module {}

impl Module {
    /// Compiles a source or takes it from the cache, and loads its kernels.
    pub(super) fn load(name: &str, source: &str, kernels: &[&'static CStr], gpu: usize) -> Result<Module, String> {
        // The crate panics where it finds no library.
        catch(|| {
            let driver = |error: result::DriverError| format!("CUDA: {error}");
            let device = result::device::get(i32::try_from(gpu).unwrap_or(i32::MAX)).map_err(driver)?;
            let attribute = |attribute| {
                // SAFETY: the device is one that the driver has named.
                unsafe { result::device::get_attribute(device, attribute) }.map_err(driver)
            };
            use sys::CUdevice_attribute as Attribute;
            let architecture = [
                attribute(Attribute::CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR)?,
                attribute(Attribute::CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR)?,
            ];
            let binary = nvrtc::compiled(name, source, architecture)?;
            // SAFETY: the binary is one that NVRTC has made for this architecture. The context of libtorch is current on a thread
            // that has used the GPU, as one that has tensors there has.
            let module = unsafe { result::module::load_data(binary.as_ptr().cast()) }.map_err(driver)?;
            let function = |name: &'static CStr| {
                // SAFETY: the module is loaded and is never unloaded.
                let function = unsafe { result::module::get_function(module, name.to_owned()) }.map_err(driver)?;
                Ok((name, function))
            };
            let functions = kernels.iter().copied().map(function).collect::<Result<_, String>>()?;
            Ok(Module { gpu, functions })
        })
        .unwrap_or_else(|panic| Err(panic.0))
    }

    /// # Safety
    /// The kernel takes one argument, by value, of this type; what it points to outlives the kernel's run.
    pub(super) unsafe fn launch<Arguments>(&self, kernel: &CStr, blocks: i64, arguments: &Arguments) {
        let function = self.functions.iter().find(|(name, _)| *name == kernel).map(|(_, function)| *function);
        let launched = function.ok_or_else(|| "not among the program's kernels".to_owned()).and_then(|function| {
            let stream = shim::current_stream(self.gpu).map_err(|error| error.to_string())?;
            let blocks = u32::try_from(blocks).map_err(|_| format!("{blocks} blocks"))?;
            let mut argument = ptr::from_ref(arguments).cast_mut().cast::<c_void>();
            let arguments = &raw mut argument;
            // SAFETY: the function is loaded, the stream is libtorch's, the driver copies the argument before it returns.
            let status = unsafe {
                sys::cuLaunchKernel(
                    function,
                    blocks,
                    1,
                    1,
                    THREADS as u32,
                    1,
                    1,
                    0,
                    stream.cast(),
                    arguments,
                    ptr::null_mut(),
                )
            };
            status.result().map_err(|error| error.to_string())
        });
        if let Err(error) = launched {
            panic!("CUDA error: kernel {}: {error}", kernel.to_string_lossy());
        }
    }
}
