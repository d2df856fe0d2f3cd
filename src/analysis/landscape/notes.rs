//! The notes of a landscape: how its numbers were computed.

use super::options::LandscapeOptions;
use super::oscillation::DEPTH;
use super::outcome::Landscape;
use super::report::{Facts, percent};
use crate::quantity::{grouped, measured, number};

impl Landscape {
    pub(super) fn notes(&self, facts: &Facts, options: &LandscapeOptions) -> Vec<String> {
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
        notes.push(
            "The SIFT paper (Song et al., ICML 2024) compares oscillations of the loss around pre-trained and random weights. Its abstract \
             names no measure, and only that of the first version names amplitudes. Filter-normalised directions are as long as the weights \
             they start from, so the amplitudes of two networks compare changes of the same share of their weights, not of the same size."
                .into(),
        );
        let around = self.weights.iter().filter_map(|around| around.sharpness.as_ref());
        if let Some(sharpness) = around.clone().next() {
            let products: usize = around.map(|sharpness| sharpness.products).sum();
            notes.push(format!(
                "Sharpness: LOBPCG (Knyazev 2001) over {} components of the targets; Hv = (g(w + \u{3b5}v) \u{2212} g(w \u{2212} \u{3b5}v)) / \
                 2\u{3b5} from two gradients in fp32. \u{3b5} starts at 0.025 % of the weights' norm and is halved until half of it \
                 changes the eigenvalue by less than 1 %. It has converged when a product changes it by less than {}, and stops after {} \
                 products. {products} products in all. The residual says how far an eigenvalue of the Hessian is at most.",
                grouped(sharpness.components),
                percent(options.tolerance),
                options.iterations,
            ));
        }
        if let Some(increment) = &self.increment {
            notes.push(format!(
                "Trained increment: W \u{2212} W0 over the {} trained components (classifier included), norm {}. The second axis of the 2-D \
                 slice is Gaussian noise in the same components, with rows as long as the increment's. Held-out loss: mean over {} examples.",
                grouped(increment.components),
                measured(increment.norm),
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
                measured(slope.differences.value),
                measured(slope.differences.error),
                measured(slope.autograd),
                percent(slope.difference()),
            )
        }));
        notes
    }
}
