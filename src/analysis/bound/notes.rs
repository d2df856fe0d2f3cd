//! How the bounds are computed, and every assumption behind them.

use super::bounds::shares;
use super::evidence::{Evidence, SelectionDependence};
use super::inequality::CATONI_GRID;
use crate::quantity::grouped;

pub(super) fn notes(evidence: &Evidence) -> Vec<String> {
    let (inequality, estimate) = shares(evidence.delta);
    let mut notes = vec![
        "Posterior Q = N(w, σ_Q² I) and prior P = N(w₀, σ_P² I) over the trained components; all others are fixed. Selected components \
         and dense parameters each have variances of their own. w₀ are the values before training: pre-trained, or for a new head \
         those that the run's seed gives."
            .into(),
        "The loss is the 0-1 error. Cross-entropy is unbounded, so these bounds do not hold for it.".into(),
        "The bounds are on the Gibbs classifier, which draws new weights from Q for each prediction, not on the trained weights w \
         themselves. The error of w is shown beside them; no bound on it follows."
            .into(),
        "Assumed: the training examples are independent draws from one distribution. Duplicates, or several examples of one source, \
         break this."
            .into(),
        "Assumed: the initial weights do not depend on the training examples. Neither pre-training nor the choice of the seed saw \
         them."
            .into(),
    ];
    notes.extend(selection(evidence.selection));
    notes.extend([
        "Prior variances are chosen from a grid fixed beforehand, σ_P² = exp(-j/100), j = 1, 2, …, by a union bound that costs \
         ln(π²j²/6) for each group (Dziugaite and Roy, UAI 2017, arXiv 1703.11008)."
            .into(),
        format!(
            "The noise σ_Q is one of {} multiples of the root mean square of each group's change, the one with the least expected \
             Langford-Seeger bound. Q may depend on the examples, so this costs nothing.",
            evidence.levels.len()
        ),
        format!(
            "The training error of Q is estimated from {} draws of weights, each with a batch of examples drawn by length, on which its \
             expectation is the training error. Hoeffding's inequality in its kl form makes it an upper bound that fails with \
             probability {estimate:.3}; that is part of δ. Figures use {} draws at each level.",
            grouped(evidence.initial.draws),
            evidence.levels.first().map_or(0, |level| level.draws)
        ),
        format!(
            "δ = {}: {inequality:.3} for the inequality, {estimate:.3} for the estimate. Each bound holds on its own, not all at once; the \
             headline is Langford-Seeger's, whatever comes out.",
            evidence.delta
        ),
        "McAllester: risk + √((complexity + ln(2√m/δ)) / 2m) (COLT 1999, 2003; constant by Maurer 2004, arXiv cs/0411099). \
         Langford-Seeger: kl(training risk ‖ risk) ≤ (complexity + ln(2√m/δ)) / m (Langford and Seeger 2001, Seeger 2002, Maurer 2004)."
            .into(),
        format!(
            "Catoni: (1 - exp(-C · risk - (complexity + ln({CATONI_GRID}/δ)) / m)) / (1 - exp(-C)), the least of {CATONI_GRID} values of C = \
             λ/m, powers of √2 from 1/64 to 64 (Catoni 2007, arXiv 0712.0248, theorem 1.2.6)."
        ),
        "Random initialisation: normal weights of the model's initializer_range, zero biases, norms of one, drawn once from the run's \
         seed; a new head keeps its own initial values, which are random already. The components outside the selection stay \
         pre-trained under either prior."
            .into(),
        "If the checkpoint is the best of several evaluations on the held-out examples, their error is slightly optimistic. The bounds do \
         not depend on that choice."
            .into(),
        "The paper (Song et al., ICML 2024, arXiv 2312.11875) views pre-training as a shift of the prior that tightens a PAC-Bayesian \
         bound, and supports it by loss landscapes and the sparsity of gradients. Numbers here are bounds of one run; they neither prove \
         nor refute that."
            .into(),
    ]);
    if evidence.rounded {
        notes.push(
            "The weights are stored in bf16: noisy weights are rounded, so the measured Gibbs classifier is only close to one with \
             Gaussian weights."
                .into(),
        );
    }
    notes
}

fn selection(dependence: SelectionDependence) -> Vec<String> {
    match dependence {
        SelectionDependence::Independent => {
            vec!["The choice of the trained components does not depend on the training examples, so all of them count.".into()]
        }
        SelectionDependence::Gradients { examples, .. } => vec![
            format!(
                "The gradients of {} training examples chose the components, and a prior must not depend on the examples it is \
                 compared on. The headline leaves these examples out: on the others, the prior is as good as fixed (data-dependent \
                 priors: Ambroladze et al., NIPS 2006).",
                grouped(examples)
            ),
            "Batches group examples by length, so which examples selected follows from all lengths and the seed. The headline therefore \
             bounds the error on texts with the lengths of the other examples, given all lengths."
                .into(),
            "The second way keeps all examples and pays ln(number of selections), as if each possible selection had a prior of its own \
             and equal weight. It needs no assumption about lengths; each selecting example counts as an error."
                .into(),
        ],
    }
}
