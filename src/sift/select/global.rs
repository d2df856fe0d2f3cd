//! One budget over all targets: the sets with the largest scores, whichever target they are of.
//!
//! Targets come one at a time, in any order, and each is seen once. Of those seen, the best sets are held as candidates: at most
//! twice the budget, and then cut back to it, so that memory does not grow with the model. A cut is exact: two histograms of
//! the scores' bit patterns, which are in the order of the scores, find the score at which the budget is used up. The result
//! is the beginning of the list of all sets by score, ties by target and then by set, up to the first one that the budget has no
//! room for.
//!
//! Scores are compared as they are, as a global top-k does in the literature (FISH mask, Sung et al., arXiv 2111.09839; SNIP, Lee
//! et al., arXiv 1810.02340): a target whose scores are larger than those of others gets more.

use tch::{Kind, Tensor};

/// Buckets of the upper half of the bits of a number that is not negative.
const UPPER: i64 = 1 << 15;

/// Buckets of the lower half.
const LOWER: i64 = 1 << 16;

/// Chooses sets of all targets together.
pub struct GlobalBudget {
    /// Components to choose.
    budget: i64,
    /// By target.
    candidates: Vec<Option<Candidates>>,
    /// Components of all candidates.
    held: i64,
    cut: Option<Cut>,
}

/// Sets of one target that may be chosen.
pub struct Candidates {
    /// Their numbers, ascending: int64 `[n]`.
    pub(super) sets: Tensor,
    /// The bits of the score of each, which is not negative: int32 `[n]`.
    bits: Tensor,
    /// The sum of squares of the gradient on each: fp32 `[n]`.
    pub squares: Tensor,
    /// Components of a set.
    size: i64,
}

/// The first set in the order that was dropped. No later one can be chosen.
#[derive(Clone, Copy)]
struct Cut {
    bits: i64,
    target: usize,
}

impl GlobalBudget {
    /// For so many targets, and so many components of them together.
    pub fn new(targets: usize, budget: i64) -> GlobalBudget {
        GlobalBudget { budget, candidates: (0..targets).map(|_| None).collect(), held: 0, cut: None }
    }

    /// Adds the sets of a target, each of `size` components: their scores and the sums of squares of the gradient on them, fp32
    /// `[sets]` each. Scores are not negative.
    pub fn add(&mut self, target: usize, scores: &Tensor, squares: &Tensor, size: i64) {
        let bits = scores.to_kind(Kind::Float).contiguous().view_dtype(Kind::Int);
        let sets = match self.cut {
            None => Tensor::arange(bits.numel() as i64, (Kind::Int64, bits.device())),
            Some(cut) if target < cut.target => bits.ge(cut.bits).nonzero().flatten(0, -1),
            Some(cut) => bits.gt(cut.bits).nonzero().flatten(0, -1),
        };
        let (bits, squares) = (bits.index_select(0, &sets), squares.index_select(0, &sets));
        self.held += size * sets.numel() as i64;
        self.candidates[target] = Some(Candidates { sets, bits, squares, size });
        if self.held > 2 * self.budget {
            self.cut_back();
        }
    }

    /// The sets that are chosen of each target, which may be none; `None` for a target that was not added.
    pub fn finish(mut self) -> Vec<Option<Candidates>> {
        self.cut_back();
        self.candidates
    }

    /// Keeps the candidates that the budget has room for.
    fn cut_back(&mut self) {
        if self.held <= self.budget {
            return;
        }
        let (upper, before) = self.bucket(UPPER, 0, |bits| bits.bitwise_right_shift_tensor_scalar(16));
        let (lower, before) = self.bucket(LOWER, before, |bits| {
            let within = bits.bitwise_right_shift_tensor_scalar(16).eq(upper);
            bits.masked_select(&within).bitwise_and(LOWER - 1)
        });
        let bits = upper << 16 | lower;
        // Nothing that comes after the first dropped set is chosen, even if there is room for it.
        let mut room = Some(self.budget - before);
        for (target, candidates) in self.candidates.iter_mut().enumerate() {
            let Some(candidates) = candidates else { continue };
            let equal = candidates.bits.eq(bits);
            let ties = equal.sum(Kind::Int64).int64_value(&[]);
            let taken = room.map_or(0, |room| ties.min(room / candidates.size));
            room = match room {
                Some(_) if taken < ties => {
                    self.cut = Some(Cut { bits, target });
                    None
                }
                room => room.map(|room| room - taken * candidates.size),
            };
            let first = equal.logical_and(&equal.cumsum(0, Kind::Int64).le(taken));
            candidates.keep(&candidates.bits.gt(bits).logical_or(&first));
        }
        self.held = self.candidates.iter().flatten().map(|kept| kept.size * kept.sets.numel() as i64).sum();
    }

    /// Counts the components by a number of each set, from the largest number on, after `before` of them: the number at which
    /// there are more than the budget, and those before it.
    fn bucket(&self, buckets: i64, before: i64, number: impl Fn(&Tensor) -> Tensor) -> (i64, i64) {
        let mut counts = vec![0; buckets as usize];
        for Candidates { bits, size, .. } in self.candidates.iter().flatten() {
            let found = number(bits).bincount(None::<Tensor>, buckets);
            let found: Vec<i64> = Vec::try_from(found).unwrap_or_default();
            counts.iter_mut().zip(found).for_each(|(count, found)| *count += size * found);
        }
        let mut sum = before;
        for (number, count) in counts.iter().enumerate().rev() {
            if sum + count > self.budget {
                return (number as i64, sum);
            }
            sum += count;
        }
        (0, sum)
    }
}

impl Candidates {
    fn keep(&mut self, mask: &Tensor) {
        let kept = mask.nonzero().flatten(0, -1);
        let of = |tensor: &Tensor| tensor.index_select(0, &kept);
        (self.sets, self.bits, self.squares) = (of(&self.sets), of(&self.bits), of(&self.squares));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The chosen sets by target, from a list of all of them that is sorted.
    fn by_sorting(targets: &[(Vec<f32>, i64)], budget: i64) -> Vec<Vec<i64>> {
        let all = targets.iter().enumerate().flat_map(|(target, (scores, size))| {
            scores.iter().enumerate().map(move |(set, score)| (*score, target, set as i64, *size))
        });
        let mut all: Vec<_> = all.collect();
        all.sort_by(|a, b| b.0.total_cmp(&a.0).then((a.1, a.2).cmp(&(b.1, b.2))));
        let (mut chosen, mut sum) = (vec![Vec::new(); targets.len()], 0);
        for (_, target, set, size) in all {
            sum += size;
            if sum > budget {
                break;
            }
            chosen[target].push(set);
        }
        chosen.iter_mut().for_each(|sets| sets.sort_unstable());
        chosen
    }

    proptest! {
        // Few distinct scores, so that ties abound, or many.
        #[test]
        fn the_chosen_sets_are_the_first_of_a_sorted_list(
            targets in prop::collection::vec((prop::collection::vec(0u16..900, 1..40), 1i64..5), 1..9),
            distinct in prop::sample::select(vec![3u16, 900]),
            share in 0.01f64..1.1,
            order: u64,
        ) {
            let targets: Vec<(Vec<f32>, i64)> = targets
                .into_iter()
                .map(|(scores, size)| (scores.iter().map(|score| f32::from(score % distinct) * 0.37).collect(), size))
                .collect();
            let all: i64 = targets.iter().map(|(scores, size)| size * scores.len() as i64).sum();
            let budget = ((all as f64 * share) as i64).max(1);
            let mut global = GlobalBudget::new(targets.len(), budget);
            let mut arrival: Vec<usize> = (0..targets.len()).collect();
            arrival.sort_by_key(|target| (*target as u64 + 1).wrapping_mul(order | 1));
            for target in arrival {
                let (scores, size) = &targets[target];
                let scores = Tensor::from_slice(scores);
                global.add(target, &scores, &scores.square(), *size);
                prop_assert!(global.held <= 2 * budget);
            }
            let chosen = global.finish().into_iter().flatten();
            let chosen: Vec<Vec<i64>> = chosen.map(|chosen| Vec::try_from(chosen.sets).unwrap()).collect();
            prop_assert_eq!(chosen, by_sorting(&targets, budget));
        }
    }
}
