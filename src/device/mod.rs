//! Chooses the device to train on. libtorch's CUDA library is loaded at run time, so that one program runs with and without
//! a GPU.

mod dtype;
pub mod shim;

use std::env;
use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use libloading::os::unix::{Library, RTLD_GLOBAL, RTLD_NOW};
use tch::{Cuda, Device, Kind, Tensor};

use crate::Usage;
use crate::system::GpuRef;

/// The PyTorch release that the program is linked against. The CUDA library must be of the same release.
const TORCH: &str = "2.11.0";

/// A value of `--device`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeviceChoice {
    /// The first GPU, or the CPU if there is none.
    Auto,
    Cpu,
    /// A GPU by its CUDA number.
    Cuda(usize),
}

/// The chosen device.
#[derive(Clone, Debug)]
pub struct Chosen {
    pub device: Device,
    /// Why it was chosen.
    pub note: String,
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
    /// It belongs to this other release of PyTorch.
    WrongRelease(String),
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

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LoadError::NotFound => f.write_str("not found"),
            LoadError::WrongRelease(release) => write!(f, "belongs to PyTorch {release}, not {TORCH}"),
            LoadError::Loader(message) => f.write_str(message),
        }
    }
}

impl FromStr for DeviceChoice {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<DeviceChoice> {
        match text {
            "auto" => Ok(DeviceChoice::Auto),
            "cpu" => Ok(DeviceChoice::Cpu),
            "cuda" => Ok(DeviceChoice::Cuda(0)),
            _ => match text.strip_prefix("cuda:").and_then(|number| number.parse().ok()) {
                Some(number) => Ok(DeviceChoice::Cuda(number)),
                None => bail!(Usage(format!("--device {text}: expected auto, cpu or cuda:N, such as cuda:0"))),
            },
        }
    }
}

impl DeviceChoice {
    /// Resolves the choice on this machine.
    ///
    /// # Errors
    /// [`Usage`]: the requested GPU does not exist.
    pub fn resolve(self) -> Result<Chosen> {
        if self == DeviceChoice::Cpu {
            return Ok(Chosen { device: Device::Cpu, note: "CPU, as requested".into() });
        }
        let support = GpuSupport::find();
        match self {
            DeviceChoice::Cuda(number) if number < support.gpus => {
                Ok(Chosen { device: Device::Cuda(number), note: format!("GPU {number}, as requested") })
            }
            DeviceChoice::Cuda(number) if support.gpus > 0 => {
                bail!(Usage(format!(
                    "--device cuda:{number}: no such GPU; this machine has {}, from cuda:0 on",
                    support.gpus
                )))
            }
            DeviceChoice::Cuda(number) => {
                bail!(Usage(format!("--device cuda:{number}: {}; run `finesift doctor` for details", support.reason)))
            }
            _ if support.gpus > 0 => Ok(Chosen { device: Device::Cuda(0), note: "the first GPU".into() }),
            _ => Ok(Chosen { device: Device::Cpu, note: format!("CPU: {}", support.reason) }),
        }
    }
}

/// The device's name in options and events: `cpu`, `cuda:0`.
pub fn name(device: Device) -> String {
    match device {
        Device::Cuda(number) => format!("cuda:{number}"),
        _ => "cpu".into(),
    }
}

/// The hardware and threads that determine the order of sums, and with it their last digits.
pub fn arithmetic(device: Device) -> String {
    match device {
        Device::Cuda(_) => "cuda".into(),
        _ => format!("cpu, {} threads", tch::get_num_threads()),
    }
}

/// The GPU for telemetry; `None` for a CPU.
pub fn gpu(device: Device) -> Option<GpuRef> {
    match device {
        Device::Cuda(number) => Some(GpuRef::Cuda(number as u32)),
        _ => None,
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
        for path in candidates() {
            let outcome = check_release(&path).and_then(|()| open(&path));
            let loaded = outcome.is_ok();
            attempts.push(LoadAttempt { path, outcome });
            if loaded {
                let gpus = Cuda::device_count().max(0) as usize;
                let reason = if gpus == 0 {
                    "the NVIDIA driver reports no GPU that CUDA 13 can use".to_owned()
                } else {
                    String::new()
                };
                return GpuSupport { gpus, attempts, reason };
            }
        }
        let reason = "libtorch_cuda.so not found; `make setup CUDA=1` fetches it".to_owned();
        GpuSupport { gpus: 0, attempts, reason }
    }
}

/// Possible paths of `libtorch_cuda.so`, in the order they are tried.
fn candidates() -> Vec<PathBuf> {
    const NAME: &str = "libtorch_cuda.so";
    let mut paths = Vec::new();
    paths.extend(env::var_os("FINESIFT_TORCH_LIB").map(|folder| PathBuf::from(folder).join(NAME)));
    paths.extend(libtorch_folder().map(|folder| folder.join(NAME)));
    paths.push(crate::paths::cache_folder().join(format!("libtorch-{TORCH}-cuda/torch/lib")).join(NAME));
    paths.push(PathBuf::from(NAME));
    paths
}

/// The folder of this process's `libtorch_cpu.so`.
pub fn libtorch_folder() -> Option<PathBuf> {
    let maps = std::fs::read_to_string("/proc/self/maps").ok()?;
    let path = maps
        .lines()
        .filter_map(|line| line.find('/').map(|start| &line[start..]))
        .find(|path| path.ends_with("/libtorch_cpu.so"))?;
    Path::new(path).parent().map(Path::to_owned)
}

/// Checks the release of a CUDA library, which `version.py` of a wheel states. One of another release would load and crash
/// later.
fn check_release(library: &Path) -> Result<(), LoadError> {
    if library.components().count() > 1 && !library.is_file() {
        return Err(LoadError::NotFound);
    }
    let version = library.parent().and_then(Path::parent).map(|torch| torch.join("version.py"));
    let Some(text) = version.and_then(|path| std::fs::read_to_string(path).ok()) else { return Ok(()) };
    match text.lines().find_map(|line| line.strip_prefix("__version__ = ")) {
        Some(version) if !version.trim_matches(['\'', '"']).starts_with(TORCH) => {
            Err(LoadError::WrongRelease(version.trim_matches(['\'', '"']).to_owned()))
        }
        _ => Ok(()),
    }
}

fn open(path: &Path) -> Result<(), LoadError> {
    // SAFETY: loading runs the library's initializers, which register the CUDA backend with libtorch. The handle is leaked
    // on purpose: a backend cannot be unregistered.
    let library = unsafe { Library::open(Some(path), RTLD_NOW | RTLD_GLOBAL) };
    library.map(std::mem::forget).map_err(|error| LoadError::Loader(error.to_string()))
}

/// Multiplies matrices on a device for two seconds and checks the results. Returns GFLOP/s (fp32).
pub fn self_test(device: Device) -> Result<f64> {
    const SIZE: i64 = 1024;
    let a = Tensor::f_rand([SIZE, SIZE], (Kind::Float, device))?;
    // The row sums of a product verify it on any device.
    let expected = a.f_matmul(&a.f_sum_dim_intlist(Some(&[1i64][..]), true, Kind::Float)?)?;
    let (start, mut products) = (Instant::now(), 0);
    while start.elapsed() < Duration::from_secs(2) {
        let product = a.f_matmul(&a)?;
        products += 1;
        let off = (product.f_sum_dim_intlist(Some(&[1i64][..]), true, Kind::Float)? / &expected - 1.0).abs().max();
        // Reading it waits for the device.
        let off = f64::try_from(off)?;
        if off.is_nan() || off > 1e-2 {
            bail!("{}: a matrix product is wrong by {off:.1e}", name(device));
        }
    }
    let operations = 2.0 * (SIZE as f64).powi(3) * f64::from(products);
    Ok(operations / start.elapsed().as_secs_f64() / 1e9)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn device_names_are_parsed() {
        assert_eq!("cuda:3".parse::<DeviceChoice>().unwrap(), DeviceChoice::Cuda(3));
        assert_eq!("cuda".parse::<DeviceChoice>().unwrap(), DeviceChoice::Cuda(0));
        for wrong in ["gpu", "cuda:", "cuda:-1", "CPU", ""] {
            assert!(wrong.parse::<DeviceChoice>().unwrap_err().to_string().contains("expected auto, cpu or cuda:N"));
        }
    }

    #[test]
    fn a_cuda_library_of_another_release_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let library = folder.path().join("torch/lib/libtorch_cuda.so");
        std::fs::create_dir_all(library.parent().unwrap()).unwrap();
        assert_eq!(check_release(&library).unwrap_err(), LoadError::NotFound);
        std::fs::write(&library, "").unwrap();
        assert!(check_release(&library).is_ok());
        std::fs::write(folder.path().join("torch/version.py"), "__all__ = []\n__version__ = '2.9.1+cu128'\n").unwrap();
        assert_eq!(check_release(&library).unwrap_err().to_string(), "belongs to PyTorch 2.9.1+cu128, not 2.11.0");
    }
}
