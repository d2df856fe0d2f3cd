//! Scaled dot-product attention, and which keys a query attends to.

use tch::Tensor;

use super::unpadded::Unpadded;

/// Which keys a query attends to.
pub(super) enum AttentionMask {
    /// All of its row.
    Full,
    /// Its own and those before it.
    Causal,
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
    /// On a CPU libtorch has a fused kernel for it, except with dropout. It takes every mask that the network has.
    pub fn attend(&self, query: &Tensor, key: &Tensor, value: &Tensor, dropout: f64) -> Tensor {
        let (mask, is_causal) = match self {
            AttentionMask::Full => (None, false),
            AttentionMask::Causal => (None, true),
            AttentionMask::Tensor(mask) => (Some(mask), false),
            AttentionMask::Examples(groups) => return attend_within(groups, [query, key, value], dropout),
        };
        let grouped = query.size()[1] != key.size()[1];
        let attended = Tensor::scaled_dot_product_attention(query, key, value, mask, dropout, is_causal, None, grouped);
        attended.transpose(1, 2).flatten(2, 3)
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
