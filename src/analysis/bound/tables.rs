//! The tables of the bounds: measured errors, bounds, complexity term by term, and the Gaussians.

use super::bounds::{Bounds, Verdict, shares};
use super::evidence::{Complexity, Errors, Evidence, PriorMean, SelectionDependence};
use super::report::{Results, confidence, gap_of, nats, share};
use crate::analysis::Table;
use crate::quantity::grouped;

pub(super) fn tables(evidence: &Evidence, results: &Results) -> Vec<Table> {
    vec![errors(evidence), bounds(evidence, results), complexity(evidence), gaussians(evidence)]
}

fn table(name: &str, title: String, columns: &[&str], rows: Vec<Vec<String>>) -> Table {
    Table { name: name.into(), title, columns: columns.iter().map(|&column| column.into()).collect(), rows }
}

fn errors(evidence: &Evidence) -> Table {
    let row = |name: String, errors: Errors| {
        vec![name, share(errors.train), share(errors.held_out), gap_of(errors.held_out, errors.train)]
    };
    let mut gibbs = vec![(evidence.initial, "initial weights")];
    if evidence.random.noise != evidence.initial.noise {
        gibbs.push((evidence.random, "random initialisation"));
    }
    let gibbs = gibbs.into_iter().map(|(gibbs, prior)| {
        let name = format!("Gibbs, noise {} times the change ({prior})", gibbs.noise);
        row(name, Errors { train: gibbs.train, held_out: gibbs.held_out })
    });
    let rows = [row("trained weights".into(), evidence.trained)].into_iter().chain(gibbs);
    let rows = rows.chain([row("most frequent class".into(), evidence.most_frequent)]).collect();
    let title = format!(
        "Measured 0-1 errors, {} training and {} held-out examples",
        grouped(evidence.examples),
        grouped(evidence.held_out_examples)
    );
    table("errors", title, &["classifier", "training error", "held-out error", "gap"], rows)
}

fn bounds(evidence: &Evidence, results: &Results) -> Table {
    let value = |bound: f64| {
        let mark = match Verdict::of(bound, evidence.most_frequent.held_out) {
            Verdict::Vacuous => " vacuous",
            Verdict::Uninformative => " uninformative",
            Verdict::Informative => "",
        };
        format!("{}{mark}", share(bound))
    };
    let row = |prior: &str, selection: &str, bounds: &Bounds| {
        let numbers = [grouped(bounds.examples), nats(bounds.complexity), share(bounds.train)];
        let bounds = [bounds.mcallester, bounds.catoni.bound, bounds.langford_seeger].map(value);
        [prior.into(), selection.into()].into_iter().chain(numbers).chain(bounds).collect::<Vec<String>>()
    };
    let left_out = match evidence.selection {
        SelectionDependence::Independent => "independent of the examples",
        SelectionDependence::Gradients { .. } => "selecting examples left out",
    };
    let mut rows = vec![row("initial weights", left_out, &results.initial)];
    rows.extend(results.over_selections.iter().map(|bounds| row("initial weights", "union over selections", bounds)));
    rows.push(row("random initialisation", left_out, &results.random));
    let title = format!(
        "Bounds on the error of the Gibbs classifier, each with probability {}; uninformative: not below the most frequent \
         class's {}",
        confidence(evidence.delta),
        share(evidence.most_frequent.held_out)
    );
    let columns = [
        "prior around",
        "selection",
        "examples",
        "complexity (nats)",
        "training error, at most",
        "McAllester",
        "Catoni",
        "Langford-Seeger",
    ];
    table("bounds", title, &columns, rows)
}

fn complexity(evidence: &Evidence) -> Table {
    let [initial, random] = chosen(evidence);
    let mut rows: Vec<Vec<String>> = Vec::new();
    let mut row = |term: String, initial: f64, random: f64| rows.push(vec![term, nats(initial), nats(random)]);
    for ((group, initial), random) in evidence.groups.iter().zip(&initial.priors).zip(&random.priors) {
        row(format!("KL(Q‖P), {}", group.name), initial.kl, random.kl);
    }
    row("choice of the prior variances".into(), initial.union, random.union);
    let m = evidence.selection.independent(evidence.examples) as f64;
    let confidence = (2.0 * m.sqrt() / shares(evidence.delta).0).ln();
    row("ln(2√m/δ), McAllester and Langford-Seeger".into(), confidence, confidence);
    if let SelectionDependence::Gradients { ln_selections, .. } = evidence.selection {
        row("ln(number of selections), union only".into(), ln_selections, ln_selections);
    }
    let columns = ["term", "prior: initial weights (nats)", "prior: random initialisation (nats)"];
    table("complexity", "Complexity, term by term".into(), &columns, rows)
}

fn gaussians(evidence: &Evidence) -> Table {
    let [initial, random] = chosen(evidence);
    let small = |value: f64| format!("{value:.2e}");
    let rms = |squared: f64, components: u64| small((squared / components as f64).sqrt());
    let groups =
        evidence.groups.iter().zip(initial.priors.iter().zip(&random.priors)).map(|(group, (initial, random))| {
            vec![
                group.name.clone(),
                grouped(group.components),
                rms(group.from_initial, group.components),
                small(evidence.initial.noise * group.change()),
                small(initial.variance.sqrt()),
                rms(group.from_random, group.components),
                small(evidence.random.noise * group.change()),
                small(random.variance.sqrt()),
            ]
        });
    let all = &evidence.parameters;
    let none = || "-".to_owned();
    let last = vec![
        all.name.clone(),
        grouped(all.components),
        rms(all.from_initial, all.components),
        none(),
        none(),
        rms(all.from_random, all.components),
        none(),
        none(),
    ];
    let columns = [
        "components",
        "number",
        "rms change from the initial weights",
        "σ of Q",
        "σ of P",
        "rms distance from random",
        "σ of Q (random)",
        "σ of P (random)",
    ];
    table("gaussians", "Posterior Q and prior P".into(), &columns, groups.chain([last]).collect())
}

/// The complexity around the initial weights and around a random initialisation, each at its own noise.
fn chosen(evidence: &Evidence) -> [Complexity; 2] {
    [(PriorMean::Initial, evidence.initial.noise), (PriorMean::Random, evidence.random.noise)]
        .map(|(mean, noise)| Complexity::of(&evidence.groups, mean, noise))
}
