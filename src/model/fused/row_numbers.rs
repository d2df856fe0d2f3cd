//! The numbers of a batch's tokens and rows, which dropout depends on: those of the whole batch, where a process computes a part of it.

use std::cell::RefCell;
use std::marker::PhantomData;
use std::sync::Arc;

use tch::Tensor;

/// The numbers of the rows of a tensor: one after the other from the first, or each its own.
#[derive(Clone, Default)]
pub struct RowNumbers {
    first: u64,
    each: Option<Arc<[u64]>>,
}

/// Numbers the tokens and rows of this thread until it is dropped.
pub struct Numbered(PhantomData<*const ()>);

thread_local! {
    /// Of tokens, and of rows of the batch.
    static NUMBERS: RefCell<[RowNumbers; 2]> = RefCell::default();
}

impl RowNumbers {
    /// For a part of a batch: the number of its first token, and of each of its rows. The generators of random numbers are this thread's
    /// in the same way.
    pub fn set(first_token: u64, rows: impl IntoIterator<Item = u64>) -> Numbered {
        let tokens = RowNumbers { first: first_token, each: None };
        let rows = RowNumbers { first: 0, each: Some(rows.into_iter().collect()) };
        NUMBERS.set([tokens, rows]);
        Numbered(PhantomData)
    }

    /// Of hidden states `[.., hidden]` by token, or `[rows, hidden]` by row.
    pub(super) fn of(x: &Tensor) -> RowNumbers {
        NUMBERS.with_borrow(|[tokens, rows]| if x.dim() == 2 { rows.clone() } else { tokens.clone() })
    }

    pub(super) fn first_token() -> u64 {
        NUMBERS.with_borrow(|[tokens, _]| tokens.first)
    }

    pub(super) fn number(&self, row: usize) -> u64 {
        self.each.as_ref().and_then(|each| each.get(row).copied()).unwrap_or(self.first + row as u64)
    }
}

impl Drop for Numbered {
    fn drop(&mut self) {
        NUMBERS.take();
    }
}
