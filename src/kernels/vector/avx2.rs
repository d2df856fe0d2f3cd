//! AVX2 and FMA: vectors of 8 numbers, in two lanes of four.

use std::arch::x86_64::*;

use super::Vector;

impl Vector for __m256 {
    const LANES: usize = 8;
    const REGISTERS: usize = 16;
    const FUSED: bool = true;

    #[inline(always)]
    unsafe fn zero() -> __m256 {
        // SAFETY: the caller has the instructions.
        unsafe { _mm256_setzero_ps() }
    }

    #[inline(always)]
    unsafe fn splat(number: f32) -> __m256 {
        // SAFETY: the caller has the instructions.
        unsafe { _mm256_set1_ps(number) }
    }

    #[inline(always)]
    unsafe fn load(from: *const f32) -> __m256 {
        // SAFETY: the caller has the instructions and the numbers.
        unsafe { _mm256_loadu_ps(from) }
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        // SAFETY: the caller has the instructions and the numbers.
        unsafe { _mm256_storeu_ps(to, self) }
    }

    #[inline(always)]
    unsafe fn add(self, other: __m256) -> __m256 {
        // SAFETY: the caller has the instructions.
        unsafe { _mm256_add_ps(self, other) }
    }

    #[inline(always)]
    unsafe fn add_product(self, a: __m256, b: __m256) -> __m256 {
        // SAFETY: the caller has the instructions.
        unsafe { _mm256_fmadd_ps(a, b, self) }
    }

    #[inline(always)]
    unsafe fn sums(of: [__m256; 4]) -> [f32; 4] {
        // SAFETY: the caller has the instructions.
        unsafe {
            let [a, b, c, d] = within_lanes(of);
            // Each lane now has a partial sum of each of the four.
            let sums = _mm256_add_ps(_mm256_add_ps(a, b), _mm256_add_ps(c, d));
            let sums = _mm_add_ps(_mm256_castps256_ps128(sums), _mm256_extractf128_ps::<1>(sums));
            std::mem::transmute::<__m128, [f32; 4]>(sums)
        }
    }

    #[inline(always)]
    unsafe fn transpose(from: *const f32, width: usize, to: *mut f32, to_width: usize) {
        // SAFETY: the caller has the instructions and both squares.
        unsafe {
            let four = |row: usize| within_lanes([0, 1, 2, 3].map(|next| __m256::load(from.add((row + next) * width))));
            for (column, (upper, lower)) in four(0).into_iter().zip(four(4)).enumerate() {
                _mm256_permute2f128_ps::<0x20>(upper, lower).store(to.add(column * to_width));
                _mm256_permute2f128_ps::<0x31>(upper, lower).store(to.add((column + 4) * to_width));
            }
        }
    }
}

/// Transposes the 4 x 4 numbers of each lane.
#[inline(always)]
unsafe fn within_lanes([a, b, c, d]: [__m256; 4]) -> [__m256; 4] {
    // SAFETY: the caller has the instructions.
    unsafe {
        let pairs = |a, b| (_mm256_castps_pd(_mm256_unpacklo_ps(a, b)), _mm256_castps_pd(_mm256_unpackhi_ps(a, b)));
        let ((ab_low, ab_high), (cd_low, cd_high)) = (pairs(a, b), pairs(c, d));
        let fours = |ab, cd| [_mm256_unpacklo_pd(ab, cd), _mm256_unpackhi_pd(ab, cd)].map(|of| _mm256_castpd_ps(of));
        let ([first, second], [third, fourth]) = (fours(ab_low, cd_low), fours(ab_high, cd_high));
        [first, second, third, fourth]
    }
}
