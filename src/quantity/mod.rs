//! Quantities as text, the same in logs, tables, charts and screens.

pub(crate) mod column;
mod number;
mod unit;

pub(crate) use number::{age, duration, measured, number, percent, progress, score, times};
pub use unit::Unit;

/// `1,234,567`.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Bytes with one decimal in units of 1024: `1.4 GiB`.
pub(crate) fn bytes(value: f64) -> String {
    let units = ["B", "KiB", "MiB", "GiB", "TiB"];
    let mut scaled = value;
    let mut unit = 0;
    while scaled.abs() >= 1000.0 && unit + 1 < units.len() {
        scaled /= 1024.0;
        unit += 1;
    }
    let decimals = if unit == 0 || scaled.abs() >= 100.0 { 0 } else { 1 };
    format!("{scaled:.decimals$} {}", units[unit])
}

/// Bytes in units of 1000, as the hub's pages show them: `1.4 GB`.
#[cfg(any(feature = "torch", test))]
pub(crate) fn decimal_bytes(value: u64) -> String {
    let (unit, name) = match value {
        1_000_000_000.. => (1e9, "GB"),
        1_000_000.. => (1e6, "MB"),
        1_000.. => (1e3, "kB"),
        _ => return format!("{value} B"),
    };
    let scaled = value as f64 / unit;
    let decimals = usize::from(scaled < 10.0);
    format!("{scaled:.decimals$} {name}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_are_grouped_and_bytes_have_one_unit() {
        assert_eq!([grouped(0), grouped(999), grouped(1_234_567)], ["0", "999", "1,234,567"]);
        let decimal = [0, 999, 1_000, 9_949_000, 638_000_000, 1_421_700_479, 13_476_839_424].map(decimal_bytes);
        assert_eq!(decimal, ["0 B", "999 B", "1.0 kB", "9.9 MB", "638 MB", "1.4 GB", "13 GB"]);
        assert_eq!(bytes(0.0), "0 B");
        assert_eq!(bytes(1536.0), "1.5 KiB");
        assert_eq!(bytes(999.0 * 1024.0), "999 KiB");
        assert_eq!(bytes(1000.0 * 1024.0), "1.0 MiB");
        assert_eq!(bytes(f64::from(1 << 30) * 1.4), "1.4 GiB");
    }
}
