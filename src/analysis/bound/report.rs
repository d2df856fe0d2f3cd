//! The report of the bounds: findings, tables and figures, from what was measured.

use super::bounds::{Bounds, Verdict, informative_budget, noisiest_within, over_selections, without_selecting};
use super::evidence::{Complexity, Evidence, PriorMean, SelectionDependence};
use super::figures::figures;
use super::notes::notes;
use super::tables::tables;
use crate::analysis::Report;
use crate::quantity::{grouped, times};

/// The bounds of a run on both priors.
pub(super) struct Results {
    /// The prior around the values before training.
    pub initial: Bounds,
    /// The same with a union bound over the selections, if the selection depends on the examples.
    pub over_selections: Option<Bounds>,
    /// The prior around a random initialisation.
    pub random: Bounds,
}

/// What was measured and what follows from it.
pub fn report(evidence: &Evidence) -> Report {
    let results = Results {
        initial: without_selecting(evidence, PriorMean::Initial, &evidence.initial),
        over_selections: over_selections(evidence, PriorMean::Initial, &evidence.initial),
        random: without_selecting(evidence, PriorMean::Random, &evidence.random),
    };
    Report {
        kind: "bound".into(),
        subject: evidence.subject.clone(),
        findings: findings(evidence, &results),
        notes: notes(evidence),
        tables: tables(evidence, &results),
        figures: figures(evidence),
    }
}

/// An error or a bound, with three decimals.
pub(super) fn share(value: f64) -> String {
    format!("{value:.3}")
}

/// A difference of errors, with its sign. What rounds to zero has none of its own.
pub(super) fn gap_of(held_out: f64, train: f64) -> String {
    format!("{:+.3}", ((held_out - train) * 1e3).round() / 1e3 + 0.0)
}

/// Nats, rounded.
pub(super) fn nats(value: f64) -> String {
    match value {
        ..99.95 => format!("{value:.1}"),
        _ => grouped(value.round() as u64),
    }
}

/// 1 − δ in percent.
pub(super) fn confidence(delta: f64) -> String {
    format!("{} %", ((1.0 - delta) * 1e6).round() / 1e4)
}

fn findings(evidence: &Evidence, results: &Results) -> Vec<String> {
    let mut findings = vec![headline(evidence, &results.initial), gap(evidence, &results.initial)];
    findings.extend(complexity(evidence));
    if let (Some(bounds), SelectionDependence::Gradients { ln_selections, .. }) =
        (&results.over_selections, evidence.selection)
    {
        findings.push(format!(
            "A union bound over all selections that could have been made costs {} nats, {} times the KL divergence; with it \
             Langford-Seeger's bound is {}{}.",
            nats(ln_selections),
            times(ln_selections / Complexity::of(&evidence.groups, PriorMean::Initial, evidence.initial.noise).kl),
            share(bounds.langford_seeger),
            describe(bounds.langford_seeger, evidence)
        ));
    }
    findings.extend(random_prior(evidence, &results.random));
    findings
}

fn headline(evidence: &Evidence, bounds: &Bounds) -> String {
    let bound = bounds.langford_seeger;
    let meaning = match Verdict::of(bound, evidence.most_frequent.held_out) {
        Verdict::Vacuous => "The bound is vacuous: it says nothing about this run".to_owned(),
        Verdict::Uninformative => format!(
            "That is no better than always predicting the most frequent class ({}): the bound says nothing useful about this run",
            share(evidence.most_frequent.held_out)
        ),
        Verdict::Informative => format!(
            "That is less than the error of always predicting the most frequent class ({})",
            share(evidence.most_frequent.held_out)
        ),
    };
    format!(
        "With probability {} the error of the Gibbs classifier is at most {} (Langford-Seeger, prior around the initial \
         weights). {meaning}. Its held-out error is {}, that of the trained weights {}.",
        confidence(evidence.delta),
        share(bound),
        share(evidence.initial.held_out),
        share(evidence.trained.held_out)
    )
}

fn gap(evidence: &Evidence, bounds: &Bounds) -> String {
    let (trained, gibbs) = (evidence.trained, evidence.initial);
    let beyond = |bound: f64| share((bound - gibbs.train).max(0.0));
    format!(
        "Measured generalisation gap (held-out minus training error): {} for the trained weights, {} for the Gibbs \
         classifier. The bounds allow {} (McAllester), {} (Catoni) and {} (Langford-Seeger).",
        gap_of(trained.held_out, trained.train),
        gap_of(gibbs.held_out, gibbs.train),
        beyond(bounds.mcallester),
        beyond(bounds.catoni.bound),
        beyond(bounds.langford_seeger)
    )
}

/// How far the complexity is from an informative bound, at a noise that leaves the classifier as good as it is.
fn complexity(evidence: &Evidence) -> Option<String> {
    /// Training error that the noise may cost.
    const MARGIN: f64 = 0.05;
    let level = noisiest_within(evidence, MARGIN)?;
    let (budget, complexity) = (
        informative_budget(evidence, level.train),
        Complexity::of(&evidence.groups, PriorMean::Initial, level.noise).total(),
    );
    let verdict = match complexity / budget {
        ratio if ratio <= 1.0 => "within that".to_owned(),
        ratio if budget > 0.0 => {
            format!("{} times too much: train fewer components, or on more examples", times(ratio))
        }
        _ => "too much".to_owned(),
    };
    Some(format!(
        "{} components, {} examples: with the most noise that costs Q no more than {MARGIN} of training error ({} times the change by \
         training), the bound is informative up to a complexity of {} nats. It is {}: {verdict}.",
        grouped(evidence.groups.iter().map(|group| group.components).sum()),
        grouped(evidence.selection.independent(evidence.examples)),
        level.noise,
        nats(budget),
        nats(complexity)
    ))
}

fn random_prior(evidence: &Evidence, bounds: &Bounds) -> [String; 3] {
    let sum = |of: fn(&super::evidence::Group) -> f64| evidence.groups.iter().map(of).sum::<f64>();
    let (initial, random) = (sum(|group| group.from_initial), sum(|group| group.from_random));
    let at = |mean| nats(Complexity::of(&evidence.groups, mean, evidence.initial.noise).kl);
    [
        format!(
            "With the prior around a random initialisation of the same components instead, ‖w − w₀‖² is {} times as large, and the \
             KL divergence at the same noise {} nats instead of {}. At the noise that suits this prior best, Langford-Seeger's bound \
             is {}{}.",
            times(random / initial),
            at(PriorMean::Random),
            at(PriorMean::Initial),
            share(bounds.langford_seeger),
            describe(bounds.langford_seeger, evidence)
        ),
        format!(
            "Over all {} parameters of the model, the trained weights are {} times as far (L2) from a random initialisation as from \
             the initial weights.",
            grouped(evidence.parameters.components),
            times((evidence.parameters.from_random / evidence.parameters.from_initial).sqrt())
        ),
        conclusion(random > initial).into(),
    ]
}

/// What the distances say of the paper's argument.
fn conclusion(random_is_farther: bool) -> &'static str {
    if random_is_farther {
        "This agrees with the paper's argument that pre-training shifts the prior towards the posterior, but does not prove it: these \
         weights were trained from the pre-trained ones, so they lie near them by construction. A run that starts from a random \
         initialisation would end elsewhere, nearer to its own start."
    } else {
        "The random initialisation is no farther: on these components the run lends no support to the paper's argument that \
         pre-training shifts the prior towards the posterior."
    }
}

/// What a bound is worth, as an addition to its number.
fn describe(bound: f64, evidence: &Evidence) -> &'static str {
    match Verdict::of(bound, evidence.most_frequent.held_out) {
        Verdict::Vacuous => " (vacuous)",
        Verdict::Uninformative => " (no better than the most frequent class)",
        Verdict::Informative => "",
    }
}
