//! `train.batch = "auto"`: the largest batch that fits the free memory of a device.

use super::advice::Settings;
use super::fit::usable;
use super::report::{AutoBatch, ChosenBatch, DeviceMemory};
use super::run_shape::RunShape;
use crate::quantity::bytes;

impl RunShape {
    /// The batch for a device with this memory, and the run with it. The shape is that of whole steps.
    pub fn auto_batch(&self, memory: &DeviceMemory) -> AutoBatch {
        let (limit, free) = (usable(memory.free), memory.free);
        let Some(fit) = self.largest_batch(self.step.rows, limit) else {
            let least = self.with_batch(1).bytes();
            return AutoBatch::NothingFits(format!(
                "train.batch: is \"auto\", but not one example fits: it takes an estimated {}, and {} of {} are free. {}",
                bytes(least as f64),
                bytes(free as f64),
                bytes(memory.total as f64),
                Settings::AutoBatch.advice(self, limit)
            ));
        };
        AutoBatch::Chosen(self.choice(fit.batch, free))
    }

    /// A choice of this batch, one of [`RunShape::batches`], where so many bytes are free.
    pub fn choice(&self, batch: u64, free: u64) -> ChosenBatch {
        let larger = self.batches().into_iter().take_while(|rows| *rows > batch).last();
        ChosenBatch {
            batch,
            accumulate: self.step.examples() / batch,
            bytes: self.with_batch(batch).bytes(),
            free,
            larger: larger.map(|rows| (rows, self.with_batch(rows).bytes())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::estimate::run_shape::tests::shape;

    fn of(free: u64) -> AutoBatch {
        shape(32, 1).auto_batch(&DeviceMemory { name: "CPU".into(), total: 16 << 30, free, own: 0 })
    }

    #[test]
    fn the_choice_says_what_it_takes_and_what_the_next_one_would() {
        let (whole, half) = (shape(32, 1).bytes(), shape(16, 2).bytes());
        let AutoBatch::Chosen(chosen) = of(16 << 30) else { panic!("{:?}", of(16 << 30)) };
        assert_eq!((chosen.batch, chosen.accumulate, chosen.bytes, chosen.larger), (32, 1, whole, None));
        // It would fit, but a tenth stays free.
        let AutoBatch::Chosen(chosen) = of(whole + whole / 20) else { panic!("{:?}", of(whole)) };
        assert_eq!((chosen.batch, chosen.accumulate, chosen.bytes, chosen.larger), (16, 2, half, Some((32, whole))));
        assert!(matches!(of(1 << 20), AutoBatch::NothingFits(_)));
        let gib = |gib: f64| (gib * f64::from(1 << 30)) as u64;
        let chosen =
            ChosenBatch { batch: 16, accumulate: 2, bytes: gib(9.1), free: gib(12.0), larger: Some((32, gib(15.3))) };
        let fits_barely = ChosenBatch { larger: Some((32, gib(11.5))), ..chosen.clone() };
        let unlike = ChosenBatch { bytes: 900 << 20, larger: None, ..chosen.clone() };
        let nothing = match shape(32, 1).auto_batch(&DeviceMemory {
            name: "CPU".into(),
            total: gib(16.0),
            free: gib(0.6),
            own: 0,
        }) {
            AutoBatch::NothingFits(why) => why,
            other => panic!("{other:?}"),
        };
        let lines = [chosen.to_string(), fits_barely.to_string(), unlike.to_string(), nothing];
        insta::with_settings!({snapshot_path => "../../tests/it/snapshots", prepend_module_to_snapshot => false}, {
            insta::assert_snapshot!("auto_batch", lines.join("\n"));
        });
    }
}
