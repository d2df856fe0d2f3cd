//! Numbers, shares and times as short text with units.

use std::time::SystemTime;

use super::grouped;

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
pub(super) const DAY: u64 = 24 * HOUR;

/// The prefix for numbers up to this size, and what it multiplies by.
pub(super) fn decimal_unit(largest: f64) -> (&'static str, f64) {
    match largest {
        1e9.. => ("G", 1e9),
        1e6.. => ("M", 1e6),
        1e4.. => ("k", 1e3),
        _ => ("", 1.0),
    }
}

/// A number of at most four significant digits; three with a prefix for thousands: `0.301`, `28.4k`, `1.2e-5`.
pub fn number(value: f64) -> String {
    if !value.is_finite() {
        return if value.is_nan() { "NaN" } else { "inf" }.into();
    }
    let size = value.abs();
    if size == 0.0 {
        return "0".into();
    }
    if !(1e-3..1e12).contains(&size) {
        return short(&format!("{value:.2e}"));
    }
    let (prefix, unit) = decimal_unit(size);
    let digits = if prefix.is_empty() { 4 } else { 3 };
    format!("{}{prefix}", short(&significant(value / unit, digits)))
}

/// A measured value of three significant digits, so that values of a report compare: `0.0103`, `0.675`, `3.37`, `12.0`, `1.00e-5`.
pub fn measured(value: f64) -> String {
    // Rounded first: 9.996 is 10.0, not 10.00.
    let rounded = format!("{value:.2e}");
    match rounded.split_once('e').and_then(|(_, exponent)| exponent.parse().ok()) {
        _ if value == 0.0 => "0".into(),
        Some(exponent @ -3..=3) => format!("{value:.*}", usize::try_from(2 - exponent).unwrap_or(0)),
        Some(..-3 | 12..) => rounded,
        _ => number(value),
    }
}

/// How many times as large: `3.4`, `120`.
pub fn times(ratio: f64) -> String {
    if ratio < 9.95 { format!("{ratio:.1}") } else { grouped(ratio.round() as u64) }
}

/// A metric, with four decimals or else four digits, so that it fits a column: `0.8633`, `12.35`, `123.5`, `24.7k`.
pub fn score(value: f64) -> String {
    let decimals = match value.abs() {
        ..9.99995 => 4,
        ..99.995 => 2,
        ..999.95 => 1,
        _ => return number(value),
    };
    format!("{value:.decimals$}")
}

/// Progress in whole percent: `49 %`. It is 100 % only when all is done.
pub fn progress(share: f64) -> String {
    let percent = (share.clamp(0.0, 1.0) * 100.0).round();
    format!("{:.0} %", if share < 1.0 { percent.min(99.0) } else { percent })
}

/// A share in percent, with two decimals at most: `0.80 %`, `11.5 %`, `100 %`.
pub fn percent(value: f64) -> String {
    let decimals = match value.abs() {
        0.0 => 0,
        ..0.0095 => return format!("{} %", number(value)),
        ..9.995 => 2,
        ..99.95 => 1,
        _ => 0,
    };
    format!("{value:.decimals$} %")
}

/// `8 s`, `1:02`, `3:04:05`, `2d 03:04`.
pub fn duration(seconds: f64) -> String {
    clock(seconds, seconds)
}

/// A duration in the notation that durations up to `longest` take.
pub(super) fn clock(seconds: f64, longest: f64) -> String {
    let whole = seconds.max(0.0).round() as u64;
    let (days, hours, minutes, rest) = (whole / DAY, whole / HOUR % 24, whole / MINUTE % 60, whole % MINUTE);
    match longest.max(0.0).round() as u64 {
        DAY.. => format!("{days}d {hours:02}:{minutes:02}"),
        HOUR.. => format!("{hours}:{minutes:02}:{rest:02}"),
        MINUTE.. => format!("{minutes}:{rest:02}"),
        _ => format!("{rest} s"),
    }
}

/// Time since an instant: `now`, `12 min`, `7 h`, `3 d`, `5 mo`, `2 y`.
pub fn age(now: SystemTime, then: SystemTime) -> String {
    const MONTH: u64 = 30 * DAY;
    const YEAR: u64 = 365 * DAY;
    const TWO_DAYS: u64 = 2 * DAY;
    const TWO_MONTHS: u64 = 2 * MONTH;
    const TWO_YEARS: u64 = 2 * YEAR;
    // A clock that was set back gives `now`.
    let seconds = now.duration_since(then).map_or(0, |age| age.as_secs());
    match seconds {
        0..MINUTE => "now".into(),
        MINUTE..HOUR => format!("{} min", seconds / MINUTE),
        HOUR..TWO_DAYS => format!("{} h", seconds / HOUR),
        TWO_DAYS..TWO_MONTHS => format!("{} d", seconds / DAY),
        TWO_MONTHS..TWO_YEARS => format!("{} mo", seconds / MONTH),
        _ => format!("{} y", seconds / YEAR),
    }
}

/// A value with at most `digits` significant digits; a zero before the point counts as one.
fn significant(value: f64, digits: usize) -> String {
    let before = value.abs().log10().floor().max(0.0) as usize + 1;
    format!("{value:.*}", digits.saturating_sub(before))
}

/// A number without trailing zeros in its fraction.
fn short(text: &str) -> String {
    let (number, exponent) = text.find('e').map_or((text, ""), |at| text.split_at(at));
    let number = if number.contains('.') { number.trim_end_matches('0').trim_end_matches('.') } else { number };
    format!("{number}{exponent}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::quantity::bytes;

    #[test]
    fn percentages_have_two_decimals_at_most() {
        let values = [0.0, 0.0012, 0.0499, 0.8009, 9.999, 11.52, 99.97, 250.4];
        let shown = ["0 %", "0.001 %", "0.05 %", "0.80 %", "10.0 %", "11.5 %", "100 %", "250 %"];
        assert_eq!(values.map(percent), shown);
    }

    #[test]
    fn scores_fit_a_column() {
        let values = [0.863_34, -0.5, 9.9999, 9.99996, 12.345, 99.999, 123.456, 1234.5, 24_680.0, f64::NAN];
        let shown = ["0.8633", "-0.5000", "9.9999", "10.00", "12.35", "100.0", "123.5", "1234", "24.7k", "NaN"];
        assert_eq!(values.map(score), shown);
    }

    #[test]
    fn measured_values_have_three_digits() {
        let values = [0.0, 0.01, 0.01034, 0.1, -0.05912, 1.0, 9.996, 12.345, 123.4, 1234.5, 28_416.0, 1e-5, f64::NAN];
        let shown = [
            "0", "0.0100", "0.0103", "0.100", "-0.0591", "1.00", "10.0", "12.3", "123", "1234", "28.4k", "1.00e-5",
            "NaN",
        ];
        assert_eq!(values.map(measured), shown);
        assert_eq!([1.0, 3.366, 9.96, 1234.5].map(times), ["1.0", "3.4", "10", "1,235"]);
        assert_eq!([f64::INFINITY, 2.5e15, -3e-9].map(measured), ["inf", "2.50e15", "-3.00e-9"]);
    }

    #[test]
    fn numbers_are_short() {
        let cases = [0.0, 0.30123, 1.0, -2.5, 9999.0, 28_416.0, 3_548_160.0, 1.23e-5, 7e-5, 1e15, f64::NAN];
        let shown = ["0", "0.301", "1", "-2.5", "9999", "28.4k", "3.55M", "1.23e-5", "7e-5", "1e15", "NaN"];
        assert_eq!(cases.map(number), shown);
        assert_eq!([0.0, 512.0, 2048.0, 1.5e9, 1e12].map(bytes), ["0 B", "512 B", "2.0 KiB", "1.4 GiB", "931 GiB"]);
        assert_eq!([0.4, 62.0, 11_045.0, 183_845.0].map(duration), ["0 s", "1:02", "3:04:05", "2d 03:04"]);
        let ages = [59, 60, 7200, 172_800, 86_400 * 59, 86_400 * 90, 86_400 * 800].map(|seconds| {
            age(SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(seconds), SystemTime::UNIX_EPOCH)
        });
        assert_eq!(ages, ["now", "1 min", "2 h", "2 d", "59 d", "3 mo", "2 y"]);
        assert_eq!([0, 999, 1000, 1_234_567].map(grouped), ["0", "999", "1,000", "1,234,567"]);
    }
}
