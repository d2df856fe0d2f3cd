//! What would fit a memory, in words: the settings to change, each with its estimate.

use super::fit::Fit;
use super::run_shape::RunShape;
use crate::quantity::bytes;

/// What the settings are called.
#[derive(Clone, Debug)]
pub enum Settings {
    /// Keys of the preset of a run in this folder.
    Run {
        folder: String,
        /// Whether the run may continue with another batch: `train.global_batch` gives the examples of a step.
        splits: bool,
    },
    /// Keys of a preset whose batch is chosen.
    AutoBatch,
    /// Options of `finesift bench`.
    Bench,
}

impl Settings {
    /// What fits: `By the estimate these fit: train.batch = 16, train.accumulate = 2 (7.1 GiB, in a new run)`.
    pub fn advice(&self, shape: &RunShape, limit: u64) -> String {
        let now = shape.as_fit();
        let fits: Vec<String> = shape.smaller(limit).iter().map(|fit| self.with_estimate(&now, fit)).collect();
        if !fits.is_empty() {
            return format!("By the estimate these fit: {}", fits.join("; "));
        }
        let least = shape.least();
        match self.words(&now, &least).join(self.separator()) {
            words if words.is_empty() => {
                format!("By the estimate nothing smaller fits: it takes {} as it is", size(&least))
            }
            words => format!("By the estimate nothing smaller fits: with {words} it takes {}", size(&least)),
        }
    }

    /// The settings of a smaller run, with its estimate and how to get there.
    fn with_estimate(&self, now: &Fit, fit: &Fit) -> String {
        let words = self.words(now, fit);
        let (batch, rate) = (fit.batch != now.batch, fit.rate != now.rate);
        let how = match self {
            Settings::Bench | Settings::AutoBatch => String::new(),
            Settings::Run { splits, .. } if rate || batch && !splits => ", in a new run".to_owned(),
            Settings::Run { folder, .. } => {
                let set = words.iter().map(|word| format!(" --set {}", word.replace(" = ", "=").replace('"', "")));
                format!(", `finesift resume {folder}{}`", set.collect::<String>())
            }
        };
        format!("{} ({}{how})", words.join(self.separator()), size(fit))
    }

    /// What differs, as settings.
    fn words(&self, now: &Fit, fit: &Fit) -> Vec<String> {
        let batch = (fit.batch != now.batch).then_some(fit.batch);
        let offload = fit.offload != now.offload;
        // Weights off the GPU go with it.
        let checkpointing = fit.checkpointing != now.checkpointing && !fit.offload;
        let rate = (fit.rate != now.rate).then_some(fit.rate);
        let words: [Option<String>; 5] = match self {
            Settings::Bench => [
                batch.map(|batch| format!("--batch {batch}")),
                None,
                checkpointing.then(|| "--checkpointing".to_owned()),
                offload.then(|| "--offload".to_owned()),
                rate.map(|rate| format!("--rate {rate}")),
            ],
            Settings::Run { .. } | Settings::AutoBatch => [
                batch.filter(|_| !matches!(self, Settings::AutoBatch)).map(|batch| format!("train.batch = {batch}")),
                // With train.global_batch it follows.
                batch
                    .filter(|_| matches!(self, Settings::Run { splits: false, .. }))
                    .map(|_| format!("train.accumulate = {}", fit.accumulate)),
                checkpointing.then(|| "train.gradient_checkpointing = true".to_owned()),
                offload.then(|| "train.offload = \"weights\"".to_owned()),
                rate.map(|rate| format!("sift.rate = {rate}")),
            ],
        };
        words.into_iter().flatten().collect()
    }

    fn separator(&self) -> &'static str {
        match self {
            Settings::Run { .. } | Settings::AutoBatch => ", ",
            Settings::Bench => " ",
        }
    }
}

fn size(fit: &Fit) -> String {
    bytes(fit.bytes as f64)
}
