//! Between operands in memory by token and a thread's buffers.

use std::ops::Range;

use super::super::vector::Vector;

/// Rows of `dim` elements of an operand, from `offset` on, each `stride` elements after the one before.
#[derive(Clone, Copy)]
pub(super) struct Rows {
    pub offset: usize,
    pub stride: usize,
    pub count: usize,
    pub dim: usize,
}

impl Rows {
    /// Copies the rows to rows of `width`, with zeros behind.
    #[inline(always)]
    pub fn gather(self, from: &[f32], out: &mut [f32], width: usize) {
        let rows = from[self.offset..].chunks(self.stride);
        for (row, out) in rows.zip(out.chunks_exact_mut(width)).take(self.count) {
            let (out, rest) = out.split_at_mut(self.dim);
            out.copy_from_slice(&row[..self.dim]);
            rest.fill(0.0);
        }
    }

    /// Copies rows of `width` to these, each times what `factor` says of it.
    ///
    /// # Safety
    /// `out` is as [`Shared::slice`] wants it at these rows.
    #[inline(always)]
    pub unsafe fn scatter(self, rows: &[f32], width: usize, factor: impl Fn(usize) -> f32, out: Shared) {
        for (row, values) in rows.chunks_exact(width).take(self.count).enumerate() {
            let start = self.offset + row * self.stride;
            // SAFETY: as the caller's.
            let out = unsafe { out.slice(start..start + self.dim) };
            let factor = factor(row);
            for (out, &value) in out.iter_mut().zip(values) {
                *out = value * factor;
            }
        }
    }

    /// Copies the rows to columns: to `dim` rows, each `out_stride` elements after the one before.
    ///
    /// # Safety
    /// The processor has the vector's instructions.
    #[inline(always)]
    pub unsafe fn transpose<V: Vector>(self, from: &[f32], out: &mut [f32], out_stride: usize) {
        let Rows { offset, stride, count, dim } = self;
        let from = &from[offset..];
        assert!((count - 1) * stride + dim <= from.len() && (dim - 1) * out_stride + count <= out.len());
        let (whole, whole_dim) = (count / V::LANES * V::LANES, dim / V::LANES * V::LANES);
        for row in (0..whole).step_by(V::LANES) {
            for column in (0..whole_dim).step_by(V::LANES) {
                // SAFETY: the square is within both, and the caller has the instructions.
                unsafe {
                    let to = out.as_mut_ptr().add(column * out_stride + row);
                    V::transpose(from.as_ptr().add(row * stride + column), stride, to, out_stride);
                }
            }
        }
        for column in 0..dim {
            for row in if column < whole_dim { whole } else { 0 }..count {
                out[column * out_stride + row] = from[row * stride + column];
            }
        }
    }
}

/// Elements that several threads write, each some of its own.
#[derive(Clone, Copy)]
pub(super) struct Shared {
    start: *mut f32,
    len: usize,
}

// SAFETY: it is a pointer to elements, which may be written from any thread.
unsafe impl Send for Shared {}
// SAFETY: as above; that no two threads write the same is promised to `slice`.
unsafe impl Sync for Shared {}

impl Shared {
    pub fn new(elements: &mut [f32]) -> Shared {
        Shared { start: elements.as_mut_ptr(), len: elements.len() }
    }

    /// The elements of a range.
    ///
    /// # Safety
    /// The elements that `self` was made of are still borrowed, and nothing else reads or writes these meanwhile.
    pub unsafe fn slice<'b>(self, range: Range<usize>) -> &'b mut [f32] {
        assert!(range.start <= range.end && range.end <= self.len);
        // SAFETY: within the elements, which the caller has for itself.
        unsafe { std::slice::from_raw_parts_mut(self.start.add(range.start), range.len()) }
    }
}

/// A thread's buffers, kept from one call to the next.
#[derive(Default)]
pub(super) struct Buffer(Vec<f32>);

impl Buffer {
    /// So many elements, of any value.
    pub fn slice(&mut self, count: usize) -> &mut [f32] {
        if self.0.len() < count {
            self.0.resize(count, 0.0);
        }
        &mut self.0[..count]
    }
}
