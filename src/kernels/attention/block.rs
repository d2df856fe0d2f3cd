//! What the passes have in common: an example and a head of keys, cut into blocks of queries.

use std::ops::Range;

use super::super::dropout::DRAWN;
use super::super::product::WIDTH;
use super::rows::Rows;
use super::softmax::Query;
use super::{Attention, Mask};

/// Rows of scores of a block, and the scores that they have at most: 512 KiB of them.
const ROWS: usize = 48;
const SCORES: usize = 128 << 10;

/// An example, a head of keys, and the heads of queries that share it.
#[derive(Clone)]
pub(super) struct Task<'a> {
    pub attention: &'a Attention,
    pub tokens: Range<usize>,
    pub kv_head: usize,
}

/// Queries of a task, of all its heads: row r of scores is that of head r / queries and of query r % queries.
pub(super) struct Block {
    pub queries: Range<usize>,
    /// Keys that one of them attends to, and perhaps some before.
    pub keys: Range<usize>,
}

impl Attention {
    /// All tasks, in the order of their tokens.
    pub(super) fn tasks(&self) -> Vec<Task<'_>> {
        let of_example = |tokens: &Range<usize>| {
            let tokens = tokens.clone();
            (0..self.kv_heads).map(move |kv_head| Task { attention: self, tokens: tokens.clone(), kv_head })
        };
        self.examples.iter().flat_map(of_example).collect()
    }

    /// The width of a head's rows in buffers.
    pub(super) fn width(&self) -> usize {
        self.head_dim.next_multiple_of(WIDTH)
    }
}

impl<'a> Task<'a> {
    /// Heads of queries.
    pub fn group(&self) -> usize {
        self.attention.heads / self.attention.kv_heads
    }

    /// The factor of scores.
    pub fn scale(&self) -> f32 {
        1.0 / (self.attention.head_dim as f32).sqrt()
    }

    pub fn length(&self) -> usize {
        self.tokens.len()
    }

    /// Elements from one row of scores to the next: not a multiple of a large power of two, whose rows would share a few sets of the cache.
    pub fn stride(&self) -> usize {
        self.length().div_ceil(WIDTH) / 2 * 2 * WIDTH + WIDTH
    }

    /// Rows of scores of the largest block.
    pub fn rows(&self) -> usize {
        let rows = ROWS.min(SCORES / self.stride()).max(8);
        self.group() * (rows / self.group()).clamp(1, self.length())
    }

    /// The task's part of `logsumexp`, block by block.
    pub fn logsumexp(&self) -> Range<usize> {
        let start = self.tokens.start * self.attention.heads + self.kv_head * self.group() * self.length();
        start..start + self.group() * self.length()
    }

    pub fn blocks(&self) -> impl Iterator<Item = Block> + use<'a> {
        let (length, mask) = (self.length(), self.attention.mask);
        let count = length.div_ceil(self.rows() / self.group());
        (0..count).map(move |number| {
            let queries = length * number / count..length * (number + 1) / count;
            let keys = match mask {
                Mask::Full => 0..length,
                Mask::Causal => 0..queries.end,
                Mask::Window(tokens) => (queries.start + 1).saturating_sub(tokens) / DRAWN * DRAWN..queries.end,
            };
            Block { queries, keys }
        })
    }

    /// A row's query, and the keys that it attends to, as columns of the block's scores.
    pub fn query(&self, block: &Block, row: usize) -> (Query, Range<usize>) {
        let (head, query) = (row / block.queries.len(), block.queries.start + row % block.queries.len());
        let keys = match self.attention.mask {
            Mask::Full => block.keys.clone(),
            Mask::Causal => 0..query + 1,
            Mask::Window(tokens) => (query + 1).saturating_sub(tokens)..query + 1,
        };
        let first_key = block.keys.start;
        let head = (self.kv_head * self.group() + head) as u32;
        (
            Query { token: self.attention.first_token + (self.tokens.start + query) as u32, head, first_key },
            keys.start - first_key..keys.end - first_key,
        )
    }

    /// The queries of a block, head by head.
    pub fn queries(&self, block: &Block) -> impl Iterator<Item = Rows> + use<'a> {
        let (heads, dim, count) = (self.attention.heads, self.attention.head_dim, block.queries.len());
        let token = self.tokens.start + block.queries.start;
        let first = self.kv_head * self.group();
        let rows = move |head: usize| Rows { offset: (token * heads + head) * dim, stride: heads * dim, count, dim };
        (first..first + self.group()).map(rows)
    }

    /// The keys, or the values.
    pub fn keys(&self) -> Rows {
        let Attention { kv_heads, head_dim: dim, .. } = *self.attention;
        let offset = (self.tokens.start * kv_heads + self.kv_head) * dim;
        Rows { offset, stride: kv_heads * dim, count: self.length(), dim }
    }
}
