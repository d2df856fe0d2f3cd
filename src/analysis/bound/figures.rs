//! The figures of the bounds: errors and bounds over the noise of the posterior, and what the bounds pay for it.

use super::bounds::{Bounds, informative_budget, without_selecting};
use super::evidence::{Complexity, Evidence, GibbsErrors, PriorMean, SelectionDependence};
use crate::analysis::{Axis, Curve, Figure, Plot, Scale};

const NOISE: &str = "noise (multiples of the rms change)";

pub(super) fn figures(evidence: &Evidence) -> Vec<Figure> {
    vec![bounds(evidence), complexity(evidence)]
}

/// A line over the levels of noise.
fn curve(evidence: &Evidence, name: &str, value: impl Fn(&GibbsErrors) -> f64) -> Curve {
    let points = evidence.levels.iter().map(|level| (level.noise, value(level))).collect();
    Curve { name: name.into(), points, band: None }
}

fn bounds(evidence: &Evidence) -> Figure {
    let bound = |mean, of: fn(&Bounds) -> f64| {
        // Above 1 a bound says nothing, and would squeeze the others.
        move |level: &GibbsErrors| of(&without_selecting(evidence, mean, level)).min(1.0)
    };
    let curves = vec![
        curve(evidence, "training error", |level| level.train),
        curve(evidence, "held-out error", |level| level.held_out),
        curve(evidence, "Langford-Seeger", bound(PriorMean::Initial, |bounds| bounds.langford_seeger)),
        curve(evidence, "Catoni", bound(PriorMean::Initial, |bounds| bounds.catoni.bound)),
        curve(evidence, "McAllester", bound(PriorMean::Initial, |bounds| bounds.mcallester)),
        curve(evidence, "Langford-Seeger, random prior", bound(PriorMean::Random, |bounds| bounds.langford_seeger)),
    ];
    Figure {
        name: "bounds_over_noise".into(),
        title: "Errors of the Gibbs classifier and their bounds (up to 1), from few draws at each level".into(),
        x: Axis { label: NOISE.into(), scale: Scale::Log },
        y: Axis { label: "error".into(), scale: Scale::Linear },
        plot: Plot::Curves(curves),
    }
}

fn complexity(evidence: &Evidence) -> Figure {
    let kl = |mean| move |level: &GibbsErrors| Complexity::of(&evidence.groups, mean, level.noise).kl;
    let mut curves = vec![
        curve(evidence, "KL, initial weights", kl(PriorMean::Initial)),
        curve(evidence, "KL, random initialisation", kl(PriorMean::Random)),
    ];
    if let SelectionDependence::Gradients { ln_selections, .. } = evidence.selection {
        curves.push(curve(evidence, "union over selections", |_| ln_selections));
    }
    curves.push(curve(evidence, "informative up to", |level| informative_budget(evidence, level.train)));
    Figure {
        name: "complexity_over_noise".into(),
        title: "What the bounds pay for the posterior, and up to which price Langford-Seeger's is informative".into(),
        x: Axis { label: NOISE.into(), scale: Scale::Log },
        y: Axis { label: "complexity (nats)".into(), scale: Scale::Log },
        plot: Plot::Curves(curves),
    }
}
