//! The bounds of a run, from what was measured of it.

use super::evidence::{Complexity, Evidence, GibbsErrors, PriorMean, SelectionDependence};
use super::inequality::{Catoni, catoni, kl_bernoulli, langford_seeger, mcallester, mean_bound};

/// The part of δ that the estimate of the Gibbs classifier's training error may fail with.
const ESTIMATE: f64 = 0.2;

/// The bounds on the risk of a Gibbs classifier.
#[derive(Clone, Debug, PartialEq)]
pub struct Bounds {
    /// Examples that they average over.
    pub examples: u64,
    /// An upper bound of the training error of the Gibbs classifier.
    pub train: f64,
    /// KL(Q‖P), the union over prior variances, and that over selections if there is one, in nats.
    pub complexity: f64,
    pub mcallester: f64,
    pub catoni: Catoni,
    pub langford_seeger: f64,
}

/// What a bound says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// At least 1, to three decimals: nothing.
    Vacuous,
    /// No less than the error of the class that most examples have.
    Uninformative,
    /// Less than that.
    Informative,
}

impl Verdict {
    /// Of a bound, beside the held-out error of always predicting the most frequent class.
    pub fn of(bound: f64, most_frequent: f64) -> Verdict {
        match bound {
            _ if bound >= 0.9995 => Verdict::Vacuous,
            _ if bound >= most_frequent => Verdict::Uninformative,
            _ => Verdict::Informative,
        }
    }
}

/// The parts of δ for the inequality and for the estimate.
pub fn shares(delta: f64) -> (f64, f64) {
    (delta * (1.0 - ESTIMATE), delta * ESTIMATE)
}

/// The bounds that leave out the examples whose gradients selected: on the others, the prior does not depend.
pub fn without_selecting(evidence: &Evidence, mean: PriorMean, gibbs: &GibbsErrors) -> Bounds {
    let complexity = Complexity::of(&evidence.groups, mean, gibbs.noise).total();
    let examples = evidence.selection.independent(evidence.examples);
    bounds(evidence.delta, examples, upper_train(evidence, gibbs), complexity)
}

/// The bounds on all examples by a union bound over the selections, if the selection depends on the examples.
pub fn over_selections(evidence: &Evidence, mean: PriorMean, gibbs: &GibbsErrors) -> Option<Bounds> {
    let SelectionDependence::Gradients { examples, ln_selections } = evidence.selection else { return None };
    let complexity = Complexity::of(&evidence.groups, mean, gibbs.noise).total() + ln_selections;
    // The error was measured on the other examples: each of the selecting ones counts as wrong.
    let share = examples as f64 / evidence.examples as f64;
    let train = share + (1.0 - share) * upper_train(evidence, gibbs);
    Some(bounds(evidence.delta, evidence.examples, train, complexity))
}

/// The most complexity with which Langford and Seeger's bound is informative at this training error, in nats; 0 if none is.
pub fn informative_budget(evidence: &Evidence, train: f64) -> f64 {
    let most_frequent = evidence.most_frequent.held_out;
    if train >= most_frequent {
        return 0.0;
    }
    let m = evidence.selection.independent(evidence.examples) as f64;
    (m * kl_bernoulli(train, most_frequent) - (2.0 * m.sqrt() / shares(evidence.delta).0).ln()).max(0.0)
}

/// The level with the most noise that leaves the training error of Q within `margin` of that of the trained weights.
pub fn noisiest_within(evidence: &Evidence, margin: f64) -> Option<&GibbsErrors> {
    evidence.levels.iter().take_while(|level| level.train <= evidence.trained.train + margin).last()
}

fn upper_train(evidence: &Evidence, gibbs: &GibbsErrors) -> f64 {
    mean_bound(gibbs.train, gibbs.draws, shares(evidence.delta).1)
}

fn bounds(delta: f64, examples: u64, train: f64, complexity: f64) -> Bounds {
    let (delta, _) = shares(delta);
    Bounds {
        examples,
        train,
        complexity,
        mcallester: mcallester(train, complexity, examples, delta),
        catoni: catoni(train, complexity, examples, delta),
        langford_seeger: langford_seeger(train, complexity, examples, delta),
    }
}
