//! Compiles CUDA C with NVRTC, the compiler among CUDA's libraries, and keeps the result on disk.

use std::ffi::{CString, c_char};
use std::fs;
use std::path::Path;
use std::ptr;

use cudarc::nvrtc::sys::{
    nvrtcCompileProgram, nvrtcCreateProgram, nvrtcDestroyProgram, nvrtcGetCUBIN, nvrtcGetCUBINSize, nvrtcGetProgramLog,
    nvrtcGetProgramLogSize, nvrtcProgram, nvrtcResult, nvrtcVersion,
};
use sha2::{Digest, Sha256};

use crate::device::load_nvrtc;
use crate::paths::cache_folder;
use crate::unfinished::Unfinished;

/// What a kernel includes.
const HEADER: (&str, &str) = ("portable.h", include_str!("portable.h"));

/// The binary of a source for GPUs of this compute capability.
///
/// # Errors
/// NVRTC's first message, or why it cannot be used.
pub fn compiled(name: &str, source: &str, [major, minor]: [i32; 2]) -> Result<Vec<u8>, String> {
    let version = version()?;
    // A product and a sum are rounded one after the other, as libtorch's operators do it.
    let options = [format!("--gpu-architecture=sm_{major}{minor}"), "--std=c++17".into(), "--fmad=false".into()];
    let mut digest = Sha256::new();
    for part in [version.as_str(), source, HEADER.1].into_iter().chain(options.iter().map(String::as_str)) {
        digest.update((part.len() as u64).to_le_bytes());
        digest.update(part);
    }
    let digest = digest.finalize();
    let digest: String = digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    let path = cache_folder().join("kernels").join(format!("{name}-sm_{major}{minor}-{digest}.cubin"));
    if let Some(binary) = kept(&path) {
        return Ok(binary);
    }
    let binary = compile(name, source, &options)?;
    // Without the file, it is compiled again next time.
    let _ = keep(&path, &binary);
    Ok(binary)
}

/// Its last bytes say that it is whole and as it was written: the loader would crash on anything else.
fn kept(path: &Path) -> Option<Vec<u8>> {
    let mut binary = fs::read(path).ok()?;
    let digest = binary.split_off(binary.len().checked_sub(32)?);
    (Sha256::digest(&binary)[..] == digest[..]).then_some(binary)
}

fn keep(path: &Path, binary: &[u8]) -> anyhow::Result<()> {
    let unfinished = Unfinished::in_place_of(path)?;
    fs::write(&unfinished.path, [binary, &Sha256::digest(binary)[..]].concat())?;
    unfinished.finish()
}

fn version() -> Result<String, String> {
    load_nvrtc()?;
    let (mut major, mut minor) = (0, 0);
    // SAFETY: the library is loaded; both numbers outlive the call.
    succeeded(unsafe { nvrtcVersion(&mut major, &mut minor) })?;
    Ok(format!("{major}.{minor}"))
}

fn compile(name: &str, source: &str, options: &[String]) -> Result<Vec<u8>, String> {
    let text = |text: &str| CString::new(text).map_err(|error| error.to_string());
    let (name, source, header, header_name) = (text(name)?, text(source)?, text(HEADER.1)?, text(HEADER.0)?);
    let options = options.iter().map(|option| text(option)).collect::<Result<Vec<_>, _>>()?;
    let options: Vec<*const c_char> = options.iter().map(|option| option.as_ptr()).collect();
    let mut program = NvrtcProgram(ptr::null_mut());
    // SAFETY: all texts end in a zero byte and outlive the program; the lists have the stated lengths.
    unsafe {
        succeeded(nvrtcCreateProgram(
            &mut program.0,
            source.as_ptr(),
            name.as_ptr(),
            1,
            &header.as_ptr(),
            &header_name.as_ptr(),
        ))?;
        let status = nvrtcCompileProgram(program.0, options.len() as i32, options.as_ptr());
        succeeded(status).map_err(|error| format!("{error}: {}", program.first_message()))?;
        let mut size = 0;
        succeeded(nvrtcGetCUBINSize(program.0, &mut size))?;
        let mut binary = vec![0u8; size];
        succeeded(nvrtcGetCUBIN(program.0, binary.as_mut_ptr().cast()))?;
        Ok(binary)
    }
}

struct NvrtcProgram(nvrtcProgram);

impl NvrtcProgram {
    /// The first line of the compiler's log.
    fn first_message(&self) -> String {
        let mut size = 0;
        // SAFETY: the program exists, and the buffer has the size that the library asks for.
        let log = unsafe {
            let mut log = Vec::new();
            if succeeded(nvrtcGetProgramLogSize(self.0, &mut size)).is_ok() {
                log.resize(size, 0u8);
                let _ = nvrtcGetProgramLog(self.0, log.as_mut_ptr().cast());
            }
            log
        };
        let log = String::from_utf8_lossy(&log);
        log.lines().next().unwrap_or_default().trim_matches('\0').to_owned()
    }
}

impl Drop for NvrtcProgram {
    fn drop(&mut self) {
        if !self.0.is_null() {
            // SAFETY: the program exists and is not used any more.
            let _ = unsafe { nvrtcDestroyProgram(&mut self.0) };
        }
    }
}

fn succeeded(status: nvrtcResult) -> Result<(), String> {
    status.result().map_err(|error| format!("NVRTC: {error}"))
}
