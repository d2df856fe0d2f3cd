//! Cross-entropy of logits and its gradient, in the logits' place.

use rayon::prelude::*;

use super::exp::exp;
use super::instructions::{InstructionSet, Kernel};
use super::sum::{max, sum};
use super::vector::Vector;

/// Replaces the logits `[rows, classes]` by `scale` times the gradient of the summed cross-entropy, softmax(logits) less one at each
/// row's label, and `losses` by the rows' losses, not scaled.
///
/// # Panics
/// If a label is not among the classes.
pub fn cross_entropy(instructions: InstructionSet, logits: &mut [f32], labels: &[i64], scale: f32, losses: &mut [f32]) {
    struct Row<'a> {
        logits: &'a mut [f32],
        label: usize,
        scale: f32,
        loss: &'a mut f32,
    }
    impl Kernel for Row<'_> {
        #[inline(always)]
        unsafe fn run<V: Vector>(self) {
            let Row { logits, label, scale, loss } = self;
            let (most, at_label) = (max(logits), logits[label]);
            for logit in &mut *logits {
                *logit = exp::<V>(*logit - most);
            }
            let total = sum(logits, logits, |a, _| a);
            *loss = total.ln() - (at_label - most);
            let factor = scale / total;
            for probability in &mut *logits {
                *probability *= factor;
            }
            logits[label] -= scale;
        }
    }
    assert_eq!(labels.len(), losses.len());
    if labels.is_empty() {
        return;
    }
    let classes = logits.len() / labels.len();
    assert!(
        logits.len() == classes * labels.len() && labels.iter().all(|&label| label >= 0 && (label as usize) < classes)
    );
    let rows = logits.par_chunks_exact_mut(classes).zip(labels).zip(losses);
    rows.for_each(|((logits, &label), loss)| instructions.run(Row { logits, label: label as usize, scale, loss }));
}
