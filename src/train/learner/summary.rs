//! What a learner computes and its ranks exchange, in lines of the log.

use super::Learner;
use crate::quantity::bytes;
use crate::sift::sampled::SamplingPlan;
use crate::sift::{Selected, Slot};

impl Learner {
    /// How gradients are computed, for the log: `sampled gradients for 24/24 matrices (0.8 % of components, avx512)`.
    pub fn gradient_summary(&self) -> String {
        let matrices = || self.gradient.slots().iter().filter(|slot| slot.selected.is_some() && slot.shape.len() == 2);
        let structured = |slot: &&Slot| !matches!(slot.selected, Some(Selected::Entries(_)));
        let (structured, matrices) = (matrices().filter(structured).count(), matrices().count());
        let plans = || self.plans.iter().flatten();
        match plans().count() {
            0 if structured > 0 => format!("products of columns, rows or blocks for {structured}/{matrices} matrices"),
            0 => format!("whole gradients for {matrices}/{matrices} matrices"),
            sampled => {
                let selected: usize = plans().map(SamplingPlan::components).sum();
                let of: usize = plans().map(|plan| plan.shape().0 * plan.shape().1).sum();
                let (rate, instructions) = (100.0 * selected as f64 / of as f64, self.sampler.instructions().name());
                format!(
                    "sampled gradients for {sampled}/{matrices} matrices ({rate:.1} % of components, {instructions})"
                )
            }
        }
    }

    /// What the ranks add up in each step, for the log: `each step adds up 113 KiB of gradients in 1 bucket, and on average 1.2 MiB of
    /// dense gradients to measure the gradient mass`. `None` in a world of one.
    pub fn reduction_summary(&self) -> Option<String> {
        if self.world.is_alone() {
            return None;
        }
        let element_size = self.gradient.sum().kind().elt_size_in_bytes() as f64;
        let targets = self.gradient.slots().iter().filter(|slot| slot.selected.is_some());
        let dense = targets.map(Slot::components).sum::<i64>() as f64 / self.options.probe_every as f64;
        let (buckets, total) = (self.buckets.count(), self.total() as f64);
        let plural = if buckets == 1 { "" } else { "s" };
        let mass = match dense > 0.0 {
            true => format!(
                ", and on average {} of dense gradients to measure the gradient mass",
                bytes(dense * element_size)
            ),
            false => String::new(),
        };
        Some(format!(
            "each step adds up {} of gradients in {buckets} bucket{plural}{mass}",
            bytes(total * element_size)
        ))
    }
}
