//! NVIDIA GPUs, through NVML, which is loaded at run time and may be missing.

use std::env;
use std::fmt;

use nvml_wrapper::enum_wrappers::device::TemperatureSensor;
use nvml_wrapper::enums::device::UsedGpuMemory;
use nvml_wrapper::error::NvmlError;
use nvml_wrapper::{Device, Nvml};

use crate::protocol::Gpu;

/// Identifies a GPU.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GpuRef {
    /// The N of `cuda:N`: an index into `CUDA_VISIBLE_DEVICES`.
    Cuda(u32),
    /// Index in NVML, among all GPUs.
    Index(u32),
    /// UUID in NVML: `GPU-…`.
    Uuid(String),
}

/// The driver and its GPUs.
#[derive(Clone, Debug, PartialEq)]
pub struct Nvidia {
    /// Version of the driver.
    pub driver: String,
    /// All GPUs, in the order of NVML.
    pub gpus: Vec<GpuInfo>,
}

/// One GPU, for `finesift doctor`.
#[derive(Clone, Debug, PartialEq)]
pub struct GpuInfo {
    /// `GPU-…`, as `CUDA_VISIBLE_DEVICES` accepts it.
    pub uuid: String,
    /// A sample: name, memory and load.
    pub now: Gpu,
}

/// Why NVML is not available.
#[derive(Debug)]
pub enum NvmlUnavailable {
    NotInstalled,
    Failed(NvmlError),
}

impl fmt::Display for NvmlUnavailable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NvmlUnavailable::NotInstalled => f.write_str("NVML is not installed: this machine has no NVIDIA driver"),
            NvmlUnavailable::Failed(error) => write!(f, "NVML does not answer: {error}"),
        }
    }
}

impl std::error::Error for NvmlUnavailable {}

/// The NVIDIA GPUs of this machine.
///
/// # Errors
/// NVML does not answer: no driver, or no permission.
pub fn nvidia() -> Result<Nvidia, NvmlUnavailable> {
    let look = || -> Result<Nvidia, NvmlError> {
        let nvml = Nvml::init()?;
        let mut gpus = Vec::new();
        for index in 0..nvml.device_count()? {
            let device = nvml.device_by_index(index)?;
            gpus.push(GpuInfo { uuid: device.uuid()?, now: read(&device)? });
        }
        Ok(Nvidia { driver: nvml.sys_driver_version()?, gpus })
    };
    look().map_err(|error| match error {
        NvmlError::LibloadingError(_) => NvmlUnavailable::NotInstalled,
        other => NvmlUnavailable::Failed(other),
    })
}

/// An open GPU.
pub struct GpuMonitor {
    nvml: Nvml,
    gpu: GpuRef,
}

impl GpuMonitor {
    /// `None` without NVML or without such a GPU.
    pub fn open(gpu: &GpuRef) -> Option<GpuMonitor> {
        let visible = env::var("CUDA_VISIBLE_DEVICES").ok();
        let watch = GpuMonitor { nvml: Nvml::init().ok()?, gpu: resolve(gpu, visible.as_deref())? };
        watch.read().is_some().then_some(watch)
    }

    /// A sample; `None` if the GPU was lost.
    pub fn read(&self) -> Option<Gpu> {
        let device = match &self.gpu {
            GpuRef::Uuid(uuid) => self.nvml.device_by_uuid(uuid.as_str()),
            GpuRef::Index(index) | GpuRef::Cuda(index) => self.nvml.device_by_index(*index),
        };
        read(&device.ok()?).ok()
    }
}

/// Numbers that a GPU does not report are 0, such as the power of a MIG slice.
fn read(device: &Device) -> Result<Gpu, NvmlError> {
    let memory = device.memory_info()?;
    Ok(Gpu {
        name: device.name()?,
        memory_used: memory.used,
        process_memory: process_memory(device),
        memory_total: memory.total,
        utilization: device.utilization_rates().map_or(0.0, |rates| f64::from(rates.gpu)),
        temperature: device.temperature(TemperatureSensor::Gpu).map_or(0.0, f64::from),
        power: device.power_usage().map_or(0.0, watts),
        power_limit: device.enforced_power_limit().ok().map(watts),
    })
}

fn watts(milliwatts: u32) -> f64 {
    f64::from(milliwatts) / 1000.0
}

fn process_memory(device: &Device) -> Option<u64> {
    let own = device.running_compute_processes().ok()?.into_iter().find(|process| process.pid == std::process::id())?;
    match own.used_gpu_memory {
        UsedGpuMemory::Used(bytes) => Some(bytes),
        UsedGpuMemory::Unavailable => None,
    }
}

/// Translates a CUDA index into one of NVML. CUDA ignores `CUDA_VISIBLE_DEVICES` from the first invalid entry on.
///
/// CUDA orders GPUs by speed unless `CUDA_DEVICE_ORDER=PCI_BUS_ID`, and NVML by bus, so the two may differ on a machine with
/// unlike GPUs. UUIDs are unambiguous.
fn resolve(gpu: &GpuRef, visible: Option<&str>) -> Option<GpuRef> {
    let (GpuRef::Cuda(index), Some(visible)) = (gpu, visible) else {
        return Some(match gpu {
            GpuRef::Cuda(index) => GpuRef::Index(*index),
            other => other.clone(),
        });
    };
    let entries = visible.split(',').map(|entry| {
        let entry = entry.trim();
        match entry.parse() {
            Ok(index) => Some(GpuRef::Index(index)),
            Err(_) if entry.starts_with("GPU-") || entry.starts_with("MIG-") => Some(GpuRef::Uuid(entry.to_owned())),
            Err(_) => None,
        }
    });
    entries.map_while(|entry| entry).nth(*index as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cuda_indices_follow_cuda_visible_devices() {
        let cuda = |index, visible| resolve(&GpuRef::Cuda(index), visible);
        assert_eq!(cuda(1, None), Some(GpuRef::Index(1)));
        assert_eq!(cuda(0, Some("3,1")), Some(GpuRef::Index(3)));
        assert_eq!(cuda(1, Some("3, GPU-ab")), Some(GpuRef::Uuid("GPU-ab".into())));
        assert_eq!(cuda(2, Some("3,1")), None);
        assert_eq!(cuda(0, Some("")), None);
        assert_eq!(cuda(1, Some("0,-1,2")), None);
        assert_eq!(cuda(2, Some("0,-1,2")), None);
        assert_eq!(resolve(&GpuRef::Index(2), Some("0")), Some(GpuRef::Index(2)));
    }

    #[test]
    fn a_machine_without_nvml_has_a_reason() {
        match nvidia() {
            Ok(nvidia) => assert!(!nvidia.driver.is_empty()),
            Err(reason) => assert!(reason.to_string().contains("NVML"), "{reason}"),
        }
    }
}
