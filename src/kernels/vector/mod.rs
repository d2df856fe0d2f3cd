//! Vector registers, so that arithmetic is written once and compiled for each instruction set.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod portable;

pub use portable::Lanes;

/// A vector register of fp32 values. Its methods may be called only where the processor has its instructions.
pub trait Vector: Copy {
    /// Lanes of the register: a power of two, at most 16.
    const LANES: usize;

    /// Registers that a processor has.
    const REGISTERS: usize;

    /// Whether the processor multiplies and adds in one instruction.
    const FUSED: bool;

    /// # Safety
    /// The processor has the instructions.
    unsafe fn zero() -> Self;

    /// The same value in each lane.
    ///
    /// # Safety
    /// The processor has the instructions.
    unsafe fn splat(number: f32) -> Self;

    /// Loads `LANES` values.
    ///
    /// # Safety
    /// The processor has the instructions, and `from` is valid for reads of so many values.
    unsafe fn load(from: *const f32) -> Self;

    /// Stores `LANES` values.
    ///
    /// # Safety
    /// The processor has the instructions, and `to` is valid for writes of so many values.
    unsafe fn store(self, to: *mut f32);

    /// self + other, lane by lane.
    ///
    /// # Safety
    /// The processor has the instructions.
    unsafe fn add(self, other: Self) -> Self;

    /// self + a·b, lane by lane.
    ///
    /// # Safety
    /// The processor has the instructions.
    unsafe fn add_product(self, a: Self, b: Self) -> Self;

    /// The sum over the lanes of each of four registers.
    ///
    /// # Safety
    /// The processor has the instructions.
    unsafe fn sums(of: [Self; 4]) -> [f32; 4];

    /// Transposes a square of `LANES` by `LANES` values, whose rows are `width` elements apart, to rows that are `to_width` apart.
    ///
    /// # Safety
    /// The processor has the instructions; `from` and `to` are valid for these reads and writes.
    unsafe fn transpose(from: *const f32, width: usize, to: *mut f32, to_width: usize);
}

/// a·b + c, rounded once where the processor has an instruction for it. Without one that would be a call of a function.
#[inline(always)]
pub(super) fn madd<V: Vector>(a: f32, b: f32, c: f32) -> f32 {
    if V::FUSED { a.mul_add(b, c) } else { a * b + c }
}
