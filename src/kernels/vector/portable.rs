//! Arrays that the compiler turns into the vector registers of the target.

use super::{Vector, madd};

const LANES: usize = 8;

/// 8 numbers.
#[derive(Clone, Copy)]
pub struct Lanes([f32; LANES]);

impl Vector for Lanes {
    const LANES: usize = LANES;
    // As many registers of four numbers as 32 or 16 hold.
    const REGISTERS: usize = if cfg!(target_arch = "aarch64") { 16 } else { 8 };
    const FUSED: bool = cfg!(target_arch = "aarch64");

    #[inline(always)]
    unsafe fn zero() -> Lanes {
        Lanes([0.0; LANES])
    }

    #[inline(always)]
    unsafe fn splat(number: f32) -> Lanes {
        Lanes([number; LANES])
    }

    #[inline(always)]
    unsafe fn load(from: *const f32) -> Lanes {
        // SAFETY: the caller's numbers.
        Lanes(unsafe { from.cast::<[f32; LANES]>().read_unaligned() })
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        // SAFETY: the caller's numbers.
        unsafe { to.cast::<[f32; LANES]>().write_unaligned(self.0) };
    }

    #[inline(always)]
    unsafe fn add(self, other: Lanes) -> Lanes {
        let mut sum = self.0;
        sum.iter_mut().zip(other.0).for_each(|(sum, other)| *sum += other);
        Lanes(sum)
    }

    #[inline(always)]
    unsafe fn add_product(self, a: Lanes, b: Lanes) -> Lanes {
        let mut sum = self.0;
        for (sum, (a, b)) in sum.iter_mut().zip(a.0.into_iter().zip(b.0)) {
            *sum = madd::<Lanes>(a, b, *sum);
        }
        Lanes(sum)
    }

    #[inline(always)]
    unsafe fn sums(of: [Lanes; 4]) -> [f32; 4] {
        of.map(|Lanes([a, b, c, d, e, f, g, h])| ((a + e) + (c + g)) + ((b + f) + (d + h)))
    }

    #[inline(always)]
    unsafe fn transpose(from: *const f32, width: usize, to: *mut f32, to_width: usize) {
        for column in 0..LANES {
            for row in 0..LANES {
                // SAFETY: within the caller's squares.
                unsafe { *to.add(column * to_width + row) = *from.add(row * width + column) };
            }
        }
    }
}
