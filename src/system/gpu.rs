//! NVIDIA's GPUs as NVML tells of them. NVML is opened when asked for, and may well not be there.

use std::env;

use nvml_wrapper::enum_wrappers::device::TemperatureSensor;
use nvml_wrapper::enums::device::UsedGpuMemory;
use nvml_wrapper::error::NvmlError;
use nvml_wrapper::{Device, Nvml};

use crate::protocol::Gpu;

/// Which GPU is meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GpuRef {
    /// The N of `cuda:N`: an index into what `CUDA_VISIBLE_DEVICES` leaves.
    Cuda(u32),
    /// As NVML counts, all GPUs.
    Index(u32),
    /// As NVML names it: `GPU-…`.
    Uuid(String),
}

/// The driver and its GPUs.
#[derive(Clone, Debug, PartialEq)]
pub struct Nvidia {
    /// Version of the driver.
    pub driver: String,
    /// All GPUs, in NVML's order.
    pub gpus: Vec<GpuFacts>,
}

/// One GPU, for `finesift doctor`.
#[derive(Clone, Debug, PartialEq)]
pub struct GpuFacts {
    /// `GPU-…`, as `CUDA_VISIBLE_DEVICES` takes it.
    pub uuid: String,
    /// Its name, memory and load now.
    pub now: Gpu,
}

/// Looks at the NVIDIA GPUs of this machine.
///
/// # Errors
/// Why NVML does not answer, in a sentence: no driver, no permission.
pub fn nvidia() -> Result<Nvidia, String> {
    let look = || -> Result<Nvidia, NvmlError> {
        let nvml = Nvml::init()?;
        let mut gpus = Vec::new();
        for index in 0..nvml.device_count()? {
            let device = nvml.device_by_index(index)?;
            gpus.push(GpuFacts { uuid: device.uuid()?, now: read(&device)? });
        }
        Ok(Nvidia { driver: nvml.sys_driver_version()?, gpus })
    };
    look().map_err(|error| match error {
        NvmlError::LibloadingError(_) => "NVML is not installed: there is no NVIDIA driver here".to_owned(),
        other => format!("NVML does not answer: {other}"),
    })
}

/// One GPU under watch.
pub(super) struct GpuMonitor {
    nvml: Nvml,
    gpu: GpuRef,
}

impl GpuMonitor {
    /// `None` where there is no NVML or no such GPU.
    pub(super) fn open(gpu: &GpuRef) -> Option<GpuMonitor> {
        let visible = env::var("CUDA_VISIBLE_DEVICES").ok();
        let watch = GpuMonitor { nvml: Nvml::init().ok()?, gpu: resolve(gpu, visible.as_deref())? };
        watch.read().is_some().then_some(watch)
    }

    /// Its numbers now; `None` when it was lost.
    pub(super) fn read(&self) -> Option<Gpu> {
        let device = match &self.gpu {
            GpuRef::Uuid(uuid) => self.nvml.device_by_uuid(uuid.as_str()),
            GpuRef::Index(index) | GpuRef::Cuda(index) => self.nvml.device_by_index(*index),
        };
        read(&device.ok()?).ok()
    }
}

/// What a GPU cannot tell, as a slice of one cannot tell its power, is 0.
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

/// From CUDA's count to NVML's. CUDA stops at the first entry that names no GPU, and sees none from there on.
///
/// CUDA counts the fastest first unless `CUDA_DEVICE_ORDER=PCI_BUS_ID` and NVML by bus, so on a machine of unlike GPUs
/// the two may differ; a UUID never does.
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
    fn cuda_counts_what_cuda_visible_devices_leaves() {
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
    fn a_machine_without_nvml_gives_a_reason() {
        match nvidia() {
            Ok(nvidia) => assert!(!nvidia.driver.is_empty()),
            Err(reason) => assert!(reason.contains("NVML"), "{reason}"),
        }
    }
}
