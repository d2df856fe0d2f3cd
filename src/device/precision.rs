//! How exactly a GPU multiplies matrices of f32.

use anyhow::{Result, anyhow};
use libloading::os::unix::Library;

/// `at::globalContext()`.
const CONTEXT: &[u8] = b"_ZN2at13globalContextEv\0";

/// `at::Context::setAllowTF32CuBLAS(bool)`.
const ALLOW: &[u8] = b"_ZN2at7Context18setAllowTF32CuBLASEb\0";

/// Whether an NVIDIA GPU may round what it multiplies to TF32: 10 bits of mantissa instead of 23, and several times the
/// speed. As `torch.backends.cuda.matmul.allow_tf32`; tch has no word for it.
///
/// # Errors
/// A libtorch of another release, which calls it by another name.
pub fn allow_tf32(allow: bool) -> Result<()> {
    let unknown = |error| anyhow!("this libtorch cannot be told about train.tf32: {error}");
    // SAFETY: both are functions of the release that this program is linked with, by the names that the C++ ABI gives
    // them; a member function takes the object it is of as its first argument.
    unsafe {
        let libtorch = Library::this();
        let context = libtorch.get::<unsafe extern "C" fn() -> *mut Context>(CONTEXT).map_err(unknown)?;
        let set = libtorch.get::<unsafe extern "C" fn(*mut Context, bool)>(ALLOW).map_err(unknown)?;
        set(context(), allow);
    }
    Ok(())
}

/// libtorch's own, never looked into.
enum Context {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libtorch_is_told_and_tells_it_back() {
        // SAFETY: as above; `at::Context::allowTF32CuBLAS() const`.
        let allowed = || unsafe {
            let libtorch = Library::this();
            let context = libtorch.get::<unsafe extern "C" fn() -> *mut Context>(CONTEXT).unwrap();
            let name = b"_ZNK2at7Context15allowTF32CuBLASEv\0";
            libtorch.get::<unsafe extern "C" fn(*const Context) -> bool>(name).unwrap()(context())
        };
        assert!(!allowed());
        allow_tf32(true).unwrap();
        assert!(allowed());
        allow_tf32(false).unwrap();
        assert!(!allowed());
    }
}
