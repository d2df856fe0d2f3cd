//! The tokens of a padded batch, without the padding: "unpadding", as in ModernBERT (Warner et al., arXiv 2412.13663, section
//! 2.1.2) and the variable-length interface of FlashAttention.
//!
//! Hidden states are those of real tokens, `[1, tokens, hidden]`: examples of all rows one after the other. Linear layers, norms and
//! activations compute a token on its own, so they need not know. Attention stays within an example
//! ([`AttentionMask::Examples`](super::attention::AttentionMask)). A token's numbers do not depend on padding, so a network computes
//! the same in both layouts, up to rounding.

use tch::{Device, Tensor};

/// Which tokens of a batch are real.
#[derive(Debug)]
pub struct Unpadded {
    /// Rows of the batch, and tokens per row, padding included.
    shape: [i64; 2],
    /// Tokens of each example, in ascending order.
    lengths: Vec<i64>,
    /// Each token's index among the `rows · length` of the batch: int64 `[tokens]`.
    indices: Tensor,
    /// The first token of each row, among the tokens: int64 `[rows]`.
    starts: Tensor,
}

impl Unpadded {
    /// For a batch of rows of `length`, whose tokens belong to the examples `sequence_ids`, row by row
    /// ([`Inputs::sequence_ids`]); to several in a row if `packed`. A row of padding alone counts as an example of one token.
    /// `None` where padding is better computed like tokens:
    ///
    /// - on a GPU, where short steps wait for launches and not for products;
    /// - where there is none, and a row is an example;
    /// - where rows are not as [`Inputs`] describes them, tokens before padding and examples in order.
    ///
    /// [`Inputs`]: super::Inputs
    /// [`Inputs::sequence_ids`]: super::Inputs::sequence_ids
    pub fn new(sequence_ids: &[i64], length: usize, packed: bool, device: Device) -> Option<Unpadded> {
        if device != Device::Cpu || sequence_ids.is_empty() {
            return None;
        }
        let mut examples: Vec<Example> = Vec::new();
        for (row, ids) in sequence_ids.chunks(length).enumerate() {
            let (ids, padding) = ids.split_at(ids.iter().take_while(|id| **id != 0).count());
            if padding.iter().any(|id| *id != 0) || packed && !ids.is_sorted() {
                return None;
            }
            let mut first = row * length;
            let of_row = ids.chunk_by(|a, b| a == b || !packed).map(<[i64]>::len);
            for tokens in of_row.chain(ids.is_empty().then_some(1)) {
                examples.push(Example { first, tokens });
                first += tokens;
            }
        }
        let tokens: usize = examples.iter().map(|example| example.tokens).sum();
        if !packed && tokens == sequence_ids.len() {
            return None;
        }
        // Neighbours of the same length are one call of attention. The sort is stable, so that runs repeat.
        examples.sort_by_key(|example| example.tokens);
        let mut starts = vec![0; sequence_ids.len() / length];
        let mut indices = Vec::with_capacity(tokens);
        for &Example { first, tokens } in &examples {
            if first % length == 0 {
                starts[first / length] = indices.len() as i64;
            }
            indices.extend((first..first + tokens).map(|index| index as i64));
        }
        Some(Unpadded {
            shape: [starts.len() as i64, length as i64],
            lengths: examples.iter().map(|example| example.tokens as i64).collect(),
            indices: Tensor::from_slice(&indices),
            starts: Tensor::from_slice(&starts),
        })
    }

    /// Tokens of each example, in order.
    pub(super) fn lengths(&self) -> &[i64] {
        &self.lengths
    }

    /// What belongs to the tokens, `[1, tokens, …]`, of what a batch has at each position, `[rows, length, …]`, or in each row alike,
    /// `[1, length, …]`.
    pub(super) fn unpad(&self, values: &Tensor) -> Tensor {
        let shape = [&self.shape[..], &values.size()[2..]].concat();
        values.expand(shape, false).flatten(0, 1).index_select(0, &self.indices).unsqueeze(0)
    }

    /// Hidden states `[1, tokens, hidden]` as those of the batch, `[rows, length, hidden]`, with zeros at padding.
    pub(super) fn pad(&self, hidden: &Tensor) -> Tensor {
        let [rows, length] = self.shape;
        let width = hidden.size()[2];
        let padded = Tensor::zeros([rows * length, width], (hidden.kind(), hidden.device()));
        padded.index_copy(0, &self.indices, &hidden.squeeze_dim(0)).view([rows, length, width])
    }

    /// The hidden states of the first token of each row: `[rows, hidden]` of `[1, tokens, hidden]`.
    pub(super) fn first_tokens(&self, hidden: &Tensor) -> Tensor {
        hidden.squeeze_dim(0).index_select(0, &self.starts)
    }
}

/// The index of an example's first token in the batch, and its number of tokens.
struct Example {
    first: usize,
    tokens: usize,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tch::Kind;

    use super::*;

    proptest! {
        #[test]
        fn tokens_leave_the_batch_and_return_to_their_places(
            rows in prop::collection::vec(prop::collection::vec(1_usize..6, 0..4), 1..6), more in 1_usize..4,
        ) {
            let length = rows.iter().map(|examples| examples.iter().sum::<usize>()).max().unwrap_or(0) + more;
            let ids = |examples: &Vec<usize>| {
                let numbered = (1..).zip(examples).flat_map(|(number, &tokens)| std::iter::repeat_n(number, tokens));
                numbered.chain(std::iter::repeat(0)).take(length).collect::<Vec<i64>>()
            };
            let ids: Vec<i64> = rows.iter().flat_map(ids).collect();
            let unpadded = Unpadded::new(&ids, length, true, Device::Cpu).unwrap();
            let mut lengths: Vec<i64> = rows.iter().flatten().map(|&tokens| tokens as i64).collect();
            // A row of padding alone has one token.
            lengths.extend(rows.iter().filter(|examples| examples.is_empty()).map(|_| 1));
            lengths.sort_unstable();
            prop_assert_eq!(unpadded.lengths(), &lengths);

            let shape = [rows.len() as i64, length as i64];
            let values = Tensor::arange(shape[0] * shape[1], (Kind::Float, Device::Cpu)).view(shape) + 1.0;
            let tokens = unpadded.unpad(&values);
            prop_assert_eq!(tokens.size(), [1, lengths.iter().sum()]);
            let hidden = tokens.unsqueeze(-1);
            prop_assert_eq!(unpadded.first_tokens(&hidden).squeeze_dim(-1), values.select(1, 0));
            let columns = Tensor::arange(shape[1], (Kind::Float, Device::Cpu)).unsqueeze(0);
            prop_assert_eq!(unpadded.unpad(&columns), (&tokens - 1.0).remainder(shape[1]));
            let real = Tensor::from_slice(&ids).view(shape).not_equal(0);
            let _ = real.select(1, 0).fill_(1);
            prop_assert_eq!(unpadded.pad(&hidden).squeeze_dim(-1), values * real);
        }
    }

    #[test]
    fn padding_stays_on_a_gpu_and_where_rows_are_not_in_order() {
        let lengths = |ids: &[i64], packed, device| Unpadded::new(ids, 8, packed, device).map(|batch| batch.lengths);
        let half = [1, 1, 1, 1, 0, 0, 0, 0];
        assert_eq!(lengths(&half, false, Device::Cpu), Some(vec![4]));
        assert_eq!(lengths(&half, false, Device::Cuda(0)), None);
        let little = [1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0];
        assert_eq!(lengths(&little, false, Device::Cpu), Some(vec![7, 8]));
        // Without padding, what is packed needs no mask then.
        assert_eq!(lengths(&little[..8], false, Device::Cpu), None);
        assert_eq!(lengths(&little[..8], true, Device::Cpu), Some(vec![8]));
        assert_eq!(lengths(&[1, 1, 1, 2, 2, 2, 2, 2], true, Device::Cpu), Some(vec![3, 5]));
        // An attention mask may have other numbers than 1.
        assert_eq!(lengths(&[1, 2, 1, 1, 2, 0, 0, 0], false, Device::Cpu), Some(vec![5]));
        assert_eq!(lengths(&[1, 2, 1, 1, 2, 0, 0, 0], true, Device::Cpu), None);
        for out_of_order in [[0, 0, 0, 0, 1, 1, 1, 1], [1, 1, 0, 0, 0, 1, 0, 0]] {
            assert_eq!(lengths(&out_of_order, false, Device::Cpu), None);
        }
        assert!(Unpadded::new(&[], 0, false, Device::Cpu).is_none());
    }
}
