//! `finesift doctor`: devices, libraries, paths and the terminal of this machine, and whether each device computes.

mod finding;
mod terminal;

use std::path::Path;

use super::time_zone::LocalZone;
use crate::hub::Hub;
use crate::preset::cache_folder;
use crate::system;
use crate::ui::Charset;
use crate::ui::graphics::{Probe, Protocol, Unavailable};
use crate::ui::theme::Depth;
use finding::{Finding, Sign};

/// The report, a line for each finding.
pub(super) fn report() -> String {
    let mut findings = vec![Finding::new(Sign::Good, "finesift", env!("CARGO_PKG_VERSION").into())];
    machine(&mut findings);
    nvidia(&mut findings);
    #[cfg(feature = "torch")]
    torch(&mut findings);
    #[cfg(not(feature = "torch"))]
    findings.push(Finding::new(Sign::Bad, "libtorch", "none: this build cannot train (cargo feature `torch`)".into()));
    folders(&mut findings);
    let ascii = Charset::of_environment().is_ascii();
    findings.extend(terminal::findings(size(), graphics(ascii), |name| std::env::var(name).ok()));
    findings.iter().map(|finding| finding.line(ascii)).collect()
}

/// Columns and rows of the terminal; `None` if stdout is none.
fn size() -> Option<(u16, u16)> {
    let size = rustix::termios::tcgetwinsize(std::io::stdout()).ok()?;
    Some((size.ws_col, size.ws_row))
}

/// The graphics that the terminal answers with.
fn graphics(ascii: bool) -> Result<Protocol, Unavailable> {
    let probe = Probe::of_environment(ascii, Depth::of_environment())?;
    Ok(probe.ask()?.0)
}

fn machine(findings: &mut Vec<Finding>) {
    match system::machine() {
        Ok(machine) => {
            let facts = machine.processor_facts().into_iter();
            findings.extend(facts.map(|(what, value)| Finding::new(Sign::Good, what, value)));
            let (available, total) = (gib(machine.memory_available), gib(machine.memory_total));
            findings.push(Finding::new(Sign::Good, "memory", format!("{available} of {total} available")));
        }
        Err(error) => findings.push(Finding::new(Sign::Bad, "processor", format!("{error:#}"))),
    }
}

fn nvidia(findings: &mut Vec<Finding>) {
    match system::nvidia() {
        Ok(nvidia) => {
            findings.push(Finding::new(Sign::Good, "driver", format!("NVIDIA {}", nvidia.driver)));
            for (number, gpu) in nvidia.gpus.iter().enumerate() {
                let (used, total) = (gib(gpu.now.memory_used), gib(gpu.now.memory_total));
                let text = format!("{}, {used} of {total} in use, {}", gpu.now.name, gpu.uuid);
                findings.push(Finding::new(Sign::Good, format!("gpu {number}"), text));
            }
        }
        Err(reason) => findings.push(Finding::new(Sign::Warning, "driver", reason.to_string())),
    }
}

#[cfg(feature = "torch")]
fn torch(findings: &mut Vec<Finding>) {
    use crate::device::matmul::MatmulPrecision;
    use crate::device::{GpuSupport, Libtorch, name, self_test};
    use crate::preset::Matmul;
    use tch::Device;

    let libtorch = Libtorch::loaded();
    let place = libtorch.as_ref().map_or_else(|| "linked".into(), Libtorch::to_string);
    findings.push(Finding::new(Sign::Good, "libtorch", format!("{place}, {} threads", tch::get_num_threads())));
    if let Some(Err(error)) = libtorch.map(|libtorch| libtorch.check()) {
        findings.push(Finding::new(Sign::Bad, "wrong torch", error.to_string()));
    }
    let support = GpuSupport::find();
    for attempt in &support.attempts {
        let outcome = attempt.outcome.as_ref().map_or_else(ToString::to_string, |()| "loaded".to_owned());
        findings.push(Finding::of(
            attempt.outcome.is_ok(),
            "searched",
            format!("{}: {outcome}", attempt.path.display()),
        ));
    }
    if support.gpus == 0 {
        findings.push(Finding::new(Sign::Warning, "no gpu", support.reason.clone()));
    } else {
        let nccl = crate::distributed::nccl_version();
        let text = nccl.as_ref().map_or_else(|reason| format!("not used: {reason}"), String::clone);
        findings.push(Finding::of(nccl.is_ok(), "nccl", text));
    }
    for device in std::iter::once(Device::Cpu).chain((0..support.gpus).map(Device::Cuda)) {
        findings.push(match self_test(device) {
            Ok(speed) => Finding::new(Sign::Good, name(device), format!("works, {speed:.0} GFLOP/s (fp32)")),
            Err(error) => Finding::new(Sign::Bad, name(device), format!("fails: {error:#}")),
        });
        let kernels = crate::sift::check_kernels(device).and_then(|()| crate::model::check_kernels(device));
        findings.push(Finding::of(
            kernels.is_ok(),
            format!("{} kernels", name(device)),
            kernels.map_or_else(|reason| format!("not used: {reason}"), |()| "agree with tensor operations".to_owned()),
        ));
    }
    let bf16 = MatmulPrecision::set(Matmul::Bf16, Device::Cpu);
    findings.push(match bf16.and_then(|bf16| Ok(bf16.measure([1024, 1024])?)) {
        Ok(speed) => Finding::new(Sign::Good, "cpu matmul", speed.map_or_else(String::new, |speed| speed.to_string())),
        Err(error) => Finding::new(Sign::Warning, "cpu matmul", format!("no bf16: {error:#}")),
    });
}

fn folders(findings: &mut Vec<Finding>) {
    let zone = LocalZone::find();
    let named = zone.problem.clone().unwrap_or_else(|| zone.name());
    findings.push(Finding::of(zone.problem.is_none(), "time zone", named));
    let cache = cache_folder();
    let there = |path: &Path| if path.exists() { "" } else { " (not created yet)" };
    findings.push(Finding::new(Sign::Good, "cache", format!("{}{}", cache.display(), there(&cache))));
    let demo = cache.join("demo");
    if !demo.exists() {
        let text = "not downloaded; `finesift download demo` fetches it";
        findings.push(Finding::new(Sign::Warning, "demo", text.into()));
    }
    let hub = Hub::from_env();
    let mode = if hub.offline { "offline" } else { hub.endpoint.as_str() };
    findings.push(Finding::new(Sign::Good, "hub", format!("{}{}, {mode}", hub.cache.display(), there(&hub.cache))));
}

fn gib(bytes: u64) -> String {
    format!("{:.1} GiB", bytes as f64 / f64::from(1 << 30))
}
