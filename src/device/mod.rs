//! Chooses the device to train on. libtorch's CUDA library is loaded at run time, so that one program runs with and without
//! a GPU.

pub mod autograd;
pub mod copies;
pub mod deterministic;
mod dtype;
mod libtorch;
pub mod matmul;
pub mod shim;
#[cfg(test)]
mod test_device;

use std::str::FromStr;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use cudarc::driver::result::device as driver;
use tch::{Device, Kind, Tensor};

use crate::Usage;
use crate::panics::catch;
use crate::system::GpuRef;
pub use libtorch::{GpuSupport, Libtorch, load_nvrtc};
use shim::LibtorchError;
#[cfg(test)]
pub(crate) use test_device::{on_test_device, random_tensor, test_device};

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
    /// Resolves the choice on this machine, for this thread to compute on.
    ///
    /// # Errors
    /// [`Usage`]: the requested GPU does not exist.
    pub fn enter(self) -> Result<Chosen> {
        let chosen = self.resolve()?;
        enter(chosen.device)?;
        Ok(chosen)
    }

    /// Resolves the choice on this machine.
    ///
    /// # Errors
    /// [`Usage`]: the requested GPU does not exist.
    pub fn resolve(self) -> Result<Chosen> {
        Libtorch::loaded().map_or(Ok(()), |libtorch| libtorch.check())?;
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

/// Makes a GPU that of this thread, on which it loads kernels and makes streams. Tensors know theirs.
///
/// # Errors
/// libtorch's message.
pub fn enter(device: Device) -> Result<(), LibtorchError> {
    match device {
        Device::Cuda(number) => shim::enter_device(number),
        _ => Ok(()),
    }
}

/// Which GPU of all it is, whatever its number in this process; `None` for a CPU.
pub fn identity(device: Device) -> Option<String> {
    let Device::Cuda(number) = device else { return None };
    let number = i32::try_from(number).ok()?;
    // The crate panics where it finds no library.
    let uuid = catch(|| driver::get(number).and_then(driver::get_uuid)).ok()?.ok()?;
    Some(uuid.bytes.iter().map(|byte| format!("{byte:02x}", byte = *byte as u8)).collect())
}

/// Gives back to the driver what libtorch holds of a GPU's memory for tensors to come.
pub fn empty_cache(device: Device) {
    if device.is_cuda() {
        // Without an allocator there is nothing to give back.
        let _ = shim::empty_cache();
    }
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
}
