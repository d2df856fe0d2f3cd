//! The report of a landscape: its numbers as sentences, tables and figures.

use super::options::LandscapeOptions;
use super::oscillation::{DEPTH, MeanOscillation, Oscillation};
use super::outcome::{Around, Landscape, Sharpness, Slice, Weights};
use crate::analysis::{Axis, Band, Curve, Figure, HeatMap, Plot, Report, Scale, Table};
use crate::quantity::{self, grouped, number};

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

    fn amplitude_finding(&self, options: &LandscapeOptions) -> String {
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

    fn oscillation_finding(&self) -> Option<String> {
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

    fn sharpness_finding(&self) -> Option<String> {
        let of = |around: &Around| {
            let sharpness = around.sharpness.as_ref()?;
            let unsettled = if sharpness.converged { "" } else { " (not converged)" };
            Some(format!("{} {}{unsettled}", around.weights.name(), number(sharpness.eigenvalue)))
        };
        let all: Vec<String> = self.weights.iter().filter_map(of).collect();
        (!all.is_empty()).then(|| format!("Sharpness, the largest eigenvalue of the Hessian: {}.", all.join("; ")))
    }

    fn increment_findings(&self) -> Vec<String> {
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
    fn paper_finding(&self) -> Option<String> {
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

    fn notes(&self, facts: &Facts, options: &LandscapeOptions) -> Vec<String> {
        let (examples, of) = facts.examples;
        let (matrices, components) = facts.matrices;
        let mut notes = vec![
            format!(
                "Loss: mean over {} of {} training examples, drawn with seed {}, the same at every point, without dropout. Weights are fp32.",
                grouped(examples as u64),
                grouped(of),
                options.seed
            ),
            format!(
                "Random directions: Gaussian noise in the {matrices} matrices of linear layers ({} components), each row scaled to the norm \
                 of the weights' row (filter normalisation, Li et al. 2018, arXiv 1712.09913); biases, norms, embeddings{} stay. \u{3b1} = 1 \
                 changes each row by its own norm. The same noise is used for all weights.",
                grouped(components),
                if facts.classifier { " and the classifier" } else { "" },
            ),
            format!(
                "Random initialisation: a network of the same shape as transformers initialises it (normal weights, zero biases, unit \
                 norms){}.",
                if facts.classifier {
                    ", with the classifier of the pre-trained one as training starts with it"
                } else {
                    ""
                }
            ),
            format!(
                "Oscillation of a line: amplitude max L \u{2212} min L; total variation \u{3a3} |L(i+1) \u{2212} L(i)| over the amplitude; \
                 mean absolute second difference |L(i\u{2212}1) \u{2212} 2 L(i) + L(i+1)| at a spacing of {}; local minima deeper than {} \
                 of the amplitude on both sides.",
                number(2.0 * options.span / (options.points - 1) as f64),
                percent(DEPTH),
            ),
        ];
        let around = self.weights.iter().filter_map(|around| around.sharpness.as_ref());
        if let Some(sharpness) = around.clone().next() {
            let products: usize = around.map(|sharpness| sharpness.products).sum();
            notes.push(format!(
                "Sharpness: power iteration over {} components of the targets; Hv = (g(w + \u{3b5}v) \u{2212} g(w \u{2212} \u{3b5}v)) / \
                 2\u{3b5} from two gradients in fp32. \u{3b5} starts at a thousandth of the weights' norm and is halved until half of it \
                 changes the eigenvalue by less than 1 %. It stops at a relative change of {} or after {} iterations. {products} products in \
                 all. If the eigenvalue of largest magnitude is negative, a second iteration on H \u{2212} \u{3bb}I gives the largest one.",
                grouped(sharpness.components),
                number(options.tolerance),
                options.iterations,
            ));
        }
        if let Some(increment) = &self.increment {
            notes.push(format!(
                "Trained increment: W \u{2212} W0 over the {} trained components (classifier included), norm {}. The second axis of the 2-D \
                 slice is Gaussian noise in the same components, with rows as long as the increment's. Held-out loss: mean over {} examples.",
                grouped(increment.components),
                number(increment.norm),
                grouped(facts.held_out as u64),
            ));
        } else {
            notes.push("2-D slice: the first two random directions from the pre-trained weights.".into());
        }
        notes.extend(self.weights.iter().map(|around| {
            let (slope, name) = (&around.slope, around.weights.name());
            format!(
                "Self-check, {name}: derivative along the first direction {} by finite differences (Ridders, \u{b1} {}), {} by autograd: \
                 {} apart.",
                number(slope.differences.value),
                number(slope.differences.error),
                number(slope.autograd),
                percent(slope.difference()),
            )
        }));
        notes
    }

    fn mean_figure(&self) -> Figure {
        let curves = self.weights.iter().map(|around| {
            let at = |place: usize| around.lines.iter().map(move |line| line[place]);
            let count = around.lines.len() as f64;
            let over = |fold: fn(f64, f64) -> f64, from: f64| {
                (0..self.steps.len()).map(|place| at(place).fold(from, fold)).collect::<Vec<f64>>()
            };
            let mean = over(|sum, loss| sum + loss, 0.0).into_iter().map(|sum| sum / count);
            let band = Band { low: over(f64::min, f64::INFINITY), high: over(f64::max, f64::NEG_INFINITY) };
            Curve {
                name: around.weights.name(),
                points: self.steps.iter().copied().zip(mean).collect(),
                band: Some(band),
            }
        });
        Figure {
            name: "random_directions".into(),
            title: "Loss along random directions: mean, lowest, highest".into(),
            x: linear(STEP_LABEL),
            y: linear("loss"),
            plot: Plot::Curves(curves.collect()),
        }
    }

    /// The lines around one set of weights, on a scale of their own.
    fn lines_figure(&self, around: &Around) -> Figure {
        let curve = |(number, line): (usize, &Vec<f64>)| Curve {
            name: format!("direction {}", number + 1),
            points: self.steps.iter().copied().zip(line.iter().copied()).collect(),
            band: None,
        };
        let name = match around.weights {
            Weights::PreTrained => "directions_pretrained",
            Weights::Trained(_) => "directions_trained",
            Weights::Random => "directions_random_initialisation",
        };
        Figure {
            name: name.into(),
            title: format!("Loss along random directions, {}", around.weights.name()),
            x: linear(STEP_LABEL),
            y: linear("loss"),
            plot: Plot::Curves(around.lines.iter().enumerate().map(curve).collect()),
        }
    }

    fn increment_figure(&self) -> Option<Figure> {
        let increment = self.increment.as_ref()?;
        let curve = |name: &str, losses: &[f64]| Curve {
            name: name.into(),
            points: increment.steps.iter().copied().zip(losses.iter().copied()).collect(),
            band: None,
        };
        Some(Figure {
            name: "increment".into(),
            title: "Loss along the trained increment: W0 at 0, W at 1".into(),
            x: linear(INCREMENT_LABEL),
            y: linear("loss"),
            plot: Plot::Curves(vec![curve("training", &increment.training), curve("held-out", &increment.held_out)]),
        })
    }

    fn slice_figure(&self) -> Figure {
        let Slice { xs, ys, losses } = self.slice.clone();
        let (title, x, y, marks) = match self.increment {
            Some(_) => (
                "Loss on the plane of the increment and a random direction",
                INCREMENT_LABEL,
                "\u{3b2} of a random direction",
                vec![(0.0, 0.0, "W0".to_owned()), (1.0, 0.0, "W".to_owned())],
            ),
            None => (
                "Loss on the plane of two random directions, pre-trained",
                "\u{3b1} of direction 1",
                "\u{3b2} of direction 2",
                vec![(0.0, 0.0, "W0".to_owned())],
            ),
        };
        let plot = Plot::HeatMap(HeatMap { xs, ys, values: losses, label: "loss".into(), marks });
        Figure { name: "slice".into(), title: title.into(), x: linear(x), y: linear(y), plot }
    }

    fn oscillation_table(&self) -> Table {
        let row = |around: &Around| {
            let mean = around.oscillation();
            let cell =
                |of: fn(&MeanOscillation) -> f64| mean.as_ref().map_or("not finite".into(), |mean| number(of(mean)));
            vec![
                around.weights.name(),
                number(around.loss),
                cell(|mean| mean.range),
                cell(|mean| mean.variation),
                cell(|mean| mean.second_difference),
                cell(|mean| mean.minima),
            ]
        };
        Table {
            name: "oscillation".into(),
            title: "Oscillation along random directions, mean over directions".into(),
            columns: ["weights", "loss", "amplitude", "variation / amplitude", "second difference", "local minima"]
                .map(str::to_owned)
                .into(),
            rows: self.weights.iter().map(row).collect(),
        }
    }

    fn sharpness_table(&self) -> Option<Table> {
        let row = |around: &Around| {
            let sharpness: &Sharpness = around.sharpness.as_ref()?;
            Some(vec![
                around.weights.name(),
                number(sharpness.eigenvalue),
                number(sharpness.residual),
                sharpness.most_negative.map_or("\u{2212}".into(), number),
                number(sharpness.halved),
                number(sharpness.step),
                sharpness.products.to_string(),
                if sharpness.converged { "yes" } else { "no" }.into(),
            ])
        };
        let rows: Vec<Vec<String>> = self.weights.iter().filter_map(row).collect();
        (!rows.is_empty()).then(|| Table {
            name: "sharpness".into(),
            title: "Largest eigenvalue of the Hessian".into(),
            columns: [
                "weights",
                "\u{3bb}",
                "residual",
                "most negative",
                "\u{3bb} at \u{3b5}/2",
                "\u{3b5}",
                "products",
                "converged",
            ]
            .map(str::to_owned)
            .into(),
            rows,
        })
    }

    fn slope_table(&self) -> Table {
        let row = |around: &Around| {
            let slope = &around.slope;
            vec![
                around.weights.name(),
                number(slope.differences.value),
                number(slope.autograd),
                percent(slope.difference()),
            ]
        };
        Table {
            name: "self_check".into(),
            title: "Derivative along the first random direction".into(),
            columns: ["weights", "finite differences", "autograd", "difference"].map(str::to_owned).into(),
            rows: self.weights.iter().map(row).collect(),
        }
    }
}

impl Around {
    /// The mean oscillation of its lines; `None` if a loss is not finite.
    fn oscillation(&self) -> Option<MeanOscillation> {
        let all: Option<Vec<Oscillation>> = self.lines.iter().map(|line| Oscillation::of(line)).collect();
        Oscillation::mean(&all?)
    }
}

const STEP_LABEL: &str = "\u{3b1} (1: each row changed by its norm)";
const INCREMENT_LABEL: &str = "\u{3b1} of W0 + \u{3b1} (W \u{2212} W0)";

fn linear(label: &str) -> Axis {
    Axis { label: label.into(), scale: Scale::Linear }
}

fn percent(share: f64) -> String {
    quantity::percent(100.0 * share)
}

#[cfg(test)]
mod tests {
    use super::super::derivative::Derivative;
    use super::super::outcome::{Increment, SlopeCheck};
    use super::*;

    fn around(weights: Weights, scale: f64) -> Around {
        let line = |phase: f64| (-2..=2).map(|step| 0.7 + scale * (f64::from(step) * 0.5 + phase).powi(2)).collect();
        let sharpness = Sharpness {
            eigenvalue: 12.345678,
            most_negative: None,
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
                "Amplitude of the loss along 2 random directions, max \u{2212} min on average: pre-trained 1.1 (loss 0.7 at the weights); \
                 trained (step 170) 2.2 (loss 0.7 at the weights); random initialisation 0.011 (loss 0.7 at the weights).",
                "Oscillation along a line, as total variation over amplitude (2 in a single valley) and local minima: pre-trained 1.833 and \
                 1; trained (step 170) 1.833 and 1; random initialisation 1.833 and 1.",
                "Sharpness, the largest eigenvalue of the Hessian: pre-trained 12.35; trained (step 170) 12.35; random initialisation 12.35.",
                "Along the trained increment: training loss 0.7 at W0 (\u{3b1} = 0), 0.2 at W (\u{3b1} = 1), lowest 0.15 at \u{3b1} = 2; \
                 held-out loss 0.69 at W0 (\u{3b1} = 0), 0.3 at W (\u{3b1} = 1), lowest 0.3 at \u{3b1} = 1.",
                "The amplitude around pre-trained weights is 100 times larger than around a random initialisation, as in the abstract of \
                 the SIFT paper's first version (arXiv 2312.11875v1), which speaks of low-amplitude oscillation for random and \
                 high-amplitude oscillation for pre-trained weights.",
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
        assert!(findings.contains("trained (step 170) 12.35 (not converged)"), "{findings}");
        assert!(!findings.contains("2312.11875"), "{findings}");
    }
}
