//! The load of the machine and its GPU over time.

use crate::protocol::System;
use crate::series::{At, Series};

/// One curve for each number that a sample has.
#[derive(Default)]
pub struct MachineCurves {
    /// In percent of one core.
    pub process_cpu: Series,
    /// In percent of all cores.
    pub cpu: Series,
    pub rss: Series,
    pub used: Series,
    pub disk_free: Series,
    pub gpu_memory: Series,
    pub gpu_process: Series,
    pub utilization: Series,
    pub temperature: Series,
    pub power: Series,
}

impl MachineCurves {
    pub(super) fn push(&mut self, at: At, system: &System) {
        self.process_cpu.push(at, system.process_cpu);
        self.cpu.push(at, system.cpu);
        self.rss.push(at, system.process_rss as f64);
        self.used.push(at, system.memory_used as f64);
        if let Some(free) = system.disk_free {
            self.disk_free.push(at, free as f64);
        }
        let Some(gpu) = &system.gpu else { return };
        self.gpu_memory.push(at, gpu.memory_used as f64);
        self.utilization.push(at, gpu.utilization);
        if let Some(memory) = gpu.process_memory {
            self.gpu_process.push(at, memory as f64);
        }
        // 0 stands for a number that the GPU does not report.
        for (series, value) in [(&mut self.temperature, gpu.temperature), (&mut self.power, gpu.power)] {
            if value > 0.0 {
                series.push(at, value);
            }
        }
    }

    pub(super) fn rewind(&mut self, step: f64) {
        let MachineCurves {
            process_cpu,
            cpu,
            rss,
            used,
            disk_free,
            gpu_memory,
            gpu_process,
            utilization,
            temperature,
            power,
        } = self;
        let gpu = [gpu_memory, gpu_process, utilization, temperature, power];
        [process_cpu, cpu, rss, used, disk_free].into_iter().chain(gpu).for_each(|series| series.rewind(step));
    }
}
