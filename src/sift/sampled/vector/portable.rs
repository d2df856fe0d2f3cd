//! Arrays that the compiler turns into the vector registers of the target.

use super::{Column, Vector};

const LANES: usize = 8;

#[derive(Clone, Copy)]
pub(super) struct Lanes([f32; LANES]);

impl Vector for Lanes {
    const LANES: usize = LANES;

    #[inline(always)]
    unsafe fn zero() -> Lanes {
        Lanes([0.0; LANES])
    }

    #[inline(always)]
    unsafe fn load(from: *const f32) -> Lanes {
        // SAFETY: the caller's numbers.
        Lanes(unsafe { from.cast::<[f32; LANES]>().read_unaligned() })
    }

    #[inline(always)]
    unsafe fn add_product(self, a: Lanes, b: Lanes) -> Lanes {
        let mut sum = self.0;
        for (sum, (a, b)) in sum.iter_mut().zip(a.0.into_iter().zip(b.0)) {
            // Without such an instruction, a fused product is a function call.
            *sum = if cfg!(target_arch = "aarch64") { a.mul_add(b, *sum) } else { a * b + *sum };
        }
        Lanes(sum)
    }

    #[inline(always)]
    unsafe fn sums(of: [Lanes; 4]) -> [f32; 4] {
        of.map(|Lanes([a, b, c, d, e, f, g, h])| ((a + e) + (c + g)) + ((b + f) + (d + h)))
    }

    #[inline(always)]
    unsafe fn transpose(from: *const f32, width: usize, to: *mut Column, token: usize) {
        for column in 0..LANES {
            for row in 0..LANES {
                // SAFETY: within the caller's square, and within as many columns.
                unsafe { (*to.add(column)).0[token + row] = *from.add(row * width + column) };
            }
        }
    }
}
