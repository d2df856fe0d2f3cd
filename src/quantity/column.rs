//! Values of a column in one unit, so that they compare at a glance.

use super::number::{decimal_unit, number};
use super::unit::binary_unit;

/// The values of a column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    /// Their unit, for the head of the column: `ms`, `GiB`.
    pub unit: &'static str,
    /// Without the unit; empty where there is no value.
    pub texts: Vec<String>,
}

/// Times in seconds or a part of it.
pub fn seconds(values: &[Option<f64>]) -> Column {
    let (unit, scale) = match largest(values) {
        // 0 is no reason for a small unit.
        0.0 | 1.0.. => ("s", 1.0),
        1e-3.. => ("ms", 1e-3),
        _ => ("us", 1e-6),
    };
    Column { unit, texts: scaled(values, scale, "") }
}

/// Sizes in bytes, KiB, MiB, GiB or TiB.
pub fn sizes(values: &[Option<f64>]) -> Column {
    let (unit, scale) = binary_unit(largest(values));
    let mut column = Column { unit, texts: scaled(values, scale, "") };
    if scale == 1.0 {
        column.texts = scaled_to(values, scale, 0, "");
    }
    column
}

/// Counts or rates, with the same prefix for thousands.
pub fn rates(values: &[Option<f64>]) -> Column {
    let (prefix, scale) = decimal_unit(largest(values));
    Column { unit: "", texts: scaled(values, scale, prefix) }
}

fn largest(values: &[Option<f64>]) -> f64 {
    values.iter().flatten().filter(|value| value.is_finite()).fold(0.0, |largest, value| largest.max(value.abs()))
}

/// Three digits of the largest value, and as many decimals of the others.
fn scaled(values: &[Option<f64>], scale: f64, suffix: &str) -> Vec<String> {
    let decimals = match largest(values) / scale {
        ..9.995 => 2,
        ..99.95 => 1,
        _ => 0,
    };
    scaled_to(values, scale, decimals, suffix)
}

fn scaled_to(values: &[Option<f64>], scale: f64, decimals: usize, suffix: &str) -> Vec<String> {
    // What has no room in a column has an exponent.
    const LONGEST: f64 = 1e6;
    let text = |value: f64| match value / scale {
        scaled if scaled.abs() < LONGEST => format!("{scaled:.decimals$}{suffix}"),
        scaled => format!("{}{suffix}", number(scaled)),
    };
    values.iter().map(|value| value.map(text).unwrap_or_default()).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn values_of_a_column_share_unit_and_decimals() {
        let shown = |column: Column| (column.unit, column.texts.join(" "));
        let some = |values: &[f64]| values.iter().copied().map(Some).collect::<Vec<_>>();
        assert_eq!(shown(seconds(&some(&[0.4123, 0.0501]))), ("ms", "412 50".into()));
        assert_eq!(shown(seconds(&some(&[1.25, 0.5]))), ("s", "1.25 0.50".into()));
        assert_eq!(shown(seconds(&some(&[0.0, 0.0]))), ("s", "0.00 0.00".into()));
        assert_eq!(shown(seconds(&some(&[4e-5]))), ("us", "40.0".into()));
        assert_eq!(shown(sizes(&some(&[3.5 * 1024.0 * 1024.0, 2048.0]))), ("MiB", "3.50 0.00".into()));
        assert_eq!(shown(sizes(&some(&[900.0, 5.0]))), ("B", "900 5".into()));
        assert_eq!(shown(rates(&some(&[28_416.0, 9_800.0]))), ("", "28.4k 9.8k".into()));
        assert_eq!(shown(rates(&[Some(412.4), None, Some(f64::NAN)])), ("", "412  NaN".into()));
        assert_eq!(shown(rates(&[])), ("", String::new()));
    }

    proptest! {
        #[test]
        fn any_value_fits_a_column(values in prop::collection::vec(prop::option::of(any::<f64>()), 0..6)) {
            for column in [seconds(&values), sizes(&values), rates(&values)] {
                prop_assert_eq!(column.texts.len(), values.len());
                prop_assert!(column.texts.iter().all(|text| text.len() <= 12), "{:?}", column);
            }
        }
    }
}
