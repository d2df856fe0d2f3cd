//! The machine of a benchmark: a ratio that holds on one does not hold on another.

use anyhow::Result;
use serde::Serialize;

use super::report::Report;
use crate::device::{DeviceChoice, Libtorch};
use crate::sift::sampled::GradientSampler;
use crate::system::{self, GpuRef, Machine};

/// What decides how fast a step is.
#[derive(Clone, Debug, Serialize)]
pub struct BenchMachine {
    #[serde(flatten)]
    machine: Machine,
    /// CPU threads of a method's process, if one started.
    threads: Option<i32>,
    /// What multiplies fp32 matrices, if a process started.
    matmul: Option<String>,
    /// The instructions that sampled gradients are computed with.
    sampled_gradients: &'static str,
    /// The PyTorch release, if libtorch belongs to PyTorch's Python package.
    torch: Option<String>,
    /// Settings of the allocator in the environment, which override the program's.
    malloc_conf: Option<String>,
    /// The GPU that methods run on.
    gpu: Option<String>,
}

impl BenchMachine {
    /// This machine, on which the methods of these reports ran.
    ///
    /// # Errors
    /// The system reports nothing.
    pub fn of(reports: &[Report]) -> Result<BenchMachine> {
        let start = reports.iter().find_map(|report| report.start.as_ref());
        let gpu = match start.and_then(|start| start.device.parse().ok()) {
            Some(DeviceChoice::Cuda(number)) => system::gpu_now(&GpuRef::Cuda(number as u32)),
            _ => None,
        };
        Ok(BenchMachine {
            machine: system::machine()?,
            threads: start.map(|start| start.threads),
            matmul: start.map(|start| start.matmul.clone()),
            sampled_gradients: GradientSampler::default().instructions().name(),
            torch: Libtorch::loaded().and_then(|libtorch| libtorch.release),
            malloc_conf: std::env::var("MALLOC_CONF").ok().filter(|settings| !settings.is_empty()),
            gpu: gpu.map(|gpu| gpu.name),
        })
    }

    /// Its facts, each with its name.
    pub fn facts(&self) -> Vec<(&'static str, String)> {
        let mut facts = self.machine.processor_facts();
        facts.extend(self.threads.map(|threads| ("threads", threads.to_string())));
        facts.extend(self.matmul.iter().map(|matmul| ("matmul", matmul.clone())));
        facts.push(("sampled by", self.sampled_gradients.to_owned()));
        facts.extend(self.torch.iter().map(|release| ("torch", release.clone())));
        facts.extend(self.malloc_conf.iter().map(|settings| ("MALLOC_CONF", settings.clone())));
        facts.extend(self.gpu.iter().map(|gpu| ("gpu", gpu.clone())));
        facts
    }
}
