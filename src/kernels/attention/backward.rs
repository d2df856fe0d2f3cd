//! The backward pass.

use std::cell::RefCell;

use rayon::prelude::*;

use super::super::instructions::{InstructionSet, Kernel};
use super::super::product::{Left, Right, WIDTH, multiply};
use super::super::vector::Vector;
use super::block::Task;
use super::rows::{Buffer, Shared};
use super::softmax::softmax_backward;
use super::{Attention, Operands};

thread_local! {
    static BUFFERS: RefCell<Buffers> = RefCell::default();
}

#[derive(Default)]
struct Buffers {
    key_columns: Buffer,
    value_columns: Buffer,
    keys: Buffer,
    query_columns: Buffer,
    gradient_columns: Buffer,
    queries: Buffer,
    gradients: Buffer,
    scores: Buffer,
    of_scores: Buffer,
    of_queries: Buffer,
    of_keys: Buffer,
    of_values: Buffer,
}

pub(super) fn run(
    attention: &Attention,
    instructions: InstructionSet,
    operands: &Operands<&[f32]>,
    logsumexp: &[f32],
    gradient: &[f32],
    out: &mut Operands<&mut [f32]>,
) {
    let shared = [&mut *out.query, &mut *out.key, &mut *out.value].map(Shared::new);
    attention.tasks().into_par_iter().with_max_len(1).for_each(|task| {
        BUFFERS.with_borrow_mut(|buffers| {
            instructions.run(Backward { task, operands, logsumexp, gradient, out: shared, buffers });
        });
    });
}

struct Backward<'a> {
    task: Task<'a>,
    operands: &'a Operands<&'a [f32]>,
    logsumexp: &'a [f32],
    gradient: &'a [f32],
    /// Those of queries, keys and values.
    out: [Shared; 3],
    buffers: &'a mut Buffers,
}

impl Kernel for Backward<'_> {
    #[inline(always)]
    unsafe fn run<V: Vector>(self) {
        let Backward { task, operands, logsumexp, gradient, out, buffers } = self;
        let (dim, width) = (task.attention.head_dim, task.attention.width());
        let (length, stride, most) = (task.length(), task.stride(), task.rows());
        let dropout = task.attention.dropout.as_ref();
        let key_columns = buffers.key_columns.slice(dim * stride);
        let value_columns = buffers.value_columns.slice(dim * stride);
        let keys = buffers.keys.slice(length * width);
        let query_columns = buffers.query_columns.slice(most * dim);
        let gradient_columns = buffers.gradient_columns.slice(most * dim);
        let queries = buffers.queries.slice(most * width);
        let gradients = buffers.gradients.slice(most * width);
        let scores = buffers.scores.slice(most * stride);
        let of_scores = buffers.of_scores.slice(most * stride);
        let of_queries = buffers.of_queries.slice(most * width);
        let of_keys = buffers.of_keys.slice(length * width);
        let of_values = buffers.of_values.slice(length * width);
        let mut logsumexp = logsumexp[task.logsumexp()].iter();
        // SAFETY: as the caller's.
        unsafe {
            task.keys().transpose::<V>(operands.key, key_columns, stride);
            task.keys().transpose::<V>(operands.value, value_columns, stride);
        }
        task.keys().gather(operands.key, keys, width);
        of_keys.fill(0.0);
        of_values.fill(0.0);
        for block in task.blocks() {
            let (rows, first, count) = (task.group() * block.queries.len(), block.keys.start, block.keys.len());
            for (head, of_head) in task.queries(&block).enumerate() {
                let first = head * of_head.count;
                of_head.gather(operands.query, &mut queries[first * width..], width);
                of_head.gather(gradient, &mut gradients[first * width..], width);
                // SAFETY: as the caller's.
                unsafe {
                    of_head.transpose::<V>(operands.query, &mut query_columns[first..], rows);
                    of_head.transpose::<V>(gradient, &mut gradient_columns[first..], rows);
                }
            }
            let sizes = [rows, dim, count.next_multiple_of(WIDTH)];
            for (left, right, out) in
                [(&*query_columns, &*key_columns, &mut *scores), (&*gradient_columns, &*value_columns, &mut *of_scores)]
            {
                let right = Right { values: &right[first..], stride };
                // SAFETY: as the caller's.
                unsafe { multiply::<V, false>(sizes, Left::Columns(left, rows), right, out, stride) };
            }
            let rows_of_scores = scores.chunks_exact_mut(stride).zip(of_scores.chunks_exact_mut(stride));
            for (row, ((scores, of_scores), &logsumexp)) in rows_of_scores.zip(&mut logsumexp).take(rows).enumerate() {
                let (query, attended) = task.query(&block, row);
                let (scores, of_scores) = (&mut scores[..count], &mut of_scores[..count]);
                softmax_backward::<V>(scores, of_scores, task.scale(), attended, logsumexp, query, dropout);
            }
            let of_block = first * width..;
            for (left, right, out) in
                [(&*scores, &*gradients, &mut *of_values), (&*of_scores, &*queries, &mut *of_keys)]
            {
                let (right, out) = (Right { values: right, stride: width }, &mut out[of_block.clone()]);
                // SAFETY: as the caller's.
                unsafe { multiply::<V, true>([count, rows, width], Left::Columns(left, stride), right, out, width) };
            }
            let right = Right { values: &keys[of_block], stride: width };
            // SAFETY: as the caller's.
            unsafe {
                multiply::<V, false>([rows, count, width], Left::Rows(of_scores, stride), right, of_queries, width);
            }
            for (head, of_head) in task.queries(&block).enumerate() {
                let rows = &of_queries[head * of_head.count * width..];
                // SAFETY: a task has its queries for itself.
                unsafe { of_head.scatter(rows, width, |_| task.scale(), out[0]) };
            }
        }
        // SAFETY: and so its keys and values.
        unsafe {
            task.keys().scatter(of_keys, width, |_| task.scale(), out[1]);
            task.keys().scatter(of_values, width, |_| 1.0, out[2]);
        }
    }
}
