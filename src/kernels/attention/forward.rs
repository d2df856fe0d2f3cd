//! The forward pass.

use std::cell::RefCell;

use rayon::prelude::*;

use super::super::instructions::{InstructionSet, Kernel};
use super::super::product::{Left, Right, WIDTH, multiply};
use super::super::vector::Vector;
use super::block::Task;
use super::rows::{Buffer, Shared};
use super::softmax::softmax;
use super::{Attention, Operands};

thread_local! {
    static BUFFERS: RefCell<Buffers> = RefCell::default();
}

#[derive(Default)]
struct Buffers {
    keys: Buffer,
    values: Buffer,
    queries: Buffer,
    scores: Buffer,
    sums: Buffer,
    factors: Buffer,
}

pub(super) fn run(
    attention: &Attention,
    instructions: InstructionSet,
    operands: &Operands<&[f32]>,
    out: &mut [f32],
    logsumexp: &mut [f32],
) {
    let (out, logsumexp) = (Shared::new(out), Shared::new(logsumexp));
    attention.tasks().into_par_iter().with_max_len(1).for_each(|task| {
        BUFFERS.with_borrow_mut(|buffers| instructions.run(Forward { task, operands, out, logsumexp, buffers }));
    });
}

struct Forward<'a> {
    task: Task<'a>,
    operands: &'a Operands<&'a [f32]>,
    out: Shared,
    logsumexp: Shared,
    buffers: &'a mut Buffers,
}

impl Kernel for Forward<'_> {
    #[inline(always)]
    unsafe fn run<V: Vector>(self) {
        let Forward { task, operands, out, logsumexp, buffers } = self;
        let (dim, width) = (task.attention.head_dim, task.attention.width());
        let (length, stride, most) = (task.length(), task.stride(), task.rows());
        let dropout = task.attention.dropout.as_ref();
        let keys = buffers.keys.slice(dim * stride);
        let values = buffers.values.slice(length * width);
        let queries = buffers.queries.slice(most * dim);
        let scores = buffers.scores.slice(most * stride);
        let sums = buffers.sums.slice(most * width);
        let factors = buffers.factors.slice(most);
        // SAFETY: a task has its part for itself.
        let mut logsumexp = unsafe { logsumexp.slice(task.logsumexp()) }.iter_mut();
        // SAFETY: as the caller's.
        unsafe { task.keys().transpose::<V>(operands.key, keys, stride) };
        task.keys().gather(operands.value, values, width);
        for block in task.blocks() {
            let (rows, first, count) = (task.group() * block.queries.len(), block.keys.start, block.keys.len());
            for (head, of_head) in task.queries(&block).enumerate() {
                // SAFETY: as the caller's.
                unsafe { of_head.transpose::<V>(operands.query, &mut queries[head * of_head.count..], rows) };
            }
            let sizes = [rows, dim, count.next_multiple_of(WIDTH)];
            let right = Right { values: &keys[first..], stride };
            // SAFETY: as the caller's.
            unsafe { multiply::<V, false>(sizes, Left::Columns(queries, rows), right, scores, stride) };
            let rows_of_scores = scores.chunks_exact_mut(stride).zip(&mut *factors).zip(&mut logsumexp).take(rows);
            for (row, ((scores, factor), logsumexp)) in rows_of_scores.enumerate() {
                let (query, attended) = task.query(&block, row);
                (*factor, *logsumexp) = softmax::<V>(&mut scores[..count], task.scale(), attended, query, dropout);
            }
            let right = Right { values: &values[first * width..], stride: width };
            // SAFETY: as the caller's.
            unsafe { multiply::<V, false>([rows, count, width], Left::Rows(scores, stride), right, sums, width) };
            for (head, of_head) in task.queries(&block).enumerate() {
                let first = head * of_head.count;
                // SAFETY: a task has its queries for itself.
                unsafe { of_head.scatter(&sums[first * width..], width, |row| factors[first + row], out) };
            }
        }
    }
}
