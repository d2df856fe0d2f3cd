//! Packing: several short examples share a row, so that less is padding. Attention keeps them apart by their starts.

use crate::data::Sequence;

/// Packs examples into rows of at most `max_length` tokens by best-fit decreasing: the longest first, each into the
/// fullest row with room for it. The result depends on the lengths and the order of the examples alone.
pub fn pack(sequences: Vec<Sequence>, max_length: usize) -> Vec<Sequence> {
    let mut order: Vec<usize> = (0..sequences.len()).collect();
    order.sort_by_key(|&number| std::cmp::Reverse(sequences[number].ids.len()));
    let mut rows: Vec<Vec<usize>> = Vec::new();
    // Row numbers by the room left in them.
    let mut by_room: Vec<Vec<usize>> = vec![Vec::new(); max_length + 1];
    for number in order {
        let length = sequences[number].ids.len();
        let room = (length..=max_length).find(|&room| !by_room[room].is_empty());
        let (row, room) = match room.and_then(|room| Some((by_room[room].pop()?, room))) {
            Some(found) => found,
            None => {
                rows.push(Vec::new());
                (rows.len() - 1, max_length.max(length))
            }
        };
        rows[row].push(number);
        by_room[room - length].push(row);
    }
    rows.into_iter().map(|row| join(row.into_iter().map(|number| &sequences[number]))).collect()
}

fn join<'a>(examples: impl Iterator<Item = &'a Sequence>) -> Sequence {
    let mut row = Sequence { ids: Vec::new(), loss_mask: Vec::new(), starts: Vec::new() };
    for example in examples {
        row.starts.extend(example.starts.iter().map(|start| start + row.ids.len()));
        row.ids.extend(&example.ids);
        row.loss_mask.extend(&example.loss_mask);
    }
    row
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn every_example_is_in_one_row_and_rows_are_full(
            lengths in prop::collection::vec(2_usize..40, 1..120), max_length in 40_usize..100,
        ) {
            let examples: Vec<Sequence> = lengths.iter().enumerate().map(|(number, &length)| Sequence {
                ids: vec![number as u32; length],
                loss_mask: (0..length).map(|index| index > 0).collect(),
                starts: vec![0],
            }).collect();
            let rows = pack(examples.clone(), max_length);
            let mut seen = Vec::new();
            for row in &rows {
                prop_assert!(row.ids.len() <= max_length);
                let ends = row.starts[1..].iter().copied().chain([row.ids.len()]);
                for (&start, end) in row.starts.iter().zip(ends) {
                    let number = row.ids[start] as usize;
                    prop_assert_eq!(&row.ids[start..end], &examples[number].ids[..]);
                    prop_assert_eq!(&row.loss_mask[start..end], &examples[number].loss_mask[..]);
                    seen.push(number);
                }
            }
            seen.sort_unstable();
            prop_assert_eq!(seen, (0..lengths.len()).collect::<Vec<_>>());
            // No two rows fit into one.
            let fullness: Vec<usize> = rows.iter().map(|row| row.ids.len()).collect();
            let halves = fullness.iter().filter(|&&length| length * 2 <= max_length).count();
            prop_assert!(halves <= 1, "{:?}", fullness);
        }
    }
}
