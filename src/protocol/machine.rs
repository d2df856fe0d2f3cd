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

impl Gpu {
    /// The name of a product without its maker, memory and connector: `H100` of `NVIDIA H100 80GB HBM3`.
    pub fn short_name(name: &str) -> String {
        const LEFT_OUT: [&str; 7] = ["NVIDIA", "GeForce", "Tesla", "Quadro", "Generation", "PCIe", "NVL"];
        let ends_in_digits = |word: &str, start: &str| {
            word.strip_prefix(start).is_some_and(|rest| rest.chars().all(|c| c.is_ascii_alphanumeric()))
        };
        let is_size = |word: &str| {
            word.strip_suffix("GB").is_some_and(|size| !size.is_empty() && size.chars().all(|c| c.is_ascii_digit()))
        };
        let is_left_out = |word: &str| {
            LEFT_OUT.contains(&word) || is_size(word) || ["SXM", "HBM"].iter().any(|start| ends_in_digits(word, start))
        };
        // `A100-SXM4-80GB` has hyphens where others have spaces.
        let word = |word: &str| {
            let parts: Vec<&str> = word.split('-').filter(|part| !part.is_empty() && !is_left_out(part)).collect();
            (!parts.is_empty()).then(|| parts.join("-"))
        };
        let short: Vec<String> = name.split_whitespace().filter_map(word).collect();
        // A product has a number.
        let named = short.iter().any(|word| word.chars().any(|c| c.is_ascii_digit()));
        if named { short.join(" ") } else { name.trim().to_owned() }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn products_have_short_names() {
        for (name, short) in [
            ("NVIDIA H100 80GB HBM3", "H100"),
            ("NVIDIA H100 PCIe", "H100"),
            ("NVIDIA H100 NVL", "H100"),
            ("NVIDIA A100-SXM4-80GB", "A100"),
            ("NVIDIA A100 80GB PCIe", "A100"),
            ("Tesla V100-SXM2-32GB", "V100"),
            ("Tesla T4", "T4"),
            ("NVIDIA GH200 480GB", "GH200"),
            ("NVIDIA GeForce RTX 4090", "RTX 4090"),
            ("NVIDIA GeForce GTX 1080 Ti", "GTX 1080 Ti"),
            ("NVIDIA RTX 6000 Ada Generation", "RTX 6000 Ada"),
            ("NVIDIA H100 80GB HBM3 MIG 1g.10gb", "H100 MIG 1g.10gb"),
            ("NVIDIA Graphics Device", "NVIDIA Graphics Device"),
            ("NVIDIA 80GB", "NVIDIA 80GB"),
            (" ", ""),
        ] {
            assert_eq!(Gpu::short_name(name), short, "{name}");
        }
    }

    proptest! {
        #[test]
        fn a_short_name_is_never_longer_and_is_short_already(
            name in "(NVIDIA |Tesla |[A-Z]{1,3}[0-9]{1,4}|-|SXM4|80GB| |GB|\\PC){0,8}"
        ) {
            let short = Gpu::short_name(&name);
            prop_assert!(short.len() <= name.len());
            prop_assert_eq!(short.is_empty(), name.trim().is_empty());
            prop_assert_eq!(&Gpu::short_name(&short), &short);
        }
    }
}
