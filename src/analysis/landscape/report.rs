//! The report of a landscape, put together from its findings, notes, figures and tables.

use super::options::LandscapeOptions;
use super::oscillation::{MeanOscillation, Oscillation};
use super::outcome::{Around, Landscape};
use crate::analysis::{Figure, Report};
use crate::quantity;

/// Above this relative difference of finite differences and gradient, the report warns.
const SLOPE_TOLERANCE: f64 = 0.01;

/// What the report says about the subject.
#[derive(Clone, Debug, PartialEq)]
pub struct Facts {
    /// Such as `demo: minilm on sentences.jsonl`.
    pub subject: String,
    /// Training examples measured, and how many there are.
    pub examples: (usize, u64),
    /// Held-out examples measured along the increment.
    pub held_out: usize,
    /// Matrices that random directions move, and their components.
    pub matrices: (usize, u64),
    /// Whether the network has a classifier.
    pub classifier: bool,
}

impl Landscape {
    /// The report.
    pub fn report(&self, facts: &Facts, options: &LandscapeOptions) -> Report {
        let mut findings = vec![self.amplitude_finding(options)];
        findings.extend(self.oscillation_finding());
        findings.extend(self.sharpness_finding());
        findings.extend(self.increment_findings());
        findings.extend(self.paper_finding());
        findings.extend(self.weights.iter().filter(|around| around.slope.difference() > SLOPE_TOLERANCE).map(|around| {
            let (name, difference) = (around.weights.name(), percent(around.slope.difference()));
            format!("Self-check failed for {name}: finite differences and gradient are {difference} apart. Do not trust its numbers.")
        }));
        let mut figures: Vec<Figure> = vec![self.mean_figure()];
        figures.extend(self.weights.iter().map(|around| self.lines_figure(around)));
        figures.extend(self.increment_figure());
        figures.push(self.slice_figure());
        let mut tables = vec![self.oscillation_table()];
        tables.extend(self.sharpness_table());
        tables.push(self.slope_table());
        Report {
            kind: "landscape".into(),
            subject: facts.subject.clone(),
            findings,
            notes: self.notes(facts, options),
            tables,
            figures,
        }
    }
}

impl Around {
    /// The mean oscillation of its lines; `None` if a loss is not finite.
    pub(super) fn oscillation(&self) -> Option<MeanOscillation> {
        let all: Option<Vec<Oscillation>> = self.lines.iter().map(|line| Oscillation::of(line)).collect();
        Oscillation::mean(&all?)
    }
}

/// A share as a percentage with sensible digits.
pub(super) fn percent(share: f64) -> String {
    quantity::percent(100.0 * share)
}

#[cfg(test)]
mod tests {
    use super::super::derivative::Derivative;
    use super::super::outcome::{Increment, Sharpness, Slice, SlopeCheck, Weights};
    use super::*;

    fn around(weights: Weights, scale: f64) -> Around {
        let line = |phase: f64| (-2..=2).map(|step| 0.7 + scale * (f64::from(step) * 0.5 + phase).powi(2)).collect();
        let sharpness = Sharpness {
            eigenvalue: 12.345678,
            residual: 0.012,
            products: 18,
            converged: true,
            step: 0.0075,
            halved: 12.34,
            components: 3_538_944,
        };
        Around {
            weights,
            loss: 0.7,
            lines: vec![line(0.0), line(0.1)],
            slope: SlopeCheck { differences: Derivative { value: 0.1003, error: 1e-5 }, autograd: 0.1 },
            sharpness: Some(sharpness),
        }
    }

    fn landscape() -> Landscape {
        Landscape {
            steps: vec![-1.0, -0.5, 0.0, 0.5, 1.0],
            weights: vec![
                around(Weights::PreTrained, 1.0),
                around(Weights::Trained(170), 2.0),
                around(Weights::Random, 0.01),
            ],
            increment: Some(Increment {
                steps: vec![-0.5, 0.0, 1.0, 2.0],
                training: vec![0.9, 0.7, 0.2, 0.15],
                held_out: vec![0.9, 0.69, 0.3, 0.4],
                norm: 3.2,
                components: 29_186,
            }),
            slice: Slice { xs: vec![-0.5, 2.0], ys: vec![-1.25, 1.25], losses: vec![1.0, f64::NAN, 0.5, 0.2] },
        }
    }

    fn facts() -> Facts {
        Facts {
            subject: "demo".into(),
            examples: (64, 2700),
            held_out: 64,
            matrices: (37, 10_764_288),
            classifier: true,
        }
    }

    #[test]
    fn a_report_says_its_numbers_in_sentences() {
        let options = LandscapeOptions { directions: 2, points: 5, ..LandscapeOptions::default() };
        let report = landscape().report(&facts(), &options);
        assert_eq!(
            report.findings,
            [
                "Amplitude of the loss along 2 random directions, max \u{2212} min on average: pre-trained 1.10 (loss 0.700 at the weights); \
                 trained (step 170) 2.20 (loss 0.700 at the weights); random initialisation 0.0110 (loss 0.700 at the weights).",
                "Oscillation along a line, as total variation over amplitude (2 in a single valley) and local minima: pre-trained 1.83 and \
                 1.00; trained (step 170) 1.83 and 1.00; random initialisation 1.83 and 1.00.",
                "Sharpness, the largest eigenvalue of the Hessian: pre-trained 12.3; trained (step 170) 12.3; random initialisation 12.3.",
                "Along the trained increment: training loss 0.700 at W0 (\u{3b1} = 0), 0.200 at W (\u{3b1} = 1), lowest 0.150 at \u{3b1} = 2; \
                 held-out loss 0.690 at W0 (\u{3b1} = 0), 0.300 at W (\u{3b1} = 1), lowest 0.300 at \u{3b1} = 1.",
                "The amplitude is 100 times as large around pre-trained weights as around a random initialisation. The abstract of the SIFT paper's \
                 first version (arXiv 2312.11875v1) describes pre-training as a change from low-amplitude to high-amplitude oscillation: \
                 the amplitudes measured here agree.",
            ]
        );
        for table in &report.tables {
            assert!(
                table.rows.len() == 3 && table.rows.iter().all(|row| row.len() == table.columns.len()),
                "{table:?}"
            );
        }
        let names: Vec<&str> = report.figures.iter().map(|figure| figure.name.as_str()).collect();
        let expected =
            ["random_directions", "directions_pretrained", "directions_trained", "directions_random_initialisation"];
        assert_eq!(names, [&expected[..], &["increment", "slice"]].concat());
        assert!(
            report.notes.iter().any(|note| note.starts_with("Self-check, trained (step 170): derivative")
                && note.ends_with("0.30 % apart."))
        );
    }

    #[test]
    fn what_is_wrong_is_said() {
        let mut landscape = landscape();
        landscape.weights[0].slope.autograd = 0.2;
        landscape.weights[2].lines[1][4] = f64::INFINITY;
        landscape.weights[1].sharpness.as_mut().unwrap().converged = false;
        let findings = landscape.report(&facts(), &LandscapeOptions::default()).findings.join("\n");
        assert!(
            findings.contains("Self-check failed for pre-trained: finite differences and gradient are 49.9 % apart."),
            "{findings}"
        );
        assert!(findings.contains("random initialisation not finite everywhere"), "{findings}");
        assert!(findings.contains("trained (step 170) 12.3 (not converged)"), "{findings}");
        assert!(!findings.contains("2312.11875"), "{findings}");
    }
}
