//! libtorch at run time: the CPU library of this process and its release, and the CUDA library, which is loaded only where
//! there is a driver.

use std::env;
use std::fmt;
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use libloading::os::unix::{Library, RTLD_GLOBAL, RTLD_NOW};
use tch::Cuda;

use super::shim;

/// The PyTorch release that the program is built against. Patch releases keep the C++ interface.
const TORCH: &str = "2.11.0";

/// The CPU library of this process.
#[derive(Clone, Debug)]
pub struct Libtorch {
    /// Its folder.
    pub folder: PathBuf,
    /// The PyTorch release, if the folder belongs to PyTorch's Python package.
    pub release: Option<String>,
}

/// A library that was tried.
#[derive(Clone, Debug)]
pub struct LoadAttempt {
    pub path: PathBuf,
    pub outcome: Result<(), LoadError>,
}

/// Why a library was not loaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LoadError {
    NotFound,
    WrongRelease {
        found: String,
        expected: String,
    },
    /// The dynamic loader's message.
    Loader(String),
}

/// The result of loading libtorch's CUDA library.
#[derive(Clone, Debug)]
pub struct GpuSupport {
    /// GPUs that CUDA can use.
    pub gpus: usize,
    pub attempts: Vec<LoadAttempt>,
    /// Why there is no GPU; empty if there is one.
    pub reason: String,
}

impl fmt::Display for Libtorch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.folder.display())?;
        self.release.as_ref().map_or(Ok(()), |release| write!(f, " (PyTorch {release})"))
    }
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LoadError::NotFound => f.write_str("not found"),
            LoadError::WrongRelease { found, expected } => write!(f, "belongs to PyTorch {found}, not {expected}"),
            LoadError::Loader(message) => f.write_str(message),
        }
    }
}

impl Libtorch {
    /// The library in this process; `None` where the system does not list a process's libraries (macOS).
    pub fn loaded() -> Option<Libtorch> {
        let maps = std::fs::read_to_string("/proc/self/maps").ok()?;
        let path = maps
            .lines()
            .filter_map(|line| line.find('/').map(|start| &line[start..]))
            .find(|path| path.ends_with("/libtorch_cpu.so"))?;
        let path = Path::new(path);
        Some(Libtorch { folder: path.parent()?.to_owned(), release: release_of(path) })
    }

    /// Checks the release. A library of another release may load and crash later.
    ///
    /// # Errors
    /// What to install instead.
    pub fn check(&self) -> Result<()> {
        match &self.release {
            Some(release) if minor(release) != minor(TORCH) => bail!(
                "{}: PyTorch {release}, but this finesift needs {1}. Run `pip install 'torch=={1}.*'` in that environment.",
                self.folder.display(),
                minor(TORCH)
            ),
            _ => Ok(()),
        }
    }
}

impl GpuSupport {
    /// Loads the driver and libtorch's CUDA library.
    pub fn find() -> GpuSupport {
        let mut attempts = Vec::new();
        // Without a driver, loading half a gigabyte of libraries is a waste.
        let path = PathBuf::from("libcuda.so.1");
        let outcome = open(&path);
        let driver = outcome.is_ok();
        attempts.push(LoadAttempt { path, outcome });
        if !driver {
            return GpuSupport { gpus: 0, attempts, reason: "no NVIDIA driver (libcuda.so.1)".into() };
        }
        let libtorch = Libtorch::loaded();
        let release = libtorch.as_ref().and_then(|libtorch| libtorch.release.as_deref());
        for path in candidates(libtorch.as_ref()) {
            let outcome = check_release(&path, release.unwrap_or(TORCH)).and_then(|()| open(&path));
            let loaded = outcome.is_ok();
            attempts.push(LoadAttempt { path, outcome });
            if loaded {
                expand_segments();
                let gpus = Cuda::device_count().max(0) as usize;
                let reason = if gpus == 0 {
                    "the NVIDIA driver reports no GPU that CUDA 13 can use".to_owned()
                } else {
                    String::new()
                };
                return GpuSupport { gpus, attempts, reason };
            }
        }
        // In a Python environment, PyTorch's package may be the one without CUDA.
        let fix = match release {
            Some(_) => format!("`pip install --force-reinstall torch=={TORCH}` installs PyTorch with CUDA"),
            None => "`make setup CUDA=1` downloads it".to_owned(),
        };
        GpuSupport { gpus: 0, attempts, reason: format!("libtorch_cuda.so cannot be loaded; {fix}") }
    }
}

/// Lets libtorch's allocator grow its segments instead of adding some of other sizes, which holds some hundred MiB less in the steps
/// of a large model. Settings of the environment win.
fn expand_segments() {
    if ["PYTORCH_ALLOC_CONF", "PYTORCH_CUDA_ALLOC_CONF"].iter().all(|name| env::var_os(name).is_none()) {
        // A libtorch that does not know the setting works without it.
        let _ = shim::set_allocator_settings(c"expandable_segments:True");
    }
}

/// Loads CUDA's run-time compiler, by the library of PyTorch that links it and so knows where it is. After that it is found by name.
///
/// # Errors
/// Where it was looked for.
pub fn load_nvrtc() -> Result<(), String> {
    const NAME: &str = "libcaffe2_nvrtc.so";
    let beside = candidates(Libtorch::loaded().as_ref()).into_iter().map(|path| path.with_file_name(NAME));
    let mut failed = String::new();
    for path in beside {
        match open(&path) {
            Ok(()) => return Ok(()),
            Err(error) => failed = format!("{}: {error}", path.display()),
        }
    }
    Err(format!("no CUDA compiler: {failed}"))
}

/// Possible paths of `libtorch_cuda.so`, in the order they are tried.
fn candidates(libtorch: Option<&Libtorch>) -> Vec<PathBuf> {
    const NAME: &str = "libtorch_cuda.so";
    let mut paths = Vec::new();
    paths.extend(env::var_os("FINESIFT_TORCH_LIB").map(|folder| PathBuf::from(folder).join(NAME)));
    paths.extend(libtorch.map(|libtorch| libtorch.folder.join(NAME)));
    paths.push(crate::paths::cache_folder().join(format!("libtorch-{TORCH}-cuda/torch/lib")).join(NAME));
    paths.push(PathBuf::from(NAME));
    paths
}

/// Checks that a CUDA library is of the CPU library's release.
fn check_release(library: &Path, expected: &str) -> Result<(), LoadError> {
    if library.components().count() > 1 && !library.is_file() {
        return Err(LoadError::NotFound);
    }
    let public = |release: &str| release.split('+').next().unwrap_or_default().to_owned();
    match release_of(library) {
        Some(found) if public(&found) != public(expected) => {
            Err(LoadError::WrongRelease { found, expected: expected.to_owned() })
        }
        _ => Ok(()),
    }
}

/// The PyTorch release of a library in PyTorch's Python package, such as `2.11.0+cu130`; `None` elsewhere.
fn release_of(library: &Path) -> Option<String> {
    let text = std::fs::read_to_string(library.parent()?.parent()?.join("version.py")).ok()?;
    let version = text.lines().find_map(|line| line.strip_prefix("__version__ = "))?;
    Some(version.trim_matches(['\'', '"']).to_owned())
}

/// `2.11` of `2.11.0+cu130`.
fn minor(release: &str) -> &str {
    release.match_indices('.').nth(1).map_or(release, |(end, _)| &release[..end])
}

fn open(path: &Path) -> Result<(), LoadError> {
    // SAFETY: loading runs the library's initializers, which register the CUDA backend with libtorch. The handle is leaked
    // on purpose: a backend cannot be unregistered.
    let library = unsafe { Library::open(Some(path), RTLD_NOW | RTLD_GLOBAL) };
    library.map(std::mem::forget).map_err(|error| LoadError::Loader(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cuda_library_of_another_release_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let library = folder.path().join("torch/lib/libtorch_cuda.so");
        std::fs::create_dir_all(library.parent().unwrap()).unwrap();
        assert_eq!(check_release(&library, TORCH).unwrap_err(), LoadError::NotFound);
        std::fs::write(&library, "").unwrap();
        assert!(check_release(&library, TORCH).is_ok());
        let version = |release: &str| {
            let text = format!("from typing import Optional\n__all__ = []\n__version__ = '{release}'\ncuda = None\n");
            std::fs::write(folder.path().join("torch/version.py"), text).unwrap();
        };
        version("2.9.1+cu128");
        let error = check_release(&library, TORCH).unwrap_err().to_string();
        assert_eq!(error, "belongs to PyTorch 2.9.1+cu128, not 2.11.0");
        version("2.11.1+cu130");
        assert!(check_release(&library, "2.11.0").is_err() && check_release(&library, "2.11.1+cpu").is_ok());
    }

    #[test]
    fn a_libtorch_of_another_minor_release_is_refused_with_what_to_install() {
        let check = |release: Option<&str>| {
            Libtorch { folder: "/env/torch/lib".into(), release: release.map(str::to_owned) }.check()
        };
        for fine in [None, Some("2.11.0"), Some("2.11.3+cpu")] {
            check(fine).unwrap();
        }
        for wrong in ["2.1.0", "2.10.0+cu128", "2.12.0", "2"] {
            let message = check(Some(wrong)).unwrap_err().to_string();
            assert!(message.contains(wrong) && message.contains("pip install 'torch==2.11.*'"), "{message}");
        }
    }
}
