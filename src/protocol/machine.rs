//! Memory of the run, and the load of the machine.

use serde::{Deserialize, Serialize};

/// Memory that the run has allocated, in bytes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Memory {
    /// Parameters of the model.
    pub weights: u64,
    /// Indices of the selected components.
    pub indices: u64,
    /// Optimizer state: fp32 masters, moments and gradients of all trainable parameters.
    pub optimizer: u64,
}

/// A sample of the machine.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct System {
    /// Seconds since this process began to sample, pauses included. It starts at 0 again in a resumed run.
    pub at: f64,
    /// CPU load of this process, in percent of one core.
    pub process_cpu: f64,
    /// Resident set of this process, in bytes.
    pub process_rss: u64,
    /// CPU load of the machine, in percent of all cores.
    pub cpu: f64,
    /// Memory in use on the machine, in bytes.
    pub memory_used: u64,
    /// Memory of the machine, in bytes.
    pub memory_total: u64,
    /// Bytes free on the disk of the run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disk_free: Option<u64>,
    /// Size of the disk of the run, in bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disk_total: Option<u64>,
    /// The GPU of the run, if it uses one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gpu: Option<Gpu>,
}

/// A sample of a GPU, from NVML.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Gpu {
    /// Product name.
    pub name: String,
    /// Memory in use by all processes, in bytes.
    pub memory_used: u64,
    /// Memory in use by this process, in bytes. `None` if the driver does not report it: in a container it may know the
    /// process by another id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub process_memory: Option<u64>,
    /// Memory of the GPU, in bytes.
    pub memory_total: u64,
    /// Share of time in which kernels ran, in percent.
    pub utilization: f64,
    /// Temperature in °C; 0 if not reported.
    pub temperature: f64,
    /// Power in watts; 0 if not reported.
    pub power: f64,
    /// Power limit in watts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub power_limit: Option<f64>,
}
