//! Numbers with units as short text, labels for axes, and text fitted to a width. Pure functions.

use std::time::SystemTime;

use ratatui::text::Span;
use unicode_segmentation::UnicodeSegmentation;

pub use crate::estimate::bytes;
pub(crate) use crate::headless::grouped;

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

/// The unit of an axis or a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    Number,
    /// Optimizer steps: whole numbers only.
    Steps,
    Percent,
    Bytes,
    Seconds,
}

impl Unit {
    /// A single value with its unit.
    pub fn text(self, value: f64) -> String {
        match self {
            Unit::Number => number(value),
            Unit::Steps if value >= 0.0 => grouped(value.round() as u64),
            Unit::Steps => number(value),
            Unit::Percent => percent(value),
            Unit::Bytes => bytes(value),
            Unit::Seconds => duration(value),
        }
    }

    /// The smallest round distance between ticks that is at least `rough`.
    pub fn step(self, rough: f64) -> f64 {
        match self {
            Unit::Number | Unit::Percent => round_step(rough),
            Unit::Steps => round_step(rough.max(1.0)),
            Unit::Bytes => {
                let unit = binary_unit(rough).1;
                // From 512 on, the next unit is rounder.
                let step = round_step(rough / unit) * unit;
                if step > unit * 500.0 { unit * 1024.0 } else { step }
            }
            Unit::Seconds => {
                const STEPS: [f64; 14] =
                    [1.0, 2.0, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1200.0, 1800.0, 3600.0, 7200.0];
                let step = STEPS.into_iter().find(|step| *step >= rough * 0.999);
                let quarter_day = (DAY / 4) as f64;
                step.unwrap_or_else(|| round_step(rough / quarter_day) * quarter_day)
            }
        }
    }

    /// A label for each tick of an axis whose ticks are `step` apart: all in one unit, with as many decimals as tell
    /// neighbours apart.
    pub fn labels(self, ticks: &[f64], step: f64) -> Vec<String> {
        let largest = ticks.iter().fold(0.0, |largest: f64, tick| largest.max(tick.abs()));
        let scaled = |unit: f64, suffix: &str| {
            let decimals = decimals(step / unit);
            ticks.iter().map(|tick| format!("{:.decimals$}{suffix}", tick / unit)).collect::<Vec<_>>()
        };
        match self {
            Unit::Percent => scaled(1.0, " %"),
            Unit::Bytes => {
                let (name, unit) = binary_unit(step);
                scaled(unit, &format!(" {name}"))
            }
            Unit::Seconds => ticks.iter().map(|tick| clock(*tick, largest)).collect(),
            // Powers of ten where decimals would not fit into a label.
            Unit::Number | Unit::Steps if !(1e-2..1e12).contains(&largest) || step < 1e-4 => {
                let digits = (largest.log10().floor() - step.log10().floor()).clamp(0.0, 15.0) as usize;
                ticks.iter().map(|tick| nonzero(*tick, || short(&format!("{tick:.digits$e}")))).collect()
            }
            Unit::Number | Unit::Steps => match decimal_unit(largest) {
                // Many decimals are longer than the number itself.
                (_, unit) if decimals(step / unit) > 2 => scaled(1.0, ""),
                ("", _) => scaled(1.0, ""),
                (prefix, unit) => {
                    let labels = ticks.iter().zip(scaled(unit, prefix));
                    labels.map(|(tick, label)| nonzero(*tick, || label)).collect()
                }
            },
        }
    }
}

/// The label of a tick; 0 has neither prefix nor exponent.
fn nonzero(tick: f64, label: impl FnOnce() -> String) -> String {
    if tick == 0.0 { "0".to_owned() } else { label() }
}

/// 1, 2 or 5 times a power of ten, at least as large.
fn round_step(rough: f64) -> f64 {
    let power = 10f64.powf(rough.max(f64::MIN_POSITIVE).log10().floor());
    let steps = [1.0, 2.0, 5.0, 10.0].into_iter().map(|step| step * power);
    steps.into_iter().find(|step| *step >= rough * 0.999).unwrap_or(power * 10.0)
}

/// Decimals that a multiple of a round step needs.
fn decimals(step: f64) -> usize {
    (-(step * 1.001).log10().floor()).clamp(0.0, 12.0) as usize
}

/// The largest binary unit that is not above a size, and its bytes.
fn binary_unit(size: f64) -> (&'static str, f64) {
    const NAMES: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
    let power = (size.max(1.0).ln() / 1024f64.ln() + 1e-9).floor().min(4.0);
    (NAMES[power as usize], 1024f64.powf(power))
}

/// The prefix for numbers up to this size, and what it multiplies by.
fn decimal_unit(largest: f64) -> (&'static str, f64) {
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

/// A metric: `0.8633`.
pub fn score(value: f64) -> String {
    format!("{value:.4}")
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
fn clock(seconds: f64, longest: f64) -> String {
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

/// Text without control characters, which could move the cursor or change the terminal's state.
pub fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// Text in lines of at most `width` characters, broken between words where possible.
pub fn wrapped(text: &str, width: usize) -> Vec<String> {
    let width = width.max(1);
    let mut lines = vec![String::new()];
    let mut length = 0;
    for word in text.split_whitespace() {
        // A word longer than a line, such as a path, continues on the next.
        let letters: Vec<char> = word.chars().collect();
        for (number, part) in letters.chunks(width).enumerate() {
            let space = usize::from(length > 0 && number == 0);
            if length + space + part.len() > width {
                lines.push(String::new());
                length = 0;
            } else if space == 1 {
                lines.last_mut().into_iter().for_each(|line| line.push(' '));
                length += 1;
            }
            lines.last_mut().into_iter().for_each(|line| line.extend(part));
            length += part.len();
        }
    }
    lines
}

/// Text in a column of `width` cells: truncated with an ellipsis, or padded with spaces.
pub fn fitted(text: &str, width: usize, ascii: bool) -> String {
    let (mark, mut fitted) = (if ascii { "~" } else { "…" }, String::new());
    let long = Span::raw(text).width() > width;
    let room = if long { width.saturating_sub(1) } else { width };
    for character in text.graphemes(true) {
        if Span::raw(fitted.as_str()).width() + Span::raw(character).width() > room {
            break;
        }
        fitted.push_str(character);
    }
    if long && width > 0 {
        fitted.push_str(mark);
    }
    padded(fitted, width)
}

/// The same, truncated at the start: for names whose end is the more specific part.
pub fn fitted_end(text: &str, width: usize, ascii: bool) -> String {
    let mark = if ascii { "~" } else { "…" };
    if width == 0 {
        return String::new();
    }
    if Span::raw(text).width() <= width {
        return padded(text.to_owned(), width);
    }
    let mut starts = text.grapheme_indices(true).map(|(start, _)| start).chain([text.len()]);
    let start = starts.find(|start| Span::raw(&text[*start..]).width() < width);
    padded(format!("{mark}{}", &text[start.unwrap_or(text.len())..]), width)
}

fn padded(text: String, width: usize) -> String {
    let missing = width.saturating_sub(Span::raw(text.as_str()).width());
    text + &" ".repeat(missing)
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

    #[test]
    fn steps_are_round_in_their_unit() {
        const MIB: f64 = 1024.0 * 1024.0;
        assert_eq!([0.03, 0.5, 7.0, 210.0].map(|rough| Unit::Number.step(rough)), [0.05, 0.5, 10.0, 500.0]);
        assert_eq!([0.03, 0.5, 7.0, 210.0].map(|rough| Unit::Steps.step(rough)), [1.0, 1.0, 10.0, 500.0]);
        assert_eq!(
            [0.3, 90.0 * MIB, 400.0 * MIB, 900.0 * MIB].map(|rough| Unit::Bytes.step(rough)),
            [0.5, 100.0 * MIB, 500.0 * MIB, 1024.0 * MIB]
        );
        assert_eq!(
            [7.0, 100.0, 4000.0, 30_000.0].map(|rough| Unit::Seconds.step(rough)),
            [10.0, 120.0, 7200.0, 43_200.0]
        );
    }

    #[test]
    fn labels_of_an_axis_share_one_unit_and_differ() {
        const MIB: f64 = 1024.0 * 1024.0;
        let labels = |unit: Unit, ticks: &[f64], step| unit.labels(ticks, step).join(" ");
        assert_eq!(labels(Unit::Number, &[0.0, 0.5, 1.0], 0.5), "0.0 0.5 1.0");
        assert_eq!(labels(Unit::Number, &[0.0, 2e-4, 4e-4], 2e-4), "0 2e-4 4e-4");
        assert_eq!(labels(Unit::Number, &[-0.5, 0.0, 10_000.0], 0.5), "-0.5 0.0 10000.0");
        assert_eq!(labels(Unit::Steps, &[0.0, 50.0, 100.0], 50.0), "0 50 100");
        assert_eq!(labels(Unit::Steps, &[0.0, 5000.0, 10_000.0], 5000.0), "0 5k 10k");
        assert_eq!(labels(Unit::Steps, &[100_000.0, 100_010.0], 10.0), "100.00k 100.01k");
        assert_eq!(labels(Unit::Steps, &[1_000_001.0, 1_000_002.0], 1.0), "1000001 1000002");
        assert_eq!(labels(Unit::Percent, &[0.0, 0.05], 0.05), "0.00 % 0.05 %");
        assert_eq!(labels(Unit::Bytes, &[0.0, 500.0 * MIB, 1000.0 * MIB], 500.0 * MIB), "0 MiB 500 MiB 1000 MiB");
        assert_eq!(labels(Unit::Bytes, &[0.0, 1024.0 * MIB], 1024.0 * MIB), "0 GiB 1 GiB");
        assert_eq!(labels(Unit::Seconds, &[0.0, 30.0, 60.0], 30.0), "0:00 0:30 1:00");
        assert_eq!(labels(Unit::Seconds, &[10.0, 20.0], 10.0), "10 s 20 s");
        assert_eq!(labels(Unit::Seconds, &[0.0, 43_200.0, 86_400.0], 43_200.0), "0d 00:00 0d 12:00 1d 00:00");
    }

    #[test]
    fn long_texts_are_truncated_at_either_end() {
        assert_eq!([fitted("query bias", 6, false), fitted("key", 6, false)], ["query…", "key   "]);
        assert_eq!([fitted_end("query bias", 6, true), fitted_end("key", 6, true)], ["~ bias", "key   "]);
        assert_eq!(
            [fitted_end("很好", 3, false), fitted_end("很好", 1, false), fitted_end("a", 0, false)],
            ["…好", "…", ""]
        );
    }

    #[test]
    fn percentages_have_two_decimals_at_most() {
        let values = [0.0, 0.0012, 0.0499, 0.8009, 9.999, 11.52, 99.97, 250.4];
        let shown = ["0 %", "0.001 %", "0.05 %", "0.80 %", "10.0 %", "11.5 %", "100 %", "250 %"];
        assert_eq!(values.map(percent), shown);
    }

    #[test]
    fn lines_break_between_words_and_within_long_ones() {
        assert_eq!(wrapped("one two  three", 7), ["one two", "three"]);
        assert_eq!(wrapped("a /very/long/path", 6), ["a", "/very/", "long/p", "ath"]);
        assert_eq!(wrapped("", 5), [""]);
        assert_eq!(wrapped("ab", 0), ["a", "b"]);
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
