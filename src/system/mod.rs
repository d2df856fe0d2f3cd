//! Load and memory of the machine, sampled once a second during a run; pages that the process keeps.

mod gpu;
mod huge_pages;
mod kept_pages;
mod processor;
pub mod resident;
mod resource_usage;

use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow};
use serde::Serialize;
use sysinfo::{CpuRefreshKind, Pid, ProcessRefreshKind, ProcessesToUpdate};

use crate::protocol::{Event, Gpu, System};
use crate::session::Emitter;
pub use gpu::{GpuInfo, GpuMonitor, GpuRef, Nvidia, NvmlUnavailable, nvidia};
pub use kept_pages::{KeptPages, TunableAllocator, set_allocator};
pub use processor::instruction_sets;
pub use resource_usage::ResourceUsage;

/// CPU load is a difference of counters with a resolution of 10 ms: sampling faster gives noise.
const EVERY: Duration = Duration::from_secs(1);

/// A thread that sends [`Event::System`] once a second until it is dropped.
pub struct Sampler {
    /// Dropping it ends the thread.
    stop: Option<mpsc::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Sampler {
    /// Starts sampling. [`System::at`] counts from here. The disk is that of `folder`. A GPU that NVML does not find is left
    /// out.
    ///
    /// # Errors
    /// The system reports no load, or no thread could be started.
    pub fn start(emitter: Emitter, folder: &Path, gpu: Option<GpuRef>) -> Result<Sampler> {
        Sampler::start_every(EVERY, emitter, folder, gpu)
    }

    fn start_every(every: Duration, emitter: Emitter, folder: &Path, gpu: Option<GpuRef>) -> Result<Sampler> {
        let (stop, stopped) = mpsc::channel();
        let mut probe = Probe::new()?;
        let folder: PathBuf = folder.to_owned();
        let thread = thread::Builder::new().name("sampler".into()).spawn(move || {
            let start = Instant::now();
            let watch = gpu.and_then(|gpu| gpu::GpuMonitor::open(&gpu));
            let mut next = start + every;
            while stopped.recv_timeout(next.saturating_duration_since(Instant::now())) == Err(RecvTimeoutError::Timeout)
            {
                let gpu = watch.as_ref().and_then(gpu::GpuMonitor::read);
                let (disk_free, disk_total) = disk(&folder).unzip();
                let at = start.elapsed().as_secs_f64();
                emitter.emit(Event::System(System { at, disk_free, disk_total, gpu, ..probe.read() }));
                // After a sleep of the machine, missed samples are not made up for.
                next = (next + every).max(Instant::now());
            }
        })?;
        Ok(Sampler { stop: Some(stop), thread: Some(thread) })
    }
}

impl Drop for Sampler {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // A thread that panicked has stopped, too.
            let _ = thread.join();
        }
    }
}

/// Processor and memory of the machine, for `finesift doctor`, benchmarks and memory estimates.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Machine {
    /// Product name of the processor; empty if the system does not report it.
    pub cpu: String,
    /// Available parallelism, limits of a container included.
    pub cores: usize,
    /// The vector and matrix instructions that matter to a step.
    pub instructions: Vec<&'static str>,
    /// Linux's transparent huge pages: `always`, `madvise` or `never`.
    pub huge_pages: Option<String>,
    /// In bytes, limits of a container included.
    pub memory_total: u64,
    /// Bytes available to a new program without swapping.
    pub memory_available: u64,
}

impl Machine {
    /// What decides how fast a step is on its processor, each with its name: `instructions`, `AVX2, AVX-512F`.
    pub fn processor_facts(&self) -> Vec<(&'static str, String)> {
        let cpu = if self.cpu.is_empty() { std::env::consts::ARCH } else { &self.cpu };
        let plural = if self.cores == 1 { "" } else { "s" };
        let mut facts = vec![("processor", format!("{cpu}, {} core{plural}", self.cores))];
        if !self.instructions.is_empty() {
            facts.push(("instructions", self.instructions.join(", ")));
        }
        facts.extend(self.huge_pages.iter().map(|pages| ("huge pages", format!("{pages} (transparent huge pages)"))));
        facts
    }
}

/// Processor and memory of this machine.
///
/// # Errors
/// The system reports nothing.
pub fn machine() -> Result<Machine> {
    let mut probe = Probe::new()?;
    probe.system.refresh_cpu_list(CpuRefreshKind::nothing());
    let (memory_total, memory_available) = probe.memory();
    Ok(Machine {
        cpu: probe.system.cpus().first().map(|cpu| cpu.brand().trim().to_owned()).unwrap_or_default(),
        cores: thread::available_parallelism().map_or(1, |count| count.get()),
        instructions: processor::instruction_sets(),
        huge_pages: huge_pages::transparent(),
        memory_total,
        memory_available,
    })
}

/// The name of this machine in its network; empty if the system does not report one.
pub fn host_name() -> String {
    sysinfo::System::host_name().unwrap_or_default()
}

/// A sample of a GPU; `None` without NVML or without such a GPU.
pub fn gpu_now(gpu: &GpuRef) -> Option<Gpu> {
    gpu::GpuMonitor::open(gpu)?.read()
}

/// Free bytes for an ordinary user, and size of the disk of a folder.
fn disk(folder: &Path) -> Option<(u64, u64)> {
    let disk = rustix::fs::statvfs(folder).ok()?;
    Some((disk.f_bavail * disk.f_frsize, disk.f_blocks * disk.f_frsize))
}

struct Probe {
    system: sysinfo::System,
    process: Pid,
}

impl Probe {
    /// Takes the first sample: load is a difference of two.
    fn new() -> Result<Probe> {
        let error = |error| anyhow!("cannot read the load of the system: {error}");
        let system = sysinfo::System::new().map_err(error)?;
        let process = sysinfo::get_current_pid().map_err(error)?;
        let mut probe = Probe { system, process };
        probe.read();
        Ok(probe)
    }

    /// A sample without time, disk and GPU.
    fn read(&mut self) -> System {
        self.system.refresh_cpu_usage();
        // Without tasks: each thread of the process would cost a file.
        let kind = ProcessRefreshKind::nothing().with_cpu().with_memory().without_tasks();
        self.system.refresh_processes_specifics(ProcessesToUpdate::Some(&[self.process]), false, kind);
        let process = self.system.process(self.process);
        let (process_cpu, process_rss) =
            process.map_or((0.0, 0), |process| (f64::from(process.cpu_usage()), process.memory()));
        let (total, available) = self.memory();
        System {
            process_cpu,
            process_rss,
            cpu: f64::from(self.system.global_cpu_usage()),
            memory_used: total - available,
            memory_total: total,
            ..System::default()
        }
    }

    /// Total and available bytes, of the container if it has a limit, otherwise of the machine.
    fn memory(&mut self) -> (u64, u64) {
        self.system.refresh_memory();
        let (total, available) = (self.system.total_memory(), self.system.available_memory());
        match self.system.cgroup_limits() {
            Some(limits) if limits.total_memory > 0 && limits.total_memory < total => {
                (limits.total_memory, limits.free_memory.min(available).min(limits.total_memory))
            }
            _ => (total, available.min(total)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::Command;
    use crate::session::Session;

    #[test]
    fn a_sampler_emits_samples_until_it_is_dropped() {
        let mut session = Session::spawn(None, |port| {
            let sampler = Sampler::start_every(
                Duration::from_millis(5),
                port.emitter(),
                Path::new("."),
                Some(GpuRef::Cuda(9999)),
            )?;
            assert_eq!(port.wait(), Some(Command::Resume));
            drop(sampler);
            port.emit(Event::info("last"));
            Ok(())
        })
        .unwrap();
        let mut last = 0.0;
        for _ in 0..3 {
            let Some(Event::System(system)) = session.blocking_next() else { panic!("no sample") };
            assert!(system.at > last && system.gpu.is_none());
            assert!(system.process_rss > 1 << 20 && system.process_rss < system.memory_total, "{system:?}");
            assert!(system.memory_used > 0 && system.memory_used <= system.memory_total, "{system:?}");
            assert!(system.disk_total.unwrap() > 0 && system.disk_free <= system.disk_total, "{system:?}");
            last = system.at;
        }
        session.send(Command::Resume);
        let rest: Vec<Event> = std::iter::from_fn(|| session.blocking_next()).collect();
        assert_eq!(rest.last(), Some(&Event::info("last")));
    }

    #[test]
    fn dropping_a_sampler_between_two_samples_does_not_wait() {
        let session = Session::spawn(None, |port| {
            drop(Sampler::start_every(Duration::from_secs(3600), port.emitter(), Path::new("."), None)?);
            Ok(())
        });
        session.unwrap().join().unwrap();
    }

    #[test]
    fn the_machine_has_a_processor_and_memory() {
        let machine = machine().unwrap();
        assert!(machine.cores > 0 && machine.memory_total > machine.memory_available, "{machine:?}");
        assert!(machine.memory_available > 0);
    }
}
