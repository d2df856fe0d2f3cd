//! Places with a distance between them, as near as possible to where they were.

/// Ascending places moved so that neighbours are at least `space` apart, with the least sum of squared displacements: isotonic
/// regression of `places[i] - i * space`, by pooling adjacent violators (Barlow et al., 1972). Each block keeps its mean.
pub(super) fn apart(places: &[f64], space: f64) -> Vec<f64> {
    /// Neighbours at exactly `space`, by the mean and number of their reduced places.
    struct Block {
        mean: f64,
        count: usize,
    }
    let mut blocks: Vec<Block> = Vec::new();
    for (index, place) in places.iter().enumerate() {
        let mut block = Block { mean: place - index as f64 * space, count: 1 };
        while let Some(before) = blocks.pop_if(|before| before.mean > block.mean) {
            let count = before.count + block.count;
            let sum = before.mean * before.count as f64 + block.mean * block.count as f64;
            block = Block { mean: sum / count as f64, count };
        }
        blocks.push(block);
    }
    let means = blocks.iter().flat_map(|block| std::iter::repeat_n(block.mean, block.count));
    means.enumerate().map(|(index, mean)| mean + index as f64 * space).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn near_places_are_spread_around_their_mean_and_others_stay() {
        assert_eq!(apart(&[0.0, 100.0, 100.0, 100.0, 400.0], 10.0), [0.0, 90.0, 100.0, 110.0, 400.0]);
        // A block that grows into its neighbour takes it in.
        let joined = apart(&[0.0, 0.0, 4.0], 10.0);
        let expected = [-26.0 / 3.0, 4.0 / 3.0, 34.0 / 3.0];
        assert!(joined.iter().zip(expected).all(|(place, expected)| (place - expected).abs() < 1e-9), "{joined:?}");
        assert_eq!(apart(&[], 10.0), [0.0; 0]);
    }

    proptest! {
        /// The places that satisfy the conditions of the least squares: distances hold, touching blocks keep their mean, and every
        /// first part of a block would have to move down, so that no split of it is nearer.
        #[test]
        fn places_are_apart_and_move_as_little_as_possible(
            mut places in prop::collection::vec(0.0..300.0_f64, 0..24), space in 0.5..20.0_f64,
        ) {
            places.sort_by(f64::total_cmp);
            let moved = apart(&places, space);
            prop_assert_eq!(moved.len(), places.len());
            prop_assert!(moved.windows(2).all(|pair| pair[1] - pair[0] >= space - 1e-9));
            let mut start = 0;
            for end in 1..=moved.len() {
                if end < moved.len() && moved[end] - moved[end - 1] < space + 1e-9 {
                    continue;
                }
                let shifts: Vec<f64> = (start..end).map(|at| moved[at] - places[at]).collect();
                prop_assert!(shifts.iter().sum::<f64>().abs() < 1e-6, "{:?}", shifts);
                let mut sum = 0.0;
                for shift in &shifts {
                    sum += shift;
                    prop_assert!(sum <= 1e-6, "{:?}", shifts);
                }
                start = end;
            }
        }
    }
}
