//! Products beside those of rounded numbers in double precision.

use proptest::prelude::*;

use super::*;

/// The nearest bf16, of two the even one, by the distances to both.
fn rounded(number: f32) -> f64 {
    let down = f32::from_bits(number.to_bits() & 0xffff_0000);
    let up = f32::from_bits((number.to_bits() & 0xffff_0000).wrapping_add(0x1_0000));
    let (number, down, up) = (f64::from(number), f64::from(down), f64::from(up));
    match ((number - down).abs(), (up - number).abs()) {
        (low, high) if low < high => down,
        (low, high) if high < low => up,
        _ if (down as f32).to_bits() >> 16 & 1 == 0 => down,
        _ => up,
    }
}

/// A matrix as it lies in memory.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Order {
    Rows,
    Columns,
    /// In rows with a gap between neighbours.
    Spaced,
}

fn matrix(numbers: &[f32], rows: usize, columns: usize, order: Order) -> Matrix<'_> {
    let (row, column) = match order {
        Order::Rows => (columns, 1),
        Order::Columns => (1, rows),
        Order::Spaced => (2 * columns, 2),
    };
    Matrix { numbers, rows, columns, row, column }
}

fn numbers(length: usize, seed: u64) -> Vec<f32> {
    let mut state = seed.wrapping_mul(2).wrapping_add(1);
    let next = |_| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / (1 << 23) as f32 - 1.0
    };
    (0..length).map(next).collect()
}

/// Checks a product, whose bits it returns. `None` if this processor cannot compute it.
fn check([m, n, k]: [usize; 3], [a_order, b_order]: [Order; 2], add: bool) -> Option<Vec<u32>> {
    let Some(product) = Bf16Product::detect() else {
        eprintln!("skipped: this processor has no AVX512-BF16");
        return None;
    };
    let (a, b, before) = (numbers(2 * m * k, 1), numbers(2 * k * n, 2), numbers(m * n, 3));
    let (a, b) = (matrix(&a, m, k, a_order), matrix(&b, k, n, b_order));
    let mut c = before.clone();
    product.multiply(a, b, &mut c, add);
    for (at, got) in c.iter().enumerate() {
        let (row, column) = (at / n, at % n);
        let of = |matrix: Matrix<'_>, row: usize, column: usize| {
            rounded(matrix.numbers[row * matrix.row + column * matrix.column])
        };
        let terms = (0..k).map(|i| of(a, row, i) * of(b, i, column));
        let (mut sum, mut size) = if add { (f64::from(before[at]), 1.0) } else { (0.0, 0.0) };
        for term in terms {
            (sum, size) = (sum + term, size + term.abs());
        }
        let off = (f64::from(*got) - sum).abs();
        assert!(off <= 1e-6 * size, "{m}x{n}x{k} {a_order:?} {b_order:?}: {got} at {row}, {column}, not {sum}");
    }
    Some(c.into_iter().map(f32::to_bits).collect())
}

#[test]
fn products_of_all_orders_and_around_every_block() {
    let orders = [Order::Rows, Order::Columns, Order::Spaced];
    for (number, sizes) in [
        [1, 1, 1],
        [6, 64, 256],
        [7, 65, 257],
        [ROWS * 16 + 1, 17, 3],
        [2, COLUMN_BLOCK + 5, 9],
        [5, 40, ROW_BLOCK + DEPTH + 1],
        [200, 2, 100],
    ]
    .into_iter()
    .enumerate()
    {
        for a in orders {
            for b in orders {
                check(sizes, [a, b], number % 2 == 1);
            }
        }
    }
}

#[test]
fn sums_do_not_depend_on_threads_or_other_rows() {
    let orders = [Order::Rows, Order::Rows];
    let alone = |threads: usize, rows: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| check([rows, 70, 300], orders, false))
    };
    let Some(one) = alone(1, 150) else { return };
    assert_eq!(alone(3, 150).unwrap(), one);
    assert_eq!(alone(2, 9).unwrap(), one[..9 * 70]);
}

#[test]
fn numbers_without_a_value_stay_so() {
    let Some(product) = Bf16Product::detect() else { return };
    let of = |number: f32| {
        let (a, b) = ([number, 0.0], [1.0, 1.0]);
        let mut c = [0.0];
        product.multiply(matrix(&a, 1, 2, Order::Rows), matrix(&b, 2, 1, Order::Rows), &mut c, false);
        c[0]
    };
    assert!(of(f32::NAN).is_nan() && of(f32::from_bits(0x7f80_0001)).is_nan());
    assert_eq!(
        [of(f32::INFINITY), of(f32::NEG_INFINITY), of(f32::MAX)],
        [f32::INFINITY, f32::NEG_INFINITY, f32::INFINITY]
    );
    // Halfway between two of them, to the even one.
    assert_eq!([of(1.0 + 1.0 / 256.0), of(1.0 + 3.0 / 256.0)], [1.0, 1.0 + 4.0 / 256.0]);
}

#[test]
fn no_terms_are_a_sum_of_zero() {
    let Some(product) = Bf16Product::detect() else { return };
    for (add, expected) in [(false, 0.0), (true, 7.0)] {
        let mut c = [7.0; 6];
        product.multiply(matrix(&[], 2, 0, Order::Rows), matrix(&[], 0, 3, Order::Rows), &mut c, add);
        assert_eq!(c, [expected; 6]);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn products_of_any_size(
        sizes in [1..30usize, 1..140usize, 1..300usize],
        orders in prop::array::uniform2(prop::sample::select(vec![Order::Rows, Order::Columns, Order::Spaced])),
        add: bool,
    ) {
        check(sizes, orders, add);
    }
}
