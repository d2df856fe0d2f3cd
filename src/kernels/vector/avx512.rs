//! AVX-512: vectors of 16 numbers, in four lanes of four.

use std::arch::x86_64::*;

use super::Vector;

impl Vector for __m512 {
    const LANES: usize = 16;
    const REGISTERS: usize = 32;
    const FUSED: bool = true;

    #[inline(always)]
    unsafe fn zero() -> __m512 {
        // SAFETY: the caller has the instructions.
        unsafe { _mm512_setzero_ps() }
    }

    #[inline(always)]
    unsafe fn splat(number: f32) -> __m512 {
        // SAFETY: the caller has the instructions.
        unsafe { _mm512_set1_ps(number) }
    }

    #[inline(always)]
    unsafe fn load(from: *const f32) -> __m512 {
        // SAFETY: the caller has the instructions and the numbers.
        unsafe { _mm512_loadu_ps(from) }
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        // SAFETY: the caller has the instructions and the numbers.
        unsafe { _mm512_storeu_ps(to, self) }
    }

    #[inline(always)]
    unsafe fn add(self, other: __m512) -> __m512 {
        // SAFETY: the caller has the instructions.
        unsafe { _mm512_add_ps(self, other) }
    }

    #[inline(always)]
    unsafe fn add_product(self, a: __m512, b: __m512) -> __m512 {
        // SAFETY: the caller has the instructions.
        unsafe { _mm512_fmadd_ps(a, b, self) }
    }

    #[inline(always)]
    unsafe fn sums([a, b, c, d]: [__m512; 4]) -> [f32; 4] {
        // SAFETY: the caller has the instructions.
        unsafe {
            // Pairwise sums of two in one register, then of four: each lane has a partial sum of each.
            let halves = |a, b| _mm512_castps_pd(_mm512_add_ps(_mm512_unpacklo_ps(a, b), _mm512_unpackhi_ps(a, b)));
            let (ab, cd) = (halves(a, b), halves(c, d));
            let quarter = |of| _mm512_castpd_ps(of);
            let sums = _mm512_add_ps(quarter(_mm512_unpacklo_pd(ab, cd)), quarter(_mm512_unpackhi_pd(ab, cd)));
            let upper = _mm256_castpd_ps(_mm512_extractf64x4_pd::<1>(_mm512_castps_pd(sums)));
            let sums = _mm256_add_ps(_mm512_castps512_ps256(sums), upper);
            let sums = _mm_add_ps(_mm256_castps256_ps128(sums), _mm256_extractf128_ps::<1>(sums));
            std::mem::transmute::<__m128, [f32; 4]>(sums)
        }
    }

    #[inline(always)]
    unsafe fn transpose(from: *const f32, width: usize, to: *mut f32, to_width: usize) {
        // SAFETY: the caller has the instructions and both squares.
        unsafe {
            let four = |row: usize| within_lanes([0, 1, 2, 3].map(|next| __m512::load(from.add((row + next) * width))));
            let (a, b, c, d) = (four(0), four(4), four(8), four(12));
            for column in 0..4 {
                let store = |lane: usize, of: __m512| of.store(to.add((4 * lane + column) * to_width));
                // Transpose the lanes of four vectors as well.
                let even_ab = _mm512_shuffle_f32x4::<0b10_00_10_00>(a[column], b[column]);
                let odd_ab = _mm512_shuffle_f32x4::<0b11_01_11_01>(a[column], b[column]);
                let even_cd = _mm512_shuffle_f32x4::<0b10_00_10_00>(c[column], d[column]);
                let odd_cd = _mm512_shuffle_f32x4::<0b11_01_11_01>(c[column], d[column]);
                store(0, _mm512_shuffle_f32x4::<0b10_00_10_00>(even_ab, even_cd));
                store(1, _mm512_shuffle_f32x4::<0b10_00_10_00>(odd_ab, odd_cd));
                store(2, _mm512_shuffle_f32x4::<0b11_01_11_01>(even_ab, even_cd));
                store(3, _mm512_shuffle_f32x4::<0b11_01_11_01>(odd_ab, odd_cd));
            }
        }
    }
}

/// Transposes the 4 x 4 numbers of each lane.
#[inline(always)]
unsafe fn within_lanes([a, b, c, d]: [__m512; 4]) -> [__m512; 4] {
    // SAFETY: the caller has the instructions.
    unsafe {
        let pairs = |a, b| (_mm512_castps_pd(_mm512_unpacklo_ps(a, b)), _mm512_castps_pd(_mm512_unpackhi_ps(a, b)));
        let ((ab_low, ab_high), (cd_low, cd_high)) = (pairs(a, b), pairs(c, d));
        let fours = |ab, cd| [_mm512_unpacklo_pd(ab, cd), _mm512_unpackhi_pd(ab, cd)].map(|of| _mm512_castpd_ps(of));
        let ([first, second], [third, fourth]) = (fours(ab_low, cd_low), fours(ab_high, cd_high));
        [first, second, third, fourth]
    }
}
