//! Panics become errors, and memory that ran out is told from mistakes of ours: libtorch throws where it gets none, and what
//! it throws arrives as a panic.

use std::any::Any;
use std::fmt;
use std::panic::{self, AssertUnwindSafe, catch_unwind};
use std::sync::Once;

use anyhow::{Result, anyhow};

/// What libtorch and its libraries say where they get no memory.
const SAID: [&str; 7] = [
    "out of memory",
    "can't allocate memory",
    "not enough memory",
    "CUBLAS_STATUS_ALLOC_FAILED",
    "CUDNN_STATUS_ALLOC_FAILED",
    "std::bad_alloc",
    // oneDNN, of its scratchpads.
    "could not create a primitive",
];

/// Memory ran out.
#[derive(Debug)]
pub struct OutOfMemory {
    /// In the words of who asked for it.
    pub said: String,
}

impl fmt::Display for OutOfMemory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "memory ran out ({})", self.said)?;
        if self.said.contains("CUDA") || self.said.contains("CU") && self.said.contains("_STATUS_") {
            f.write_str("; nvidia-smi tells what else takes of the GPU's, and --device cpu does without")?;
        }
        Ok(())
    }
}

impl std::error::Error for OutOfMemory {}

/// Does work; a panic in it becomes an error.
///
/// # Errors
/// The work's own; a [`OutOfMemory`], where memory was what it lacked.
pub fn catch_panic<T>(work: impl FnOnce() -> Result<T>) -> Result<T> {
    hush();
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| {
        let message = message(&*panic);
        Err(match shortage(message) {
            Some(shortage) => shortage.into(),
            None => anyhow!("finesift panicked: {message}; please report this"),
        })
    })
}

/// Whether that was said of memory, and what in its first line.
fn shortage(said: &str) -> Option<OutOfMemory> {
    let line = said.lines().find(|line| SAID.iter().any(|known| line.contains(known)))?;
    // As tch puts it: called `Result::unwrap()` on an `Err` value: Torch("…\nException raised from …
    let said = line.rsplit("Torch(\"").next().unwrap_or(line);
    let said = said.split("\\n").next().unwrap_or(said);
    let said = said.strip_suffix("\")").unwrap_or(said);
    // As libtorch puts it: [enforce fail at alloc_cpu.cpp:127] err == 0. DefaultCPUAllocator: …
    let said = said.rsplit("err == 0. ").next().unwrap_or(said).to_owned();
    Some(OutOfMemory { said })
}

/// A shortage is told as an error; what a panic prints besides would only frighten.
fn hush() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if shortage(message(info.payload())).is_none() {
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
    fn memory_that_ran_out_is_told_from_mistakes() {
        let torch = |said: &str| {
            let message =
                format!("called `Result::unwrap()` on an `Err` value: Torch(\"{said}\\nException raised from x\")");
            catch_panic(|| -> Result<()> { panic!("{message}") }).unwrap_err()
        };
        let error = torch("CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has 1 GiB free");
        assert!(error.is::<OutOfMemory>());
        let expected =
            "memory ran out (CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has 1 GiB free); nvidia-smi";
        assert!(error.to_string().starts_with(expected), "{error}");
        let error = torch("[enforce fail at x.cpp:1] err == 0. CPUAllocator: can't allocate memory (Error 12)");
        assert_eq!(error.to_string(), "memory ran out (CPUAllocator: can't allocate memory (Error 12))");
        let bare = catch_panic(|| -> Result<()> { panic!("Torch(\"could not create a primitive\")") }).unwrap_err();
        assert_eq!(bare.to_string(), "memory ran out (could not create a primitive)");
        let error = torch("mat1 and mat2 shapes cannot be multiplied");
        assert!(!error.is::<OutOfMemory>() && error.to_string().starts_with("finesift panicked: called"), "{error}");
        assert_eq!(catch_panic(|| Err::<(), _>(anyhow!("out of memory"))).unwrap_err().to_string(), "out of memory");
        assert_eq!(catch_panic(|| Ok(3)).unwrap(), 3);
    }
}
