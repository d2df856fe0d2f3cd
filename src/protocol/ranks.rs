//! The ranks of a run, which each compute a part of every batch.

use serde::{Deserialize, Serialize};

/// A sample of all ranks, once a second. A run on a single process has none.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Ranks {
    /// Seconds since this process began to sample, on the axis of [`System::at`](super::System::at).
    pub at: f64,
    /// One entry per rank, in their order.
    pub ranks: Vec<RankSample>,
}

/// A sample of one rank, over the steps since its sample before.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RankSample {
    /// Name of its machine.
    pub host: String,
    /// `cpu` or `cuda:N`.
    pub device: String,
    /// Optimizer steps taken.
    pub step: u64,
    /// Tokens per second of its own part of the batches, padding excluded; 0 while it takes no steps.
    pub tokens_per_second: f64,
    /// Seconds per optimizer step, waiting included; 0 while it takes no steps.
    pub step_seconds: f64,
    /// Seconds per optimizer step in which it waited for other ranks.
    pub wait_seconds: f64,
    /// Bytes per optimizer step of its tensors that were reduced or gathered over all ranks.
    pub bytes_per_step: f64,
    /// Memory of its process on its device, in bytes: of the GPU if NVML reports it, else the resident set.
    pub memory: u64,
    /// Share of time in which kernels ran on its GPU, in percent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gpu_utilization: Option<f64>,
    /// Seconds since its latest sample arrived: more than a few if the rank or its network does not respond.
    #[serde(default)]
    pub age: f64,
}
