//! Kernels in CUDA C, from one source for two processors: a GPU, for which NVRTC compiles them at run time, and a CPU, for which the
//! host's compiler has compiled them into the program. So their arithmetic is tested where there is no GPU, and needs no CUDA to be built.
//!
//! A kernel is run by blocks, which are independent of each other. `portable.h` says how it is written.

mod gpu;
mod nvrtc;
mod pinned;

use std::env;
use std::ffi::CStr;
use std::sync::{LazyLock, OnceLock};

use rayon::prelude::*;
use tch::{Device, Kind, Tensor};

use gpu::Module;
pub use pinned::Pinned;

/// GPUs of a machine that kernels are loaded on.
pub const GPUS: usize = 16;

/// Elements of a long vector that a block takes, as in `portable.h`.
pub const CHUNK: i64 = 1024;

/// Threads of a block, as in `portable.h`.
pub const THREADS: i64 = 256;

/// The number of a type of elements in the sources; `None` for those that they do not take.
pub fn kind_number(kind: Kind) -> Option<i32> {
    match kind {
        Kind::Float => Some(0),
        Kind::BFloat16 => Some(1),
        _ => None,
    }
}

/// The elements of a tensor.
pub fn data<T>(tensor: &Tensor) -> *mut T {
    tensor.data_ptr().cast()
}

/// The kernels of a source file.
pub struct Program {
    name: &'static str,
    source: &'static str,
    kernels: &'static [&'static CStr],
    /// By the number of the GPU.
    modules: [OnceLock<Result<Module, String>>; GPUS],
}

/// A kernel whose arguments are one struct, of the same layout as in the source.
pub struct Kernel<Arguments> {
    /// Its name in the source.
    pub name: &'static CStr,
    /// The same, compiled for the CPU: runs the block of this number.
    pub on_cpu: unsafe extern "C" fn(&Arguments, i64),
}

/// Where the kernels of a program run.
#[derive(Clone, Copy)]
pub enum Processor {
    Cpu,
    Gpu(&'static Module),
}

impl Program {
    /// The kernels of these names in a source file, which includes `portable.h` and nothing else.
    pub const fn new(name: &'static str, source: &'static str, kernels: &'static [&'static CStr]) -> Program {
        Program { name, source, kernels, modules: [const { OnceLock::new() }; GPUS] }
    }

    /// Prepares the kernels to run on a device: for a GPU they are compiled, once on this machine.
    ///
    /// # Errors
    /// Why they cannot run there.
    pub fn on(&'static self, device: Device) -> Result<Processor, String> {
        static OFF: LazyLock<bool> =
            LazyLock::new(|| env::var_os("FINESIFT_KERNELS").is_some_and(|value| value == "off"));
        if *OFF {
            return Err("FINESIFT_KERNELS is off".to_owned());
        }
        match device {
            Device::Cpu => Ok(Processor::Cpu),
            Device::Cuda(number) => {
                let module = self.modules.get(number).ok_or_else(|| format!("GPU {number} is beyond the {GPUS}th"))?;
                let module = module.get_or_init(|| Module::load(self.name, self.source, self.kernels, number));
                module.as_ref().map(Processor::Gpu).map_err(String::clone)
            }
            _ => Err("neither a CPU nor a GPU of CUDA".to_owned()),
        }
    }
}

impl Processor {
    /// Runs `blocks` blocks of a kernel: on a CPU at once, on a GPU in the order of libtorch's stream.
    ///
    /// # Safety
    /// All that the arguments point to is on this processor, as large as the kernel takes it to be, and not used by anything else
    /// meanwhile; on a GPU until the stream has got there.
    ///
    /// # Panics
    /// If the GPU refuses the launch.
    pub unsafe fn launch<Arguments: Sync>(self, kernel: &Kernel<Arguments>, blocks: i64, arguments: &Arguments) {
        if blocks == 0 {
            return;
        }
        match self {
            // SAFETY: as the caller promises.
            Processor::Cpu => {
                (0..blocks).into_par_iter().for_each(|block| unsafe { (kernel.on_cpu)(arguments, block) })
            }
            // SAFETY: as the caller promises; the struct is the kernel's one argument.
            Processor::Gpu(module) => unsafe { module.launch(kernel.name, blocks, arguments) },
        }
    }
}
