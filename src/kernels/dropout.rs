//! Dropout (Srivastava et al., JMLR 2014) whose mask is computed where it is needed, in the forward and in the backward pass, and never
//! stored: random numbers are a function of a seed and an element's index (Philox4x32-10; Salmon et al., "Parallel random numbers: as easy as
//! 1, 2, 3", SC 2011).

use rayon::prelude::*;

use super::TASK;
use super::instructions::{InstructionSet, Kernel};
use super::vector::Vector;

/// The mask of one operation in one step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Dropout {
    probability: f64,
    /// An element is dropped where its random number is below: the probability in units of 2⁻³².
    threshold: u32,
    /// 1 / (1 − probability), of what stays.
    scale: f32,
    seed: u64,
}

/// Numbers that are drawn at a time.
pub const DRAWN: usize = 4 * LANES;
const LANES: usize = 16;

impl Dropout {
    /// Of a probability from 0 to below 1.
    pub fn new(probability: f64, seed: u64) -> Dropout {
        let threshold = (probability * 2f64.powi(32)).round() as u32;
        Dropout { probability, threshold, scale: (1.0 / (1.0 - probability)) as f32, seed }
    }

    /// The probability that an element is dropped.
    pub fn probability(&self) -> f64 {
        self.probability
    }

    /// What its random numbers follow from.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// An element is dropped where its random number is below.
    pub fn threshold(&self) -> u32 {
        self.threshold
    }

    /// The same with other random numbers.
    pub fn reseeded(self, seed: u64) -> Dropout {
        Dropout { seed, ..self }
    }

    /// The factor of what stays.
    pub fn scale(&self) -> f32 {
        self.scale
    }

    /// Multiplies the numbers of a part of at most [`DRAWN`] with 0 or with `scale`.
    #[inline(always)]
    pub(super) fn apply(&self, part: [u32; 3], scale: f32, numbers: &mut [f32]) {
        let factors = self.factors(part, scale);
        for (number, factor) in numbers.iter_mut().zip(factors) {
            *number *= factor;
        }
    }

    /// 0 or `scale` for each element of a part.
    #[inline(always)]
    pub(super) fn factors(&self, [first, second, third]: [u32; 3], scale: f32) -> [f32; DRAWN] {
        let mut counters = [[0; LANES], [second; LANES], [third; LANES], [0; LANES]];
        for (lane, counter) in counters[0].iter_mut().enumerate() {
            *counter = first.wrapping_mul(LANES as u32).wrapping_add(lane as u32);
        }
        let numbers = philox(counters, [self.seed as u32, (self.seed >> 32) as u32]);
        let mut factors = [0.0; DRAWN];
        for (factor, number) in factors.iter_mut().zip(numbers.as_flattened()) {
            *factor = if *number >= self.threshold { scale } else { 0.0 };
        }
        factors
    }
}

/// Multiplies each number with 0, or with 1 / (1 − probability); of a gradient the same. `x` and `out` have the same elements, in rows of
/// `width`; what a row's mask depends on is its number, of its place among them.
pub fn dropout(
    instructions: InstructionSet,
    dropout: Dropout,
    width: usize,
    number: impl Fn(usize) -> u64 + Sync,
    x: &[f32],
    out: &mut [f32],
) {
    struct Row<'a>(Dropout, u64, &'a [f32], &'a mut [f32]);
    impl Kernel for Row<'_> {
        #[inline(always)]
        unsafe fn run<V: Vector>(self) {
            let Row(dropout, number, x, out) = self;
            let [low, high] = [number as u32, (number >> 32) as u32];
            for (part, (x, out)) in x.chunks(DRAWN).zip(out.chunks_mut(DRAWN)).enumerate() {
                let factors = dropout.factors([part as u32, low, high], dropout.scale);
                for ((&x, out), factor) in x.iter().zip(out).zip(factors) {
                    *out = x * factor;
                }
            }
        }
    }
    assert!(x.len() == out.len() && width > 0 && x.len().is_multiple_of(width));
    let rows = (TASK / width).max(1);
    let tasks = out.par_chunks_mut(rows * width).zip(x.par_chunks(rows * width)).enumerate();
    tasks.for_each(|(task, (out, x))| {
        for (row, (x, out)) in x.chunks(width).zip(out.chunks_mut(width)).enumerate() {
            instructions.run(Row(dropout, number(task * rows + row), x, out));
        }
    });
}

/// Four random numbers for each lane's four counters, with the constants of Random123.
#[inline(always)]
fn philox(mut counters: [[u32; LANES]; 4], mut key: [u32; 2]) -> [[u32; LANES]; 4] {
    const FACTORS: [u32; 2] = [0xd251_1f53, 0xcd9e_8d57];
    const STEPS: [u32; 2] = [0x9e37_79b9, 0xbb67_ae85];
    for _ in 0..10 {
        let [a, b, c, d] = counters;
        for lane in 0..LANES {
            let (of_a, of_c) = (u64::from(a[lane]) * u64::from(FACTORS[0]), u64::from(c[lane]) * u64::from(FACTORS[1]));
            counters[0][lane] = (of_c >> 32) as u32 ^ b[lane] ^ key[0];
            counters[1][lane] = of_c as u32;
            counters[2][lane] = (of_a >> 32) as u32 ^ d[lane] ^ key[1];
            counters[3][lane] = of_a as u32;
        }
        key = [key[0].wrapping_add(STEPS[0]), key[1].wrapping_add(STEPS[1])];
    }
    counters
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_those_of_random123() {
        // Its known answers: counter, key, numbers.
        for (counter, key, expected) in [
            ([0; 4], [0; 2], [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]),
            ([u32::MAX; 4], [u32::MAX; 2], [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd]),
            (
                [0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344],
                [0xa409_3822, 0x299f_31d0],
                [0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1],
            ),
        ] {
            let numbers = philox(counter.map(|number| [number; LANES]), key);
            assert_eq!(numbers, expected.map(|number: u32| [number; LANES]));
        }
    }

    #[test]
    fn each_element_has_a_number_of_its_own() {
        let dropout = Dropout::new(0.5, 7);
        let parts = [[0, 0, 0], [1, 0, 0], [2, 0, 0], [0, 1, 0], [0, 0, 1]];
        let masks = parts.map(|part| dropout.factors(part, 1.0));
        for (number, mask) in masks.iter().enumerate() {
            assert!(masks[..number].iter().all(|other| other != mask));
            assert_eq!(dropout.factors(parts[number], 1.0), *mask);
        }
        for seed in [8, 7 << 32] {
            assert!(Dropout::new(0.5, seed).factors([0; 3], 1.0) != masks[0]);
        }
    }

    #[test]
    fn so_many_are_dropped_and_the_expectation_stays() {
        let count = 300_003;
        let x = vec![1.0; count];
        for probability in [0.0, 0.1, 0.5, 0.9] {
            for instructions in InstructionSet::available() {
                let mut out = vec![f32::NAN; count];
                dropout(instructions, Dropout::new(probability, 3), 3, |row| row as u64, &x, &mut out);
                let dropped = out.iter().filter(|number| **number == 0.0).count() as f64;
                let deviation = (count as f64 * probability * (1.0 - probability)).sqrt();
                assert!((dropped - count as f64 * probability).abs() <= 4.0 * deviation, "{probability}: {dropped}");
                let left = (1.0 / (1.0 - probability)) as f32;
                assert!(out.iter().all(|&number| number == 0.0 || number == left));
            }
        }
    }

    #[test]
    fn a_rows_mask_follows_from_its_number() {
        let (width, mask) = (150, Dropout::new(0.3, 11));
        let x = vec![1.0; 7 * width];
        let of = |number: fn(usize) -> u64, rows: usize| {
            let mut out = vec![f32::NAN; rows * width];
            dropout(InstructionSet::available()[0], mask, width, number, &x[..rows * width], &mut out);
            out
        };
        let all = of(|row| row as u64, 7);
        assert_eq!(of(|row| row as u64 + 3, 4), all[3 * width..]);
        assert_eq!(of(|row| 6 - 2 * row as u64, 2), [&all[6 * width..], &all[4 * width..5 * width]].concat());
        assert_ne!(of(|row| (row as u64) << 32, 2)[width..], all[width..2 * width]);
    }
}
