//! `finesift doctor`: devices, libraries and paths of this machine, and whether each device computes.

use std::fmt::Write;

use super::time_zone::LocalZone;
use crate::hub::Hub;
use crate::preset::cache_folder;
use crate::system;

/// The report, a line for each finding.
pub(super) fn report() -> String {
    let mut text = format!("finesift      {}\n", env!("CARGO_PKG_VERSION"));
    machine(&mut text);
    nvidia(&mut text);
    #[cfg(feature = "torch")]
    torch(&mut text);
    #[cfg(not(feature = "torch"))]
    line(&mut text, "libtorch", "none: this build cannot train (cargo feature `torch`)");
    folders(&mut text);
    text
}

fn machine(text: &mut String) {
    match system::machine() {
        Ok(machine) => {
            line(text, "processor", &format!("{}, {} cores", machine.cpu, machine.cores));
            let (available, total) = (gib(machine.memory_available), gib(machine.memory_total));
            line(text, "memory", &format!("{available} of {total} available"));
        }
        Err(error) => line(text, "processor", &format!("{error:#}")),
    }
}

fn nvidia(text: &mut String) {
    match system::nvidia() {
        Ok(nvidia) => {
            line(text, "driver", &format!("NVIDIA {}", nvidia.driver));
            for (number, gpu) in nvidia.gpus.iter().enumerate() {
                let (used, total) = (gib(gpu.now.memory_used), gib(gpu.now.memory_total));
                line(
                    text,
                    &format!("gpu {number}"),
                    &format!("{}, {used} of {total} in use, {}", gpu.now.name, gpu.uuid),
                );
            }
        }
        Err(reason) => line(text, "driver", &reason.to_string()),
    }
}

#[cfg(feature = "torch")]
fn torch(text: &mut String) {
    use crate::device::{GpuSupport, Libtorch, name, self_test};
    use tch::Device;

    let libtorch = Libtorch::loaded();
    let place = libtorch.as_ref().map_or_else(|| "linked".into(), Libtorch::to_string);
    line(text, "libtorch", &format!("{place}, {} threads", tch::get_num_threads()));
    if let Some(Err(error)) = libtorch.map(|libtorch| libtorch.check()) {
        line(text, "wrong torch", &error.to_string());
    }
    let support = GpuSupport::find();
    for attempt in &support.attempts {
        let outcome = attempt.outcome.as_ref().map_or_else(ToString::to_string, |()| "loaded".to_owned());
        line(text, "searched", &format!("{}: {outcome}", attempt.path.display()));
    }
    if support.gpus == 0 {
        line(text, "no gpu", &support.reason);
    }
    for device in std::iter::once(Device::Cpu).chain((0..support.gpus).map(Device::Cuda)) {
        let outcome = match self_test(device) {
            Ok(speed) => format!("works, {speed:.0} GFLOP/s (fp32)"),
            Err(error) => format!("fails: {error:#}"),
        };
        line(text, &name(device), &outcome);
    }
}

fn folders(text: &mut String) {
    let zone = LocalZone::find();
    line(text, "time zone", &zone.problem.clone().unwrap_or_else(|| zone.name()));
    let cache = cache_folder();
    let there = |path: &std::path::Path| if path.exists() { "" } else { " (not created yet)" };
    line(text, "cache", &format!("{}{}", cache.display(), there(&cache)));
    let demo = cache.join("demo");
    if !demo.exists() {
        line(text, "demo", "not downloaded; `finesift download demo` fetches it");
    }
    let hub = Hub::from_env();
    let mode = if hub.offline { "offline" } else { hub.endpoint.as_str() };
    line(text, "hub", &format!("{}{}, {mode}", hub.cache.display(), there(&hub.cache)));
}

fn line(text: &mut String, what: &str, value: &str) {
    let _ = writeln!(text, "{what:<12}  {value}");
}

fn gib(bytes: u64) -> String {
    format!("{:.1} GiB", bytes as f64 / f64::from(1 << 30))
}
