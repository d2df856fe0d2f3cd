//! The largest components of each tensor, and how many of them two batches share.

/// Of each tensor, the ascending flat indices of its largest components.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TopSet(pub Vec<Vec<u32>>);

/// How far two sets agree, in percent.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Overlap {
    /// The share of a set that is in the other, which has the same size.
    pub share: f64,
    /// The Jaccard index: the intersection as a share of the union.
    pub jaccard: f64,
}

impl TopSet {
    /// The overlap with a set of the same tensors.
    pub fn overlap(&self, other: &TopSet) -> Overlap {
        let size: usize = self.0.iter().map(Vec::len).sum();
        let shared: usize = self.0.iter().zip(&other.0).map(|(a, b)| common(a, b)).sum();
        let percent = |of: usize| if of == 0 { 0.0 } else { 100.0 * shared as f64 / of as f64 };
        let others: usize = other.0.iter().map(Vec::len).sum();
        Overlap { share: percent(size), jaccard: percent(size + others - shared) }
    }
}

/// The number of values that two ascending slices share.
fn common(a: &[u32], b: &[u32]) -> usize {
    let (mut i, mut j, mut count) = (0, 0, 0);
    while let (Some(x), Some(y)) = (a.get(i), b.get(j)) {
        count += usize::from(x == y);
        i += usize::from(x <= y);
        j += usize::from(y <= x);
    }
    count
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    proptest! {
        #[test]
        fn the_overlap_is_that_of_sets(a in proptest::collection::btree_set(0..60_u32, 1..30), b in proptest::collection::btree_set(0..60_u32, 1..30)) {
            let top = |set: &BTreeSet<u32>| TopSet(vec![set.iter().copied().collect(), vec![7]]);
            let overlap = top(&a).overlap(&top(&b));
            let (shared, union) = (a.intersection(&b).count() + 1, a.union(&b).count() + 1);
            prop_assert!((overlap.share - 100.0 * shared as f64 / (a.len() + 1) as f64).abs() < 1e-9);
            prop_assert!((overlap.jaccard - 100.0 * shared as f64 / union as f64).abs() < 1e-9);
        }
    }
}
