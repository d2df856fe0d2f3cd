//! The selection: which components of a target are trained, by score or at random.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use tch::{Kind, Tensor};

/// The `k` components with the largest |score|, as ascending flat row-major indices, int64 `[k]`.
///
/// Ties go to the lower index, so that a run repeats on every device. `score` has the target's shape and any float dtype; it
/// must be finite, since NaN cannot be ordered.
pub fn largest(score: &Tensor, k: i64) -> Tensor {
    let magnitude = score.abs().flatten(0, -1);
    let threshold = magnitude.topk(k, 0, true, false).0.min();
    let above = magnitude.gt_tensor(&threshold);
    // `topk` breaks ties in any order. So count how many of those at the threshold there is room for.
    let room = above.sum(Kind::Int64).neg() + k;
    let equal = magnitude.eq_tensor(&threshold);
    let taken = equal.logical_and(&equal.cumsum(0, Kind::Int64).le_tensor(&room));
    above.logical_or(&taken).nonzero().flatten(0, -1)
}

/// `k` of `components` indices, drawn without replacement, ascending: int64 `[k]` on the CPU.
pub fn random(components: i64, k: i64, seed: u64) -> Tensor {
    let mut generator = ChaCha8Rng::seed_from_u64(seed);
    let drawn = rand::seq::index::sample(&mut generator, components as usize, k as usize);
    let mut indices: Vec<i64> = drawn.into_iter().map(|index| index as i64).collect();
    indices.sort_unstable();
    Tensor::from_slice(&indices)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::{on_test_device, test_device};
    use proptest::prelude::*;

    fn indices(tensor: &Tensor) -> Vec<i64> {
        Vec::try_from(tensor).unwrap()
    }

    #[test]
    fn ties_go_to_the_lower_index() {
        let score = on_test_device(Tensor::from_slice(&[1f32, -2.0, 2.0, 0.5, 2.0, -2.0]).reshape([2, 3]));
        assert_eq!(indices(&largest(&score, 1)), [1]);
        assert_eq!(indices(&largest(&score, 3)), [1, 2, 4]);
        assert_eq!(indices(&largest(&score, 5)), [0, 1, 2, 4, 5]);
        assert_eq!(indices(&largest(&Tensor::zeros([4], (Kind::Float, test_device())), 2)), [0, 1]);
    }

    proptest! {
        // Few distinct values, so that ties abound.
        #[test]
        fn the_largest_are_the_first_of_a_stable_sort(
            values in prop::collection::vec(-4i8..5, 1..200),
            share in 0.0f64..=1.0,
        ) {
            let values: Vec<f32> = values.into_iter().map(f32::from).collect();
            let k = ((values.len() as f64 * share) as usize).clamp(1, values.len());
            let mut expected: Vec<i64> = (0..values.len() as i64).collect();
            expected.sort_by(|&a, &b| values[b as usize].abs().total_cmp(&values[a as usize].abs()));
            expected.truncate(k);
            expected.sort_unstable();
            prop_assert_eq!(indices(&largest(&on_test_device(Tensor::from_slice(&values)), k as i64)), expected);
        }

        #[test]
        fn random_indices_are_distinct_ascending_and_repeat(components in 1i64..500, share in 0.0f64..=1.0, seed: u64) {
            let k = super::super::budget(components, share);
            let drawn = indices(&random(components, k, seed));
            prop_assert_eq!(drawn.len() as i64, k);
            prop_assert!(drawn.is_sorted_by(|a, b| a < b));
            prop_assert!(drawn.iter().all(|&index| (0..components).contains(&index)));
            prop_assert_eq!(drawn, indices(&random(components, k, seed)));
        }
    }
}
