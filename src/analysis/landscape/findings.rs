//! The findings of a landscape: its numbers as sentences.

use super::options::LandscapeOptions;
use super::outcome::{Around, Landscape, Weights};
use crate::quantity::{measured, number, times};

impl Landscape {
    pub(super) fn amplitude_finding(&self, options: &LandscapeOptions) -> String {
        let of = |around: &Around| {
            let name = around.weights.name();
            let loss = measured(around.loss);
            match around.oscillation() {
                Some(mean) => format!("{name} {} (loss {loss} at the weights)", measured(mean.range)),
                None => format!("{name} not finite everywhere (loss {loss} at the weights)"),
            }
        };
        let all: Vec<String> = self.weights.iter().map(of).collect();
        let directions = match options.directions {
            1 => "a random direction".to_owned(),
            several => format!("{several} random directions"),
        };
        format!("Amplitude of the loss along {directions}, max \u{2212} min on average: {}.", all.join("; "))
    }

    pub(super) fn oscillation_finding(&self) -> Option<String> {
        let of = |around: &Around| {
            let mean = around.oscillation()?;
            let (variation, minima) = (measured(mean.variation), measured(mean.minima));
            Some(format!("{} {variation} and {minima}", around.weights.name()))
        };
        let all: Vec<String> = self.weights.iter().filter_map(of).collect();
        (!all.is_empty()).then(|| {
            let all = all.join("; ");
            format!("Oscillation along a line, as total variation over amplitude (2 in a single valley) and local minima: {all}.")
        })
    }

    pub(super) fn sharpness_finding(&self) -> Option<String> {
        let of = |around: &Around| {
            let sharpness = around.sharpness.as_ref()?;
            let unsettled = if sharpness.converged { "" } else { " (not converged)" };
            Some(format!("{} {}{unsettled}", around.weights.name(), measured(sharpness.eigenvalue)))
        };
        let all: Vec<String> = self.weights.iter().filter_map(of).collect();
        (!all.is_empty()).then(|| format!("Sharpness, the largest eigenvalue of the Hessian: {}.", all.join("; ")))
    }

    pub(super) fn increment_findings(&self) -> Vec<String> {
        let Some(increment) = &self.increment else { return Vec::new() };
        let of = |name: &str, losses: &[f64]| {
            let at = |step: f64| {
                let place = increment.steps.iter().position(|&one| one == step);
                place.map_or("?".into(), |place| measured(losses[place]))
            };
            let points = increment.steps.iter().zip(losses).filter(|(_, loss)| loss.is_finite());
            let lowest = points.min_by(|a, b| a.1.total_cmp(b.1));
            let lowest = lowest
                .map_or("nowhere".into(), |(step, loss)| format!("{} at \u{3b1} = {}", measured(*loss), number(*step)));
            format!("{name} loss {} at W0 (\u{3b1} = 0), {} at W (\u{3b1} = 1), lowest {lowest}", at(0.0), at(1.0))
        };
        let (training, held_out) = (of("training", &increment.training), of("held-out", &increment.held_out));
        vec![format!("Along the trained increment: {training}; {held_out}.")]
    }

    /// What the paper says of the amplitude, beside what was measured.
    pub(super) fn paper_finding(&self) -> Option<String> {
        let mean = |weights: Weights| self.around(|one| one == weights)?.oscillation();
        let (pretrained, random) = (mean(Weights::PreTrained)?.range, mean(Weights::Random)?.range);
        let agrees = pretrained >= random;
        let (of_pretrained, of_random) = ("pre-trained weights", "a random initialisation");
        let (larger, smaller, ratio) = match agrees {
            true => (of_pretrained, of_random, pretrained / random),
            false => (of_random, of_pretrained, random / pretrained),
        };
        if !ratio.is_finite() {
            return None;
        }
        Some(format!(
            "The amplitude is {} times as large around {larger} as around {smaller}. The abstract of the SIFT paper's \
             first version (arXiv 2312.11875v1) describes pre-training as a change from low-amplitude to high-amplitude oscillation: \
             the amplitudes measured here {}.",
            times(ratio),
            if agrees { "agree" } else { "say the opposite" },
        ))
    }
}
