//! Which device to train on. The GPU half of libtorch is opened at run time, so that one program runs with and without.

mod dtype;
pub mod shim;

use std::env;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use libloading::os::unix::{Library, RTLD_GLOBAL, RTLD_NOW};
use tch::{Cuda, Device, Kind, Tensor};

use crate::Usage;
use crate::system::GpuRef;

/// The PyTorch release that the program is linked against; the GPU half must be of the same.
const TORCH: &str = "2.11.0";

/// What `--device` may say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeviceChoice {
    /// The first GPU if there is one.
    Auto,
    /// The CPU.
    Cpu,
    /// This GPU, counted as CUDA does.
    Cuda(usize),
}

/// A device, and why it was taken.
#[derive(Clone, Debug)]
pub struct Chosen {
    /// The device.
    pub device: Device,
    /// One sentence.
    pub note: String,
}

/// What came of looking for the GPU half of libtorch.
#[derive(Clone, Debug)]
pub struct GpuSupport {
    /// GPUs that can be trained on.
    pub gpus: usize,
    /// Each place looked at and what was found there.
    pub looked_at: Vec<(String, String)>,
    /// Why there is none, in a sentence; empty if there is one.
    pub reason: String,
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
    /// Finds the device.
    ///
    /// # Errors
    /// [`Usage`], with what was looked for: a GPU was asked for that cannot be had.
    pub fn resolve(self) -> Result<Chosen> {
        if self == DeviceChoice::Cpu {
            return Ok(Chosen { device: Device::Cpu, note: "CPU, as asked for".into() });
        }
        let support = GpuSupport::find();
        match self {
            DeviceChoice::Cuda(number) if number < support.gpus => {
                Ok(Chosen { device: Device::Cuda(number), note: format!("GPU {number}, as asked for") })
            }
            DeviceChoice::Cuda(number) if support.gpus > 0 => {
                bail!(Usage(format!("--device cuda:{number}: there are {} GPUs, counted from cuda:0", support.gpus)))
            }
            DeviceChoice::Cuda(number) => {
                bail!(Usage(format!("--device cuda:{number}: {}; `finesift doctor` tells more", support.reason)))
            }
            _ if support.gpus > 0 => Ok(Chosen { device: Device::Cuda(0), note: "the first GPU".into() }),
            _ => Ok(Chosen { device: Device::Cpu, note: format!("CPU: {}", support.reason) }),
        }
    }
}

/// As it is written in options and events.
pub fn name(device: Device) -> String {
    match device {
        Device::Cuda(number) => format!("cuda:{number}"),
        _ => "cpu".into(),
    }
}

/// What computes, as far as the last digits of its sums depend on it.
pub fn arithmetic(device: Device) -> String {
    match device {
        Device::Cuda(_) => "cuda".into(),
        _ => format!("cpu, {} threads", tch::get_num_threads()),
    }
}

/// The GPU to watch.
pub fn gpu(device: Device) -> Option<GpuRef> {
    match device {
        Device::Cuda(number) => Some(GpuRef::Cuda(number as u32)),
        _ => None,
    }
}

impl GpuSupport {
    /// Opens the driver and the GPU half of libtorch.
    pub fn find() -> GpuSupport {
        let mut looked_at = Vec::new();
        // Half a gigabyte of libraries need not be opened where nothing can run on them.
        if let Err(error) = open(Path::new("libcuda.so.1")) {
            looked_at.push(("libcuda.so.1".to_owned(), error));
            return GpuSupport { gpus: 0, looked_at, reason: "there is no NVIDIA driver (libcuda.so.1)".into() };
        }
        looked_at.push(("libcuda.so.1".to_owned(), "opened".to_owned()));
        for path in candidates() {
            let outcome = fits(&path).and_then(|()| open(&path));
            let opened = outcome.is_ok();
            looked_at.push((path.display().to_string(), outcome.err().unwrap_or_else(|| "opened".into())));
            if opened {
                let gpus = Cuda::device_count().max(0) as usize;
                let reason = if gpus == 0 {
                    "the NVIDIA driver shows no GPU that CUDA 13 can use".to_owned()
                } else {
                    String::new()
                };
                return GpuSupport { gpus, looked_at, reason };
            }
        }
        let reason = "libtorch_cuda.so was not found; `make setup CUDA=1` fetches it".to_owned();
        GpuSupport { gpus: 0, looked_at, reason }
    }
}

/// Where `libtorch_cuda.so` may be, in the order they are tried.
fn candidates() -> Vec<PathBuf> {
    const NAME: &str = "libtorch_cuda.so";
    let mut paths = Vec::new();
    paths.extend(env::var_os("FINESIFT_TORCH_LIB").map(|folder| PathBuf::from(folder).join(NAME)));
    paths.extend(libtorch_folder().map(|folder| folder.join(NAME)));
    paths.push(crate::preset::cache_folder().join(format!("libtorch-{TORCH}-cuda/torch/lib")).join(NAME));
    paths.push(PathBuf::from(NAME));
    paths
}

/// The folder of the `libtorch_cpu` that this process runs.
pub fn libtorch_folder() -> Option<PathBuf> {
    let maps = std::fs::read_to_string("/proc/self/maps").ok()?;
    let path = maps
        .lines()
        .filter_map(|line| line.find('/').map(|start| &line[start..]))
        .find(|path| path.ends_with("/libtorch_cpu.so"))?;
    Path::new(path).parent().map(Path::to_owned)
}

/// A GPU half of another release would be opened without complaint and crash later. A wheel tells its release beside it.
fn fits(library: &Path) -> Result<(), String> {
    if library.components().count() > 1 && !library.is_file() {
        return Err("not there".into());
    }
    let version = library.parent().and_then(Path::parent).map(|torch| torch.join("version.py"));
    let Some(text) = version.and_then(|path| std::fs::read_to_string(path).ok()) else { return Ok(()) };
    match text.lines().find_map(|line| line.strip_prefix("__version__ = ")) {
        Some(version) if !version.trim_matches(['\'', '"']).starts_with(TORCH) => {
            Err(format!("is of PyTorch {}, not {TORCH}", version.trim_matches(['\'', '"'])))
        }
        _ => Ok(()),
    }
}

fn open(path: &Path) -> Result<(), String> {
    // SAFETY: opening runs the library's initializers, which register the CUDA backend with libtorch. The handle is
    // leaked on purpose: a backend cannot be taken back.
    let library = unsafe { Library::open(Some(path), RTLD_NOW | RTLD_GLOBAL) };
    library.map(std::mem::forget).map_err(|error| error.to_string())
}

/// Multiplies matrices on a device for two seconds: billions of fp32 operations a second.
pub fn self_test(device: Device) -> Result<f64> {
    const SIZE: i64 = 1024;
    let a = Tensor::f_rand([SIZE, SIZE], (Kind::Float, device))?;
    // Row sums of a product tell whether it is right, whatever the device.
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
    fn names_are_read() {
        assert_eq!("cuda:3".parse::<DeviceChoice>().unwrap(), DeviceChoice::Cuda(3));
        assert_eq!("cuda".parse::<DeviceChoice>().unwrap(), DeviceChoice::Cuda(0));
        for wrong in ["gpu", "cuda:", "cuda:-1", "CPU", ""] {
            assert!(wrong.parse::<DeviceChoice>().unwrap_err().to_string().contains("expected auto, cpu or cuda:N"));
        }
    }

    #[test]
    fn another_release_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let library = folder.path().join("torch/lib/libtorch_cuda.so");
        std::fs::create_dir_all(library.parent().unwrap()).unwrap();
        assert_eq!(fits(&library).unwrap_err(), "not there");
        std::fs::write(&library, "").unwrap();
        assert!(fits(&library).is_ok());
        std::fs::write(folder.path().join("torch/version.py"), "__all__ = []\n__version__ = '2.9.1+cu128'\n").unwrap();
        assert_eq!(fits(&library).unwrap_err(), "is of PyTorch 2.9.1+cu128, not 2.11.0");
    }
}
