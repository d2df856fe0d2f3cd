//! Scaled dot-product attention, and which keys a query attends to.

use std::iter::repeat_n;
use std::ops::Range;

use tch::{Kind, Tensor};

use super::fused;
use super::seeds::mixed;
use super::unpadded::Unpadded;
use crate::device::autograd::{Incoming, attach, gradients, is_recorded};
use crate::device::deterministic::Deterministic;
use crate::kernels::{Dropout, Mask};

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
    /// `[rows, length, heads · head_dim]`.
    ///
    /// In fp32 on a CPU it is [ours](fused::attention), elsewhere libtorch's, on a GPU in one order of summation.
    pub fn attend(&self, query: &Tensor, key: &Tensor, value: &Tensor, dropout: Option<Dropout>) -> Tensor {
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
        let dropout = fused::libtorch_dropout(dropout);
        let (heads, grouped) = (query.size()[1], query.size()[1] != key.size()[1]);
        let attend = |[query, key, value]: [&Tensor; 3], grouped: bool| {
            Tensor::scaled_dot_product_attention(query, key, value, mask, dropout, is_causal, None, grouped)
        };
        let attended = if !query.device().is_cuda() {
            attend([query, key, value], grouped)
        } else if grouped && query.size()[2] > 1 && !takes_groups(query.kind(), query.size()[3], mask.is_some()) {
            let [key, value] = [key, value].map(|operand| for_each_head(operand, heads));
            repeatable([query, &key, &value], |operands| attend(operands, false))
        } else {
            repeatable([query, key, value], |operands| attend(operands, grouped))
        };
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

/// Whether one of libtorch's fused kernels for a GPU takes keys and values that several heads of queries share: of those that can be
/// deterministic FlashAttention alone does. Otherwise all scores would be kept in memory.
pub(super) fn takes_groups(kind: Kind, head_dim: i64, masked: bool) -> bool {
    kind == Kind::BFloat16 && head_dim <= 256 && !masked
}

/// Keys or values `[rows, key-value heads, keys, head_dim]` once for each head of queries that shares them.
fn for_each_head(operand: &Tensor, heads: i64) -> Tensor {
    operand.repeat_interleave_self_int(heads / operand.size()[1], 1, None::<i64>)
}

/// Attention whose gradients are the same to the bit whenever they are computed. libtorch's kernels for a GPU add them up in the order in which
/// blocks of threads arrive, and cuDNN's have no other way, unless deterministic algorithms are asked for: in the forward pass, which
/// chooses the kernels, and in the backward pass, which is a node of its own for that.
fn repeatable(operands: [&Tensor; 3], attend: impl Fn([&Tensor; 3]) -> Tensor) -> Tensor {
    let _deterministic = Deterministic::algorithms();
    if !is_recorded(&operands) {
        return attend(operands);
    }
    let leaves = operands.map(|operand| operand.detach().set_requires_grad(operand.requires_grad()));
    let recorded = attend(leaves.each_ref());
    let attended = recorded.detach();
    attach(c"RepeatableAttentionBackward", operands, &attended, move |Incoming { gradient, needed }| {
        let _deterministic = Deterministic::algorithms();
        let inputs: Vec<&Tensor> =
            leaves.iter().zip(needed).filter_map(|(leaf, needed)| needed.then_some(leaf)).collect();
        let mut found = gradients(&recorded, &gradient, &inputs).into_iter();
        needed.map(|needed| if needed { found.next().unwrap_or_default() } else { Tensor::new() })
    });
    attended
}

/// Splitting copies nothing, and its backward pass joins the gradients of all examples once.
fn attend_within(groups: &[ExampleGroup], inputs: [&Tensor; 3], dropout: Option<Dropout>) -> Tensor {
    let tokens: Vec<i64> = groups.iter().map(|group| group.count * group.length).collect();
    let [queries, keys, values] = inputs.map(|input| input.split_with_sizes(&tokens, 2));
    let parts = groups.iter().zip(queries.iter().zip(keys.iter().zip(&values)));
    let attended = parts.enumerate().map(|(number, (group, (query, (key, value))))| {
        // [1, heads, count · length, head_dim] to [count, heads, length, head_dim].
        let [query, key, value] = [query, key, value]
            .map(|part| part.squeeze_dim(0).unflatten(1, [group.count, group.length]).transpose(0, 1));
        let dropout = dropout.map(|mask| mask.reseeded(mixed(mask.seed(), number as u64)));
        group.mask.attend(&query, &key, &value, dropout).flatten(0, 1)
    });
    Tensor::cat(&attended.collect::<Vec<_>>(), 0).unsqueeze(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::{on_test_device, random_tensor};

    /// Queries `[2, 8, length, 32]`, and keys and values for 8 or 2 heads.
    fn operands(heads: i64, length: i64, kind: Kind) -> [Tensor; 3] {
        let operand = |heads, seed| on_test_device(random_tensor(&[2, heads, length, 32], seed).to_kind(kind));
        [operand(8, 1), operand(heads, 2), operand(heads, 3)].map(|operand| operand.set_requires_grad(true))
    }

    fn with_gradients(operands: &[Tensor; 3], attend: impl Fn([&Tensor; 3]) -> Tensor) -> Vec<Tensor> {
        let output = attend(operands.each_ref());
        let dy = on_test_device(random_tensor(&output.size(), 9).to_kind(output.kind()));
        let mut results = gradients(&output, &dy, &operands.each_ref());
        results.push(output.detach());
        results
    }

    #[test]
    fn a_node_of_its_own_changes_no_number() {
        for (heads, causal) in [(8, false), (8, true), (2, true)] {
            for kind in [Kind::BFloat16, Kind::Double] {
                let operands = operands(heads, 40, kind);
                let mask = on_test_device(random_tensor(&[40, 40], 5).gt(-2.0));
                let attend = |[query, key, value]: [&Tensor; 3]| {
                    let mask = (!causal).then_some(&mask);
                    Tensor::scaled_dot_product_attention(query, key, value, mask, 0.0, causal, None, heads != 8)
                };
                let expected = {
                    let _deterministic = Deterministic::algorithms();
                    with_gradients(&operands, attend)
                };
                assert_eq!(with_gradients(&operands, |operands| repeatable(operands, attend)), expected);
                // Some need no gradient, or nothing does.
                let [query, key, value] = &operands;
                let output = repeatable([&query.detach(), &key.detach(), value], attend);
                let dy = on_test_device(random_tensor(&output.size(), 9).to_kind(kind));
                assert_eq!(gradients(&output, &dy, &[value])[0], expected[2]);
                assert!(!repeatable([&query.detach(), &key.detach(), &value.detach()], attend).requires_grad());
            }
        }
    }

    #[test]
    fn groups_are_taken_apart_in_order() {
        let operands = operands(2, 9, Kind::Double);
        let attend = |[query, key, value]: [&Tensor; 3], grouped| {
            Tensor::scaled_dot_product_attention(query, key, value, None::<&Tensor>, 0.0, true, None, grouped)
        };
        let expected = with_gradients(&operands, |operands| attend(operands, true));
        let got = with_gradients(&operands, |[query, key, value]| {
            attend([query, &for_each_head(key, 8), &for_each_head(value, 8)], false)
        });
        for (got, expected) in got.iter().zip(&expected) {
            assert!((got - expected).abs().max().double_value(&[]) < 1e-12);
        }
    }

    #[test]
    fn gradients_repeat_to_the_bit() {
        // Long enough that a GPU splits keys, or queries, among blocks of threads.
        for kind in [Kind::BFloat16, Kind::Float] {
            let operands = operands(2, 700, kind);
            let window = on_test_device(Tensor::ones([700, 700], (Kind::Bool, tch::Device::Cpu)).tril(0).triu(-300));
            for mask in [AttentionMask::Causal, AttentionMask::Tensor(window)] {
                let first = with_gradients(&operands, |[query, key, value]| mask.attend(query, key, value, None));
                for _ in 0..3 {
                    assert_eq!(
                        with_gradients(&operands, |[query, key, value]| mask.attend(query, key, value, None)),
                        first
                    );
                }
            }
        }
    }
}
