//! Numbers as people read them on a chart, short and with units, and texts that have to fit. Pure.

use std::time::SystemTime;

use ratatui::text::Span;
use unicode_segmentation::UnicodeSegmentation;

pub use crate::estimate::bytes;
pub(crate) use crate::headless::grouped;

/// What a number counts: how it reads, and which steps between two of it are round.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    Number,
    /// Of which there are whole ones only.
    Steps,
    Percent,
    Bytes,
    Seconds,
}

impl Unit {
    /// A value as text.
    pub fn text(self, value: f64) -> String {
        match self {
            Unit::Number | Unit::Steps => number(value),
            Unit::Percent => percent(value),
            Unit::Bytes => bytes(value),
            Unit::Seconds => duration(value),
        }
    }

    /// The least round step that is not below `rough`.
    pub fn step(self, rough: f64) -> f64 {
        match self {
            Unit::Number | Unit::Percent => round_step(rough),
            Unit::Steps => round_step(rough.max(1.0)),
            Unit::Bytes => {
                let unit = 1024f64.powf((rough.max(1.0).ln() / 1024f64.ln()).floor());
                // Of 512 on, the next unit is rounder.
                let step = round_step(rough / unit) * unit;
                if step > unit * 500.0 { unit * 1024.0 } else { step }
            }
            Unit::Seconds => {
                const STEPS: [f64; 14] =
                    [1.0, 2.0, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1200.0, 1800.0, 3600.0, 7200.0];
                const HOUR: f64 = 3600.0;
                let step = STEPS.into_iter().find(|step| *step >= rough * 0.999);
                step.unwrap_or_else(|| round_step(rough / (6.0 * HOUR)) * 6.0 * HOUR)
            }
        }
    }
}

/// 1, 2 or 5 times a power of ten, at least as large.
fn round_step(rough: f64) -> f64 {
    let power = 10f64.powf(rough.max(f64::MIN_POSITIVE).log10().floor());
    let steps = [1.0, 2.0, 5.0, 10.0].into_iter().map(|step| step * power);
    steps.into_iter().find(|step| *step >= rough * 0.999).unwrap_or(power * 10.0)
}

/// Four significant digits at most, and a prefix for thousands: `0.3012`, `28.4k`, `1.2e-5`.
pub fn number(value: f64) -> String {
    if !value.is_finite() {
        return if value.is_nan() { "NaN" } else { "inf" }.into();
    }
    let size = value.abs();
    match size {
        0.0 => "0".into(),
        _ if !(1e-3..1e12).contains(&size) => short(&format!("{value:.2e}")),
        _ if size >= 1e9 => format!("{}G", digits(value / 1e9)),
        _ if size >= 1e6 => format!("{}M", digits(value / 1e6)),
        _ if size >= 1e4 => format!("{}k", digits(value / 1e3)),
        _ => digits(value),
    }
}

/// A metric: `0.8633`.
pub fn score(value: f64) -> String {
    format!("{value:.4}")
}

/// `12.3 %`.
pub fn percent(value: f64) -> String {
    format!("{} %", digits(value))
}

/// `8 s`, `1:02`, `3:04:05`, `2d 03:04`.
pub fn duration(seconds: f64) -> String {
    let whole = seconds.max(0.0).round() as u64;
    let (days, hours, minutes, rest) = (whole / 86_400, whole / 3600 % 24, whole / 60 % 60, whole % 60);
    match (days, hours) {
        (0, 0) if minutes == 0 => format!("{rest} s"),
        (0, 0) => format!("{minutes}:{rest:02}"),
        (0, _) => format!("{hours}:{minutes:02}:{rest:02}"),
        _ => format!("{days}d {hours:02}:{minutes:02}"),
    }
}

/// How long ago something was: `now`, `12 min`, `7 h`, `3 d`, `5 mo`, `2 y`.
pub fn age(now: SystemTime, then: SystemTime) -> String {
    const MINUTE: u64 = 60;
    const HOUR: u64 = 60 * MINUTE;
    const DAY: u64 = 24 * HOUR;
    // A clock that was put back makes it now.
    let seconds = now.duration_since(then).map_or(0, |age| age.as_secs());
    match seconds {
        0..MINUTE => "now".into(),
        MINUTE..HOUR => format!("{} min", seconds / MINUTE),
        HOUR..172_800 => format!("{} h", seconds / HOUR),
        172_800..5_184_000 => format!("{} d", seconds / DAY),
        5_184_000..63_072_000 => format!("{} mo", seconds / (30 * DAY)),
        _ => format!("{} y", seconds / (365 * DAY)),
    }
}

/// Text without control characters, which could move the cursor or worse.
pub fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// A text in lines of at most so many letters, broken between words where it can be.
pub fn wrapped(text: &str, width: usize) -> Vec<String> {
    let width = width.max(1);
    let mut lines = vec![String::new()];
    let mut length = 0;
    for word in text.split_whitespace() {
        // A word that is longer than a line, such as a path, goes on in the next.
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

/// Text in a column of this width: cut with a mark where it is longer, filled up where it is shorter.
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
    let filled = width.saturating_sub(Span::raw(fitted.as_str()).width());
    fitted + &" ".repeat(filled)
}

/// Four significant digits without zeros at the end.
fn digits(value: f64) -> String {
    let before = value.abs().log10().floor().max(0.0) as usize + 1;
    let text = format!("{value:.*}", 4usize.saturating_sub(before));
    short(&text)
}

/// Without zeros at the end of the fraction.
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
    fn texts_are_broken_between_words_and_long_words_within() {
        assert_eq!(wrapped("one two  three", 7), ["one two", "three"]);
        assert_eq!(wrapped("a /very/long/path", 6), ["a", "/very/", "long/p", "ath"]);
        assert_eq!(wrapped("", 5), [""]);
        assert_eq!(wrapped("ab", 0), ["a", "b"]);
    }

    #[test]
    fn numbers_are_short() {
        let cases = [0.0, 0.30123, 1.0, -2.5, 9999.0, 28_416.0, 3_548_160.0, 1.23e-5, 7e-5, 1e15, f64::NAN];
        let shown = ["0", "0.301", "1", "-2.5", "9999", "28.42k", "3.548M", "1.23e-5", "7e-5", "1e15", "NaN"];
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
