//! Which device to train on. The GPU half of libtorch is opened at run time, so that one program runs with and without.

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

/// The PyTorch release that the program is built against. Patch releases keep the C++ interface.
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

/// The CPU half of libtorch that this process has loaded.
#[derive(Clone, Debug)]
pub struct Libtorch {
    /// Its folder.
    pub folder: PathBuf,
    /// The PyTorch release, if the folder belongs to PyTorch's Python package.
    pub release: Option<String>,
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
        Libtorch::loaded().map_or(Ok(()), |libtorch| libtorch.check())?;
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
        let libtorch = Libtorch::loaded();
        let release = libtorch.as_ref().and_then(|libtorch| libtorch.release.as_deref());
        for path in candidates(libtorch.as_ref()) {
            let outcome = fits(&path, release.unwrap_or(TORCH)).and_then(|()| open(&path));
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
        // In a Python environment, PyTorch's package may be the one without CUDA.
        let how = match release {
            Some(_) => format!("`pip install --force-reinstall torch=={TORCH}` installs PyTorch with CUDA"),
            None => "`make setup CUDA=1` downloads it".to_owned(),
        };
        GpuSupport { gpus: 0, looked_at, reason: format!("libtorch_cuda.so cannot be loaded; {how}") }
    }
}

/// Where `libtorch_cuda.so` may be, in the order they are tried.
fn candidates(libtorch: Option<&Libtorch>) -> Vec<PathBuf> {
    const NAME: &str = "libtorch_cuda.so";
    let mut paths = Vec::new();
    paths.extend(env::var_os("FINESIFT_TORCH_LIB").map(|folder| PathBuf::from(folder).join(NAME)));
    paths.extend(libtorch.map(|libtorch| libtorch.folder.join(NAME)));
    paths.push(crate::preset::cache_folder().join(format!("libtorch-{TORCH}-cuda/torch/lib")).join(NAME));
    paths.push(PathBuf::from(NAME));
    paths
}

impl fmt::Display for Libtorch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.folder.display())?;
        self.release.as_ref().map_or(Ok(()), |release| write!(f, " (PyTorch {release})"))
    }
}

impl Libtorch {
    /// The library in this process; nothing where the system does not list a process's libraries (macOS).
    pub fn loaded() -> Option<Libtorch> {
        let maps = std::fs::read_to_string("/proc/self/maps").ok()?;
        let path = maps
            .lines()
            .filter_map(|line| line.find('/').map(|start| &line[start..]))
            .find(|path| path.ends_with("/libtorch_cpu.so"))?;
        let path = Path::new(path);
        Some(Libtorch { folder: path.parent()?.to_owned(), release: release_beside(path) })
    }

    /// Whether the program can run with it. A library of another release may load and crash later.
    ///
    /// # Errors
    /// What to install, if it is of another release.
    pub fn check(&self) -> Result<()> {
        match &self.release {
            Some(release) if minor(release) != minor(TORCH) => bail!(
                "{} is of PyTorch {release}, but this finesift needs {}. Run `pip install 'torch=={}.*'` in that environment.",
                self.folder.display(),
                minor(TORCH),
                minor(TORCH)
            ),
            _ => Ok(()),
        }
    }
}

/// The PyTorch release of a library in PyTorch's Python package, such as `2.11.0+cu130`. Other folders do not tell.
fn release_beside(library: &Path) -> Option<String> {
    let text = std::fs::read_to_string(library.parent()?.parent()?.join("version.py")).ok()?;
    let version = text.lines().find_map(|line| line.strip_prefix("__version__ = "))?;
    Some(version.trim_matches(['\'', '"']).to_owned())
}

/// `2.11` of `2.11.0+cu130`.
fn minor(release: &str) -> &str {
    release.match_indices('.').nth(1).map_or(release, |(end, _)| &release[..end])
}

/// The GPU half has to be of the same release as the CPU half: another one may load and crash later.
fn fits(library: &Path, wanted: &str) -> Result<(), String> {
    if library.components().count() > 1 && !library.is_file() {
        return Err("not there".into());
    }
    let public = |release: &str| release.split('+').next().unwrap_or_default().to_owned();
    match release_beside(library) {
        Some(release) if public(&release) != public(wanted) => Err(format!("is of PyTorch {release}, not {wanted}")),
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
    fn a_gpu_half_of_another_release_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let library = folder.path().join("torch/lib/libtorch_cuda.so");
        std::fs::create_dir_all(library.parent().unwrap()).unwrap();
        assert_eq!(fits(&library, TORCH).unwrap_err(), "not there");
        std::fs::write(&library, "").unwrap();
        assert!(fits(&library, TORCH).is_ok());
        let version = |release: &str| {
            let text = format!("from typing import Optional\n__all__ = []\n__version__ = '{release}'\ncuda = None\n");
            std::fs::write(folder.path().join("torch/version.py"), text).unwrap();
        };
        version("2.9.1+cu128");
        assert_eq!(fits(&library, TORCH).unwrap_err(), "is of PyTorch 2.9.1+cu128, not 2.11.0");
        version("2.11.1+cu130");
        assert!(fits(&library, "2.11.0").is_err() && fits(&library, "2.11.1+cpu").is_ok());
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
