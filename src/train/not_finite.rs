//! The error of a step whose loss or gradient is not finite, and the advice that fits the run's settings.

use std::fmt;

use crate::preset::{Dtype, Preset};

/// A loss or gradient that is not finite.
#[derive(Debug)]
pub struct NotFinite {
    /// Counted from 1.
    pub step: u64,
    pub loss: f64,
    /// L2 norm of the gradient before clipping.
    pub grad_norm: f64,
    /// The learning rate of the step.
    pub learning_rate: f64,
}

/// The settings of a run that decide what helps.
#[derive(Clone, Debug, PartialEq)]
pub struct StabilitySettings {
    /// The run's folder.
    pub run: String,
    pub peak_learning_rate: f64,
    /// Fraction of the steps to warm up.
    pub warmup: f64,
    /// Max gradient norm; 0 without clipping.
    pub clip: f64,
    pub dtype: Dtype,
}

impl fmt::Display for NotFinite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let NotFinite { step, loss, grad_norm, learning_rate } = self;
        write!(
            f,
            "step {step}: the loss is {} and the gradient norm {} at a learning rate of {}; the step was not taken",
            scientific(*loss),
            scientific(*grad_norm),
            scientific(*learning_rate)
        )
    }
}

impl std::error::Error for NotFinite {}

impl StabilitySettings {
    /// The settings in a preset, of the run in this folder.
    pub fn of(preset: &Preset, run: String) -> StabilitySettings {
        let train = &preset.train;
        let (peak_learning_rate, warmup, clip) = (train.learning_rate, train.warmup, train.clip);
        StabilitySettings { run, peak_learning_rate, warmup, clip, dtype: preset.model.dtype }
    }

    /// What to change: only what is not set already.
    pub fn advice(&self, error: &NotFinite) -> String {
        let mut advice = Vec::new();
        if error.step == 1 {
            // No update has been made yet, so neither the learning rate nor clipping is the cause.
            if self.dtype == Dtype::F32 {
                advice.push("Check the model's weights and the training data: no update was made yet.".to_owned());
            }
        } else {
            let lower = scientific(self.peak_learning_rate / 10.0);
            advice.push(format!(
                "Resume with a lower learning rate (peak {}): `finesift resume {} --set train.learning_rate={lower}`.",
                scientific(self.peak_learning_rate),
                self.run
            ));
            if !error.loss.is_finite() {
                // The weights may be as bad as those of the step before.
                advice.push("If it fails again at once, add `--from best`.".to_owned());
            }
            if self.clip == 0.0 {
                advice.push("Clip gradients: train.clip = 1 (now 0).".to_owned());
            }
            if self.warmup == 0.0 {
                advice.push("Warm up in a new run: train.warmup = 0.06 (now 0).".to_owned());
            }
        }
        if self.dtype != Dtype::F32 {
            advice.push("Train in fp32 in a new run: model.dtype = \"f32\".".to_owned());
        }
        advice.join(" ")
    }
}

/// At most three significant digits: `1e-3`, `3.21e19`, `NaN`.
fn scientific(value: f64) -> String {
    if !value.is_finite() {
        return if value.is_nan() { "NaN" } else { "inf" }.into();
    }
    let text = format!("{value:.2e}");
    let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let digits = if digits.contains('.') { digits.trim_end_matches('0').trim_end_matches('.') } else { digits };
    format!("{digits}e{exponent}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings() -> StabilitySettings {
        StabilitySettings {
            run: "runs/mine".into(),
            peak_learning_rate: 1e-3,
            warmup: 0.06,
            clip: 1.0,
            dtype: Dtype::F32,
        }
    }

    fn error(step: u64) -> NotFinite {
        NotFinite { step, loss: f64::NAN, grad_norm: 3.2149e19, learning_rate: 9.5e-4 }
    }

    #[test]
    fn values_are_in_scientific_notation() {
        assert_eq!(
            error(171).to_string(),
            "step 171: the loss is NaN and the gradient norm 3.21e19 at a learning rate of 9.5e-4; the step was not taken"
        );
        let values = [0.0, 1.0, 1e-3, -2.5e-7, f64::INFINITY, f64::MIN_POSITIVE];
        assert_eq!(values.map(scientific), ["0e0", "1e0", "1e-3", "-2.5e-7", "inf", "2.23e-308"]);
    }

    #[test]
    fn only_what_is_not_set_is_advised() {
        let advice = settings().advice(&error(171));
        let lower = "Resume with a lower learning rate (peak 1e-3): `finesift resume runs/mine --set train.learning_rate=1e-4`.";
        assert_eq!(advice, format!("{lower} If it fails again at once, add `--from best`."));
        let finite = NotFinite { loss: 0.5, ..error(171) };
        assert_eq!(settings().advice(&finite), lower);
        let all = StabilitySettings { warmup: 0.0, clip: 0.0, dtype: Dtype::Bf16, ..settings() }.advice(&error(171));
        for part in [lower, "train.clip = 1 (now 0)", "train.warmup = 0.06", "model.dtype = \"f32\""] {
            assert!(all.contains(part), "{part}: {all}");
        }
    }

    #[test]
    fn before_any_update_the_learning_rate_is_not_the_cause() {
        let off = StabilitySettings { warmup: 0.0, clip: 0.0, ..settings() };
        let advice = off.advice(&error(1));
        assert!(advice.starts_with("Check the model's weights") && !advice.contains("train."), "{advice}");
        let narrow = StabilitySettings { dtype: Dtype::Bf16, ..off }.advice(&error(1));
        assert_eq!(narrow, "Train in fp32 in a new run: model.dtype = \"f32\".");
    }
}
