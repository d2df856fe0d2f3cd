//! The panels of the monitor, and the curve that each of them shows.

use crate::runs::History;
use crate::series::Series;
use crate::ui::comparison::Metric;
use crate::ui::smoothing::Smoothing;

/// A panel of the monitor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Panel {
    Loss,
    Score,
    Mass,
    Selected,
    Memory,
    Throughput,
    LearningRate,
    GradNorm,
    // Of the System tab.
    Ranks,
    RankWait,
    RankCompute,
    GpuMemory,
    Utilization,
    Power,
    Temperature,
    Cpu,
    Rss,
    Disk,
    // Of the Layers tab, by the target's index.
    TargetMass(usize),
    TargetUpdate(usize),
}

impl Panel {
    /// The charts of the overview.
    pub(super) const CHARTS: [Panel; 7] = [
        Panel::Loss,
        Panel::Score,
        Panel::Mass,
        Panel::Memory,
        Panel::Throughput,
        Panel::LearningRate,
        Panel::GradNorm,
    ];

    /// Whether it has a chart, with axes and a cursor.
    pub(super) fn is_chart(self) -> bool {
        !matches!(self, Panel::Selected | Panel::Ranks)
    }

    /// The curve that the cursor follows.
    pub(super) fn main(self, run: &History) -> Option<&Series> {
        let machine = &run.machine;
        match self {
            Panel::Loss => Some(&run.loss.raw),
            Panel::Score => {
                let best = run.started.as_ref().map(|started| &started.best)?;
                // The loss has a panel of its own.
                run.scores.get(best).or_else(|| run.scores.values().next())
            }
            Panel::Mass => Some(&run.mass),
            Panel::Selected => None,
            Panel::Memory => Some(&run.memory),
            Panel::Throughput => Some(&run.throughput.raw),
            Panel::LearningRate => Some(&run.learning_rate),
            Panel::GradNorm => Some(&run.grad_norm.raw),
            Panel::Ranks | Panel::RankWait => Some(&run.ranks.longest_wait),
            Panel::RankCompute => Some(&run.ranks.slowest),
            Panel::GpuMemory => Some(&machine.gpu_memory),
            Panel::Utilization => Some(&machine.utilization),
            Panel::Power => Some(&machine.power),
            Panel::Temperature => Some(&machine.temperature),
            Panel::Cpu => Some(&machine.process_cpu),
            Panel::Rss => Some(&machine.rss),
            Panel::Disk => Some(&machine.disk_free),
            Panel::TargetMass(number) => Some(&run.targets.all.get(number)?.mass),
            Panel::TargetUpdate(number) => Some(&run.targets.all.get(number)?.update),
        }
    }

    /// What runs are compared by in this panel.
    pub(super) fn metric(self, run: &History) -> Option<Metric> {
        Some(match self {
            Panel::Loss => Metric::Loss,
            Panel::Score => {
                let best = run.started.as_ref().map(|started| &started.best)?;
                Metric::Score(run.scores.get_key_value(best).or_else(|| run.scores.iter().next())?.0.clone())
            }
            Panel::Mass => Metric::Mass,
            Panel::Memory => Metric::Memory,
            Panel::Throughput => Metric::Throughput,
            Panel::LearningRate => Metric::LearningRate,
            Panel::GradNorm => Metric::GradNorm,
            // Targets and machines of other runs are others.
            _ => return None,
        })
    }

    /// The curve that is compared with those of other runs.
    pub(super) fn compared(self, run: &History, smoothing: Smoothing) -> Option<&Series> {
        let averaged = match self {
            Panel::Loss => &run.loss,
            Panel::Throughput => &run.throughput,
            Panel::GradNorm => &run.grad_norm,
            _ => return self.main(run),
        };
        Some(smoothing.of(averaged))
    }
}
