//! Panics as errors. libtorch throws when it cannot allocate memory, which arrives as a panic: [`OutOfMemory`] distinguishes that from bugs.

use std::any::Any;
use std::fmt;
use std::panic::{self, AssertUnwindSafe, catch_unwind};
use std::sync::Once;

use anyhow::{Result, anyhow};

/// Messages of libtorch and its libraries when an allocation fails.
const OOM_MESSAGES: [&str; 7] = [
    "out of memory",
    "can't allocate memory",
    "not enough memory",
    "CUBLAS_STATUS_ALLOC_FAILED",
    "CUDNN_STATUS_ALLOC_FAILED",
    "std::bad_alloc",
    // oneDNN, for its scratchpads.
    "could not create a primitive",
];

/// An allocation failed.
#[derive(Debug)]
pub struct OutOfMemory {
    /// The message of the allocator, up to what it tried to allocate.
    pub message: String,
}

/// What the messages of libtorch's allocators have before the number of bytes.
const TRIED: &str = "ried to allocate ";

impl OutOfMemory {
    /// Bytes that the allocator tried to allocate, if it says so.
    #[cfg(any(feature = "torch", test))]
    pub fn attempted(&self) -> Option<u64> {
        let (_, rest) = self.message.split_once(TRIED)?;
        let mut words = rest.split_whitespace();
        let (number, unit) = (words.next()?.parse::<f64>().ok()?, words.next()?);
        let units = ["bytes", "KiB", "MiB", "GiB", "TiB"];
        let power = units.iter().position(|known| unit.trim_end_matches('.') == *known)?;
        Some((number * 1024f64.powi(power as i32)) as u64)
    }
}

impl fmt::Display for OutOfMemory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "out of memory ({})", self.message)?;
        if self.message.contains("CUDA") || self.message.contains("CU") && self.message.contains("_STATUS_") {
            f.write_str("; nvidia-smi lists what else uses the GPU, and --device cpu runs without it")?;
        }
        Ok(())
    }
}

impl std::error::Error for OutOfMemory {}

/// The message of a panic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Panic(pub String);

/// Runs `work` and turns a panic into an error.
///
/// # Errors
/// Those of `work`; [`OutOfMemory`] if an allocation failed.
pub fn catch_panic<T>(work: impl FnOnce() -> Result<T>) -> Result<T> {
    silence_out_of_memory();
    catch(work).unwrap_or_else(|Panic(message)| {
        Err(match out_of_memory(&message) {
            Some(error) => error.into(),
            None => anyhow!("finesift panicked: {message}; please report this"),
        })
    })
}

/// Runs `work` of a library that panics on invalid input.
///
/// # Errors
/// [`Panic`] if it panicked.
pub fn catch<T>(work: impl FnOnce() -> T) -> Result<T, Panic> {
    catch_unwind(AssertUnwindSafe(work)).map_err(|panic| Panic(message(&*panic).to_owned()))
}

/// The error in the message of a panic, if an allocation failed.
fn out_of_memory(panic: &str) -> Option<OutOfMemory> {
    let line = panic.lines().find(|line| OOM_MESSAGES.iter().any(|known| line.contains(known)))?;
    // From tch: called `Result::unwrap()` on an `Err` value: Torch("…\nException raised from …
    let message = line.rsplit("Torch(\"").next().unwrap_or(line);
    let message = message.split("\\n").next().unwrap_or(message);
    let message = message.strip_suffix("\")").unwrap_or(message);
    // From libtorch: [enforce fail at alloc_cpu.cpp:127] err == 0. DefaultCPUAllocator: …
    let message = message.rsplit("err == 0. ").next().unwrap_or(message);
    // What follows is about everything else on the GPU, and about settings of the allocator.
    let end = message.find(TRIED).and_then(|at| Some(at + message[at..].find(". ")?)).unwrap_or(message.len());
    Some(OutOfMemory { message: message[..end].to_owned() })
}

/// Running out of memory is reported as an error, so the message of the panic is not printed.
fn silence_out_of_memory() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if out_of_memory(message(info.payload())).is_none() {
                before(info);
            }
        }));
    });
}

fn message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("no message")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn running_out_of_memory_is_told_apart_from_bugs() {
        let torch = |said: &str| {
            let message =
                format!("called `Result::unwrap()` on an `Err` value: Torch(\"{said}\\nException raised from x\")");
            catch_panic(|| -> Result<()> { panic!("{message}") }).unwrap_err()
        };
        let error = torch("CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has 1 GiB free");
        assert!(error.is::<OutOfMemory>());
        let expected = "out of memory (CUDA out of memory. Tried to allocate 2.00 GiB); nvidia-smi";
        assert!(error.to_string().starts_with(expected), "{error}");
        let attempted = |error: &anyhow::Error| error.downcast_ref::<OutOfMemory>().and_then(OutOfMemory::attempted);
        assert_eq!(attempted(&error), Some(2 << 30));
        let error = torch(
            "[enforce fail at alloc_cpu.cpp:127] err == 0. DefaultCPUAllocator: can't allocate memory: you tried to allocate \
             4096 bytes. Error code 12 (Cannot allocate memory)",
        );
        let expected = "out of memory (DefaultCPUAllocator: can't allocate memory: you tried to allocate 4096 bytes)";
        assert_eq!((error.to_string().as_str(), attempted(&error)), (expected, Some(4096)));
        let error = torch("[enforce fail at x.cpp:1] err == 0. CPUAllocator: can't allocate memory (Error 12)");
        assert_eq!(error.to_string(), "out of memory (CPUAllocator: can't allocate memory (Error 12))");
        assert_eq!(attempted(&error), None);
        let bare = catch_panic(|| -> Result<()> { panic!("Torch(\"could not create a primitive\")") }).unwrap_err();
        assert_eq!(bare.to_string(), "out of memory (could not create a primitive)");
        let error = torch("mat1 and mat2 shapes cannot be multiplied");
        assert!(!error.is::<OutOfMemory>() && error.to_string().starts_with("finesift panicked: called"), "{error}");
        assert_eq!(catch_panic(|| Err::<(), _>(anyhow!("out of memory"))).unwrap_err().to_string(), "out of memory");
        assert_eq!(catch_panic(|| Ok(3)).unwrap(), 3);
    }
}
