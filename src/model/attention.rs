//! Scaled dot-product attention, and which keys a query attends to.

use std::iter::repeat_n;
use std::ops::Range;

use tch::Tensor;

use super::fused;
use super::unpadded::Unpadded;
use crate::kernels::Mask;

/// Which keys a query attends to.
pub(super) enum AttentionMask {
    /// All of its row.
    Full,
    /// Its own and those before it.
    Causal,
    /// Its own and those before it, so many `tokens` in all, which are true in the mask: bool `[queries, keys]`.
    Window { tokens: i64, mask: Tensor },
    /// Those that are true: bool, broadcast to `[rows, heads, queries, keys]`.
    Tensor(Tensor),
    /// Those of its own example, of these groups of examples one after the other in a single row.
    Examples(Vec<ExampleGroup>),
}

/// Neighbouring examples of the same length, which are computed together.
pub(super) struct ExampleGroup {
    count: i64,
    length: i64,
    mask: AttentionMask,
}

impl AttentionMask {
    /// For the examples of a batch without padding: `within` is the mask of an example with this many tokens.
    pub fn of_examples(unpadded: &Unpadded, within: impl Fn(i64) -> AttentionMask) -> AttentionMask {
        let groups = unpadded.lengths().chunk_by(|a, b| a == b);
        let group = |lengths: &[i64]| ExampleGroup {
            count: lengths.len() as i64,
            length: lengths[0],
            mask: within(lengths[0]),
        };
        AttentionMask::Examples(groups.map(group).collect())
    }

    /// Attention of queries `[rows, heads, length, head_dim]` to keys and values `[rows, key-value heads, keys, head_dim]`:
    /// `[rows, length, heads · head_dim]`. `dropout` is a probability.
    ///
    /// In fp32 on a CPU it is [ours](fused::attention), elsewhere libtorch's.
    pub fn attend(&self, query: &Tensor, key: &Tensor, value: &Tensor, dropout: f64) -> Tensor {
        if let Some(mask) = self.within_example()
            && fused::takes_attention([query, key, value])
        {
            let examples = self.examples(query.size()[0] as usize, query.size()[2] as usize);
            return fused::attention([query, key, value], examples, mask, dropout);
        }
        let (mask, is_causal) = match self {
            AttentionMask::Full => (None, false),
            AttentionMask::Causal => (None, true),
            AttentionMask::Window { mask, .. } | AttentionMask::Tensor(mask) => (Some(mask), false),
            AttentionMask::Examples(groups) => return attend_within(groups, [query, key, value], dropout),
        };
        let grouped = query.size()[1] != key.size()[1];
        let attended = Tensor::scaled_dot_product_attention(query, key, value, mask, dropout, is_causal, None, grouped);
        attended.transpose(1, 2).flatten(2, 3)
    }

    /// Which keys of its example a query attends to; `None` where a tensor says it.
    fn within_example(&self) -> Option<Mask> {
        match self {
            AttentionMask::Full => Some(Mask::Full),
            AttentionMask::Causal => Some(Mask::Causal),
            AttentionMask::Window { tokens, .. } => Some(Mask::Window(*tokens as usize)),
            AttentionMask::Tensor(_) => None,
            // Each has the mask of its length.
            AttentionMask::Examples(groups) => {
                let masks = groups.iter().map(|group| group.mask.within_example());
                masks.reduce(|mask, other| match (mask?, other?) {
                    (window @ Mask::Window(_), _) | (_, window) => Some(window),
                })?
            }
        }
    }

    /// The tokens of each example.
    fn examples(&self, rows: usize, length: usize) -> Vec<Range<usize>> {
        let AttentionMask::Examples(groups) = self else {
            return (0..rows).map(|row| row * length..(row + 1) * length).collect();
        };
        let lengths = groups.iter().flat_map(|group| repeat_n(group.length as usize, group.count as usize));
        lengths
            .scan(0, |end, length| {
                let start = *end;
                *end += length;
                Some(start..*end)
            })
            .collect()
    }
}

/// Splitting copies nothing, and its backward pass joins the gradients of all examples once.
fn attend_within(groups: &[ExampleGroup], inputs: [&Tensor; 3], dropout: f64) -> Tensor {
    let tokens: Vec<i64> = groups.iter().map(|group| group.count * group.length).collect();
    let [queries, keys, values] = inputs.map(|input| input.split_with_sizes(&tokens, 2));
    let parts = groups.iter().zip(queries.iter().zip(keys.iter().zip(&values)));
    let attended = parts.map(|(group, (query, (key, value)))| {
        // [1, heads, count · length, head_dim] to [count, heads, length, head_dim].
        let [query, key, value] = [query, key, value]
            .map(|part| part.squeeze_dim(0).unflatten(1, [group.count, group.length]).transpose(0, 1));
        group.mask.attend(&query, &key, &value, dropout).flatten(0, 1)
    });
    Tensor::cat(&attended.collect::<Vec<_>>(), 0).unsqueeze(0)
}
