//! Batches drawn for estimates: windows of examples of similar length, in which every example is equally likely.

use rand::{Rng, RngCore};

/// Examples in the order of their lengths, closed to a circle.
pub struct Windows {
    order: Vec<usize>,
    size: usize,
}

impl Windows {
    /// Of these rows, at least one; a window has `size` of them, or all if they are fewer. `lengths` are those of all examples, in
    /// tokens.
    pub fn new(mut rows: Vec<usize>, lengths: &[usize], size: usize) -> Windows {
        rows.sort_by_key(|&row| lengths[row]);
        Windows { size: size.min(rows.len()), order: rows }
    }

    /// A window that starts anywhere with equal probability. The mean of a value over its rows has the mean over all rows as its
    /// expectation.
    pub fn draw(&self, random: &mut impl RngCore) -> Vec<usize> {
        self.at(random.random_range(0..self.order.len()))
    }

    fn at(&self, start: usize) -> Vec<usize> {
        self.order.iter().cycle().skip(start).take(self.size).copied().collect()
    }

    /// All rows once, the longest first, in batches.
    pub fn all(&self) -> impl ExactSizeIterator<Item = &[usize]> {
        self.order.rchunks(self.size)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn every_row_is_in_as_many_windows(lengths in prop::collection::vec(1_usize..60, 1..90), size in 1_usize..40) {
            // Every other example takes part.
            let rows: Vec<usize> = (0..lengths.len()).step_by(2).collect();
            let windows = Windows::new(rows.clone(), &lengths, size);
            let mut counts = vec![0; lengths.len()];
            for start in 0..rows.len() {
                windows.at(start).into_iter().for_each(|row| counts[row] += 1);
            }
            let expected = size.min(rows.len());
            let even = counts.iter().step_by(2).all(|&count| count == expected);
            prop_assert!(even && counts.iter().skip(1).step_by(2).all(|&count| count == 0));
            let mut all: Vec<usize> = windows.all().flatten().copied().collect();
            all.sort_unstable();
            prop_assert_eq!(all, rows);
        }
    }
}
