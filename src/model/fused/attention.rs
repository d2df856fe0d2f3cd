//! Attention within examples, for fp32 on a CPU.

use std::ops::Range;

use tch::{Device, Kind, Tensor, no_grad};
use tracing::trace_span;

use super::row_numbers::RowNumbers;
use super::{INSTRUCTIONS, differentiable};
use crate::device::autograd::Incoming;
use crate::kernels::slices::{as_f32, as_f32_mut, is_contiguous_f32};
use crate::kernels::{Attention, Dropout, Mask, Operands};

/// Whether [`attention`] takes these queries, keys and values: fp32 on the CPU, in memory by token, as linear layers give them.
pub fn takes_attention(operands: [&Tensor; 3]) -> bool {
    let [query, key, _] = operands;
    query.size()[2] == key.size()[2] && operands.iter().all(|operand| is_contiguous_f32(&operand.transpose(1, 2)))
}

/// Attention of queries `[rows, heads, length, head_dim]` to keys and values `[rows, key-value heads, length, head_dim]`:
/// `[rows, length, heads · head_dim]`. Tokens of all rows are numbered one after the other, and an example's follow each other. Of the
/// graph it keeps the operands and logsumexp of each query.
pub fn attention(operands: [&Tensor; 3], examples: Vec<Range<usize>>, mask: Mask, dropout: Option<Dropout>) -> Tensor {
    let by_token = operands.map(|operand| no_grad(|| operand.detach().transpose(1, 2)));
    let (rows, length, heads, head_dim) = by_token[0].size4().expect("queries have four dimensions");
    let kv_heads = by_token[1].size()[2];
    let attention = Attention {
        heads: heads as usize,
        kv_heads: kv_heads as usize,
        head_dim: head_dim as usize,
        examples,
        mask,
        dropout,
        first_token: RowNumbers::first_token() as u32,
    };
    let (output, logsumexp) = no_grad(|| {
        let mut output = Tensor::empty([rows, length, heads * head_dim], (Kind::Float, Device::Cpu));
        let mut logsumexp = Tensor::empty([rows * length * heads], (Kind::Float, Device::Cpu));
        let (out, of_queries) = (as_f32_mut(&mut output), as_f32_mut(&mut logsumexp));
        let _span = trace_span!("kernel attention").entered();
        attention.forward(*INSTRUCTIONS, &slices(&by_token), out, of_queries);
        (output, logsumexp)
    });
    differentiable(c"AttentionBackward", operands, output, move |Incoming { gradient, .. }| {
        let gradient = gradient.contiguous();
        let mut found = by_token.each_ref().map(Tensor::empty_like);
        let [query, key, value] = found.each_mut().map(as_f32_mut);
        let mut out = Operands { query, key, value };
        let span = trace_span!("kernel attention backward").entered();
        attention.backward(*INSTRUCTIONS, &slices(&by_token), as_f32(&logsumexp), as_f32(&gradient), &mut out);
        drop(span);
        found.map(|gradient| gradient.transpose(1, 2))
    })
}

fn slices([query, key, value]: &[Tensor; 3]) -> Operands<&[f32]> {
    Operands { query: as_f32(query), key: as_f32(key), value: as_f32(value) }
}
