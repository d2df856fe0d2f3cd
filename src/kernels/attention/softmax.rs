//! Rows of scores to weights, and back.

use std::ops::Range;

use super::super::dropout::{DRAWN, Dropout};
use super::super::exp::exp;
use super::super::sum::{LANES, add_up, max, sum};
use super::super::vector::{Vector, madd};

/// Where a row of scores is: what its dropout depends on.
#[derive(Clone, Copy)]
pub(super) struct Query {
    pub token: u32,
    pub head: u32,
    /// The key that the row begins with: a multiple of [`DRAWN`].
    pub first_key: usize,
}

/// Replaces scores, which are to be scaled, by weights that are not normalized, zero outside the `attended` ones and where they are dropped.
/// Returns the factor that normalizes them, and the logarithm of their sum before dropout.
#[inline(always)]
pub(super) fn softmax<V: Vector>(
    scores: &mut [f32],
    scale: f32,
    attended: Range<usize>,
    query: Query,
    dropout: Option<&Dropout>,
) -> (f32, f32) {
    let within = within(scores, attended);
    let most = scale * max(within);
    let mut sums = [0.0; LANES];
    let (whole, rest) = within.as_chunks_mut::<LANES>();
    for scores in whole {
        for lane in 0..LANES {
            scores[lane] = exp::<V>(madd::<V>(scores[lane], scale, -most));
            sums[lane] += scores[lane];
        }
    }
    for (score, sum) in rest.iter_mut().zip(&mut sums) {
        *score = exp::<V>(madd::<V>(*score, scale, -most));
        *sum += *score;
    }
    let total = add_up(sums);
    let mut factor = 1.0 / total;
    if let Some(dropout) = dropout {
        for_each_part(scores, query, |part, weights| dropout.apply(part, 1.0, weights));
        factor *= dropout.scale();
    }
    (factor, most + total.ln())
}

/// Replaces scores by weights as values are summed with them, and the gradients of these by those of scaled scores: with weights p = e^(s − l)
/// of the scaled scores s and `logsumexp` l, factors m of dropout, and g the gradients of m·p, ds = p·(m·g − Σ m·p·g).
#[inline(always)]
pub(super) fn softmax_backward<V: Vector>(
    scores: &mut [f32],
    gradients: &mut [f32],
    scale: f32,
    attended: Range<usize>,
    logsumexp: f32,
    query: Query,
    dropout: Option<&Dropout>,
) {
    let weights = within(scores, attended.clone());
    for (weight, gradient) in weights.iter_mut().zip(within(gradients, attended.clone())) {
        *weight = exp::<V>(madd::<V>(*weight, scale, -logsumexp));
        *gradient *= *weight;
    }
    if let Some(dropout) = dropout {
        // Until they are needed no more, the sign says which weights are dropped.
        for_each_part(scores, query, |part, weights| {
            let start = part[0] as usize * DRAWN - query.first_key;
            let factors = dropout.factors(part, dropout.scale());
            let gradients = &mut gradients[start..start + weights.len()];
            for ((weight, gradient), factor) in weights.iter_mut().zip(gradients).zip(factors) {
                *gradient *= factor;
                *weight = if factor == 0.0 { -*weight } else { *weight };
            }
        });
    }
    let (weights, gradients) = (&mut scores[attended.clone()], &mut gradients[attended]);
    let common = sum(gradients, gradients, |gradient, _| gradient);
    for (gradient, weight) in gradients.iter_mut().zip(&*weights) {
        *gradient -= weight.abs() * common;
    }
    if let Some(dropout) = dropout {
        for weight in weights {
            *weight = if *weight < 0.0 { 0.0 } else { *weight * dropout.scale() };
        }
    }
}

/// The elements of a row that are attended to. The others become zero.
#[inline(always)]
fn within(row: &mut [f32], attended: Range<usize>) -> &mut [f32] {
    row[..attended.start].fill(0.0);
    row[attended.end..].fill(0.0);
    &mut row[attended]
}

/// Calls `change` with each part of a row whose factors are drawn at once, and with its indices.
#[inline(always)]
fn for_each_part(row: &mut [f32], query: Query, mut change: impl FnMut([u32; 3], &mut [f32])) {
    for (part, values) in (query.first_key / DRAWN..).zip(row.chunks_mut(DRAWN)) {
        change([part as u32, query.token, query.head], values);
    }
}
