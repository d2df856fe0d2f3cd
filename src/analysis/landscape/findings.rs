//! The findings of a landscape: its numbers as sentences.

use super::options::LandscapeOptions;
use super::outcome::{Around, Landscape, Weights};
use crate::quantity::number;

impl Landscape {
    pub(super) fn amplitude_finding(&self, options: &LandscapeOptions) -> String {
        let of = |around: &Around| {
            let name = around.weights.name();
            let loss = number(around.loss);
            match around.oscillation() {
                Some(mean) => format!("{name} {} (loss {loss} at the weights)", number(mean.range)),
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
            let (variation, minima) = (number(mean.variation), number(mean.minima));
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
            Some(format!("{} {}{unsettled}", around.weights.name(), number(sharpness.eigenvalue)))
        };
        let all: Vec<String> = self.weights.iter().filter_map(of).collect();
        (!all.is_empty()).then(|| format!("Sharpness, the largest eigenvalue of the Hessian: {}.", all.join("; ")))
    }

    pub(super) fn increment_findings(&self) -> Vec<String> {
        let Some(increment) = &self.increment else { return Vec::new() };
        let of = |name: &str, losses: &[f64]| {
            let at = |step: f64| {
                let place = increment.steps.iter().position(|&one| one == step);
                place.map_or("?".into(), |place| number(losses[place]))
            };
            let points = increment.steps.iter().zip(losses).filter(|(_, loss)| loss.is_finite());
            let lowest = points.min_by(|a, b| a.1.total_cmp(b.1));
            let lowest = lowest
                .map_or("nowhere".into(), |(step, loss)| format!("{} at \u{3b1} = {}", number(*loss), number(*step)));
            format!("{name} loss {} at W0 (\u{3b1} = 0), {} at W (\u{3b1} = 1), lowest {lowest}", at(0.0), at(1.0))
        };
        let (training, held_out) = (of("training", &increment.training), of("held-out", &increment.held_out));
        vec![format!("Along the trained increment: {training}; {held_out}.")]
    }

    /// What the paper says of the amplitude, beside what was measured.
    pub(super) fn paper_finding(&self) -> Option<String> {
        let mean = |weights: Weights| self.around(|one| one == weights)?.oscillation();
        let (trained, random) = (mean(Weights::PreTrained)?.range, mean(Weights::Random)?.range);
        let (ratio, which) =
            if trained >= random { (trained / random, "larger") } else { (random / trained, "smaller") };
        if !ratio.is_finite() {
            return None;
        }
        let agreement = if trained >= random { "as" } else { "unlike" };
        Some(format!(
            "The amplitude around pre-trained weights is {} times {which} than around a random initialisation, {agreement} in the \
             abstract of the SIFT paper's first version (arXiv 2312.11875v1), which speaks of low-amplitude oscillation for random and \
             high-amplitude oscillation for pre-trained weights.",
            number(ratio)
        ))
    }
}
