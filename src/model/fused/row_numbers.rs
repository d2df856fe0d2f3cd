//! The numbers of a batch's tokens and rows, which dropout depends on: those of the whole batch, where a process computes a part of it.

use std::cell::RefCell;
use std::marker::PhantomData;

use tch::Tensor;

use crate::kernels::slices::as_i64;

/// The numbers of the rows of a tensor: the row's of the batch · `stride` + the place among `length` in it + `first`.
pub struct RowNumbers {
    /// The number of each row of the batch, int64, on the tensor's device; without them one after the other.
    pub of_rows: Option<Tensor>,
    /// Places in a row of the batch.
    pub length: i64,
    /// What the number of a row of the batch counts.
    pub stride: i64,
    /// The number of the first.
    pub first: i64,
}

/// Numbers the tokens and rows of this thread until it is dropped.
pub struct Numbered(PhantomData<*const ()>);

/// The part of a batch that a thread computes.
#[derive(Default)]
struct Part {
    first_token: i64,
    rows: Option<Tensor>,
}

thread_local! {
    static PART: RefCell<Part> = RefCell::default();
}

/// Places that each row of a padded batch has, so that a token's number does not depend on how long the longest example of a part is.
const PLACES: i64 = 1 << 32;

impl RowNumbers {
    /// For a part of a batch: the number of its first token, and of each of its rows. The numbers are this thread's.
    pub fn set(first_token: u64, rows: impl IntoIterator<Item = u64>) -> Numbered {
        let rows: Vec<i64> = rows.into_iter().map(|row| row as i64).collect();
        PART.set(Part { first_token: first_token as i64, rows: Some(Tensor::from_slice(&rows)) });
        Numbered(PhantomData)
    }

    /// Of hidden states by row, `[rows, hidden]`, or by token: on a GPU with padding, `[rows, length, hidden]`; on a CPU without, where
    /// tokens are numbered one after the other.
    pub(super) fn of(x: &Tensor) -> RowNumbers {
        let shape = x.size();
        match shape[..] {
            [_, _] => RowNumbers { of_rows: rows_of_part(x), length: 1, stride: 1, first: 0 },
            [_, _, _] if x.device().is_cuda() => RowNumbers::padded(x),
            _ => RowNumbers { of_rows: None, length: i64::MAX, stride: 1, first: RowNumbers::first_token() },
        }
    }

    /// Of hidden states with padding, `[rows, length, hidden]`.
    pub(super) fn padded(x: &Tensor) -> RowNumbers {
        RowNumbers { of_rows: rows_of_part(x), length: x.size()[1], stride: PLACES, first: 0 }
    }

    pub(super) fn first_token() -> i64 {
        PART.with_borrow(|part| part.first_token)
    }

    /// The number of each row, of a tensor on the CPU.
    pub(super) fn on_cpu(&self) -> impl Fn(usize) -> u64 + Sync + '_ {
        let RowNumbers { length, stride, first, .. } = *self;
        let of_rows = self.of_rows.as_ref().map(as_i64);
        move |row| {
            let (row, place) = (row as i64 / length, row as i64 % length);
            (of_rows.map_or(row, |rows| rows[row as usize]) * stride + place + first) as u64
        }
    }
}

/// The numbers of the rows of the batch that a tensor has, on its device.
fn rows_of_part(x: &Tensor) -> Option<Tensor> {
    PART.with_borrow_mut(|part| {
        let rows = part.rows.as_mut().filter(|rows| rows.size()[0] == x.size()[0])?;
        // Once a part.
        *rows = rows.to_device(x.device());
        Some(rows.shallow_clone())
    })
}

impl Drop for Numbered {
    fn drop(&mut self) {
        PART.take();
    }
}
