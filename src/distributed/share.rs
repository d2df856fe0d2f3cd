//! The rows of a batch that are a rank's.
//!
//! Rows are taken from the shortest to the longest, as the network computes them without their padding, and cut where the ranks have about
//! as many tokens each. So what a rank computes is a part of what a single process would, in the same order.

/// The rows of a batch that are a rank's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Share {
    /// Rows, in the order of the batch.
    pub rows: Vec<usize>,
    /// Whether they count: a rank without rows computes one that does not, so that all ranks do the same.
    pub counts: bool,
    /// Tokens of the ranks before.
    pub tokens_before: u64,
}

/// Shares rows of these numbers of tokens among so many ranks.
pub fn shares(tokens: &[u64], ranks: usize) -> Vec<Share> {
    let mut order: Vec<usize> = (0..tokens.len()).collect();
    order.sort_by_key(|&row| tokens[row]);
    let total: u64 = tokens.iter().sum();
    let mut shares = Vec::with_capacity(ranks);
    let (mut next, mut before) = (0, 0);
    for rank in 0..ranks {
        // As many ranks are to come as there are rows left, at least, so that none is left out while there are.
        let others = ranks - rank - 1;
        let most = order.len() - next.min(order.len());
        let end = (total * (rank as u64 + 1)).div_ceil(ranks as u64);
        let mut count = 0;
        let mut taken = 0;
        while count < most.saturating_sub(others).max(usize::from(most > 0)) {
            let row = tokens[order[next + count]];
            // A row belongs to the rank that has the larger part of it.
            if count > 0 && others > 0 && before + taken + row / 2 >= end {
                break;
            }
            taken += row;
            count += 1;
        }
        let mut rows = order[next..next + count].to_vec();
        rows.sort_unstable();
        let counts = !rows.is_empty();
        if !counts {
            rows.extend(order.first());
        }
        shares.push(Share { rows, counts, tokens_before: before });
        next += count;
        before += taken;
    }
    shares
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn ranks_have_about_as_many_tokens_each() {
        let tokens = [10, 30, 20, 20, 10, 30];
        let of = |ranks| shares(&tokens, ranks).into_iter().map(|share| share.rows).collect::<Vec<_>>();
        assert_eq!(of(1), [vec![0, 1, 2, 3, 4, 5]]);
        assert_eq!(of(2), [vec![0, 2, 3, 4], vec![1, 5]]);
        assert_eq!(of(3), [vec![0, 2, 4], vec![1, 3], vec![5]]);
        let few = shares(&[7, 3], 4);
        assert_eq!(few.iter().map(|share| share.counts).collect::<Vec<_>>(), [true, true, false, false]);
        assert_eq!(few[3].rows, [1]);
    }

    proptest! {
        #[test]
        fn every_row_is_one_ranks(tokens in prop::collection::vec(1u64..600, 1..70), ranks in 1usize..9) {
            let shares = shares(&tokens, ranks);
            prop_assert_eq!(shares.len(), ranks);
            let mut rows: Vec<usize> = shares.iter().filter(|share| share.counts).flat_map(|share| share.rows.clone()).collect();
            rows.sort_unstable();
            prop_assert_eq!(rows, (0..tokens.len()).collect::<Vec<_>>());
            let counting = shares.iter().filter(|share| share.counts).count();
            prop_assert_eq!(counting, ranks.min(tokens.len()));
            let sum = |share: &Share| share.rows.iter().map(|row| tokens[*row]).sum::<u64>();
            let (mut before, mut longest) = (0, 0);
            for share in shares.iter().filter(|share| share.counts) {
                prop_assert_eq!(share.tokens_before, before);
                prop_assert!(share.rows.is_sorted() && share.rows.iter().all(|row| tokens[*row] >= longest));
                longest = share.rows.iter().map(|row| tokens[*row]).max().unwrap_or(0);
                before += sum(share);
            }
            // No rank has more than its part by more than the longest row, unless others would have none.
            if tokens.len() >= 4 * ranks {
                let (most, mean) = (shares.iter().map(sum).max().unwrap_or(0), tokens.iter().sum::<u64>() / ranks as u64);
                prop_assert!(most <= mean + 600, "{} {}", most, mean);
            }
        }
    }
}
