//! Parts of a whole, rounded so that they still add up to it (the largest-remainder method).

use crate::quantity::bytes;

/// `shares` divided in proportion to the values: each gets its share rounded down, and the largest remainders one more.
pub fn apportion(values: &[u64], shares: u64) -> Vec<u64> {
    let total: u128 = values.iter().map(|value| u128::from(*value)).sum();
    if total == 0 {
        return vec![0; values.len()];
    }
    let exact = |value: &u64| u128::from(*value) * u128::from(shares);
    let mut parts: Vec<u64> = values.iter().map(|value| (exact(value) / total) as u64).collect();
    let mut order: Vec<usize> = (0..values.len()).collect();
    // The sort is stable, so of equal remainders the first part's is larger.
    order.sort_by_key(|place| std::cmp::Reverse(exact(&values[*place]) % total));
    let left = shares - parts.iter().sum::<u64>();
    for place in order.into_iter().take(left as usize) {
        parts[place] += 1;
    }
    parts
}

/// The same in cells of a bar: a part that is not 0 gets a cell, as far as there are enough of them.
pub fn cells(values: &[u64], width: usize) -> Vec<usize> {
    let mut cells: Vec<usize> = apportion(values, width as u64).into_iter().map(|cells| cells as usize).collect();
    while let Some(lost) = (0..values.len()).find(|place| values[*place] > 0 && cells[*place] == 0) {
        let Some(largest) = (0..cells.len()).rev().max_by_key(|place| cells[*place]).filter(|place| cells[*place] > 1)
        else {
            break;
        };
        cells[largest] -= 1;
        cells[lost] += 1;
    }
    cells
}

/// Sizes in the unit of their total, to three digits of it.
#[derive(Debug, PartialEq, Eq)]
pub struct Sizes {
    /// Such as `3.09 GiB`.
    pub total: String,
    /// `GiB`
    pub unit: &'static str,
    /// The number of each part in the unit, such as `3.00`. They add up to that of the total.
    pub parts: Vec<Size>,
}

/// The size of a part.
#[derive(Debug, PartialEq, Eq)]
pub enum Size {
    /// In the unit of the total.
    Number(String),
    /// In its own unit, below the last digit of the total: `12.0 KiB`.
    Small(String),
}

/// The sizes of these parts.
pub fn sizes(parts: &[u64]) -> Sizes {
    const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
    let total: u128 = parts.iter().map(|part| u128::from(*part)).sum();
    let mut power = 0;
    while total >= 1000 << (10 * power) && power + 1 < UNITS.len() {
        power += 1;
    }
    let unit = 1u128 << (10 * power);
    let decimals = match total / unit {
        _ if power == 0 => 0,
        0..10 => 2,
        10..100 => 1,
        _ => 0,
    };
    let scale = 10u128.pow(decimals);
    let whole = u64::try_from((total * scale + unit / 2) / unit).unwrap_or(u64::MAX);
    let number = |shares: u64| {
        let decimals = decimals as usize;
        match decimals {
            0 => shares.to_string(),
            _ => format!("{}.{:0decimals$}", shares / scale as u64, shares % scale as u64),
        }
    };
    let size = |(part, shares): (&u64, u64)| match shares {
        0 if *part > 0 => Size::Small(bytes(*part as f64)),
        shares => Size::Number(number(shares)),
    };
    Sizes {
        total: format!("{} {}", number(whole), UNITS[power]),
        unit: UNITS[power],
        parts: parts.iter().zip(apportion(parts, whole)).map(size).collect(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn rounded_parts_add_up_and_small_ones_keep_their_size() {
        assert_eq!(apportion(&[1, 1, 1], 10), [4, 3, 3]);
        assert_eq!(apportion(&[0, 0], 10), [0, 0]);
        assert_eq!(cells(&[1, 1 << 30, 1, 0], 10), [1, 8, 1, 0]);
        assert_eq!(cells(&[5, 5, 5], 2), [1, 1, 0], "fewer cells than parts");
        let number = |text: &str| Size::Number(text.into());
        let shown = sizes(&[90_855_944, 681_984, 12_320, 3 << 30]);
        assert_eq!((shown.total.as_str(), shown.unit), ("3.09 GiB", "GiB"));
        let small = |text: &str| Size::Small(text.into());
        assert_eq!(shown.parts, [number("0.09"), small("666 KiB"), small("12.0 KiB"), number("3.00")]);
        assert_eq!(sizes(&[500, 300]).total, "800 B");
        assert_eq!(sizes(&[]).total, "0 B");
    }

    proptest! {
        #[test]
        fn shares_add_up_and_are_off_by_less_than_one(values in prop::collection::vec(0u64..1 << 45, 1..9), shares in 0u64..10_000) {
            let total: u64 = values.iter().sum();
            let parts = apportion(&values, shares);
            prop_assert_eq!(parts.iter().sum::<u64>(), if total == 0 { 0 } else { shares });
            for (value, part) in values.iter().zip(parts) {
                let exact = *value as f64 / total.max(1) as f64 * shares as f64;
                prop_assert!((part as f64 - exact).abs() < 1.0 + 1e-6, "{} of {}", part, exact);
            }
        }

        #[test]
        fn no_part_of_a_bar_is_lost(values in prop::collection::vec(prop_oneof![0u64..9, 0u64..1 << 45], 1..9), width in 0usize..200) {
            let cells = cells(&values, width);
            let parts = values.iter().filter(|value| **value > 0).count();
            prop_assert_eq!(cells.iter().sum::<usize>(), if parts == 0 { 0 } else { width });
            if width >= parts {
                prop_assert!(values.iter().zip(&cells).all(|(value, cells)| (*value > 0) == (*cells > 0)));
            }
        }

        #[test]
        fn sizes_in_the_unit_of_the_total_add_up_to_it(parts in prop::collection::vec(0u64..1 << 44, 1..9)) {
            let shown = sizes(&parts);
            let hundredths = |text: &str| (text.parse::<f64>().unwrap() * 100.0).round() as u64;
            let sum: u64 = shown.parts.iter().map(|part| match part { Size::Number(text) => hundredths(text), Size::Small(_) => 0 }).sum();
            prop_assert_eq!(sum, hundredths(shown.total.split(' ').next().unwrap()), "{:?}", shown);
            prop_assert!(!shown.parts.iter().zip(&parts).any(|(shown, part)| *part > 0 && *shown == Size::Number("0.00".into())));
        }
    }
}
