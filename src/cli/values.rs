//! Parsers of option values. A value that is not valid is a usage error that says what was expected.

use crate::Usage;
use crate::bench::Method;
use crate::data::instruct::InstructionFormat;

/// A number above 0.
pub(super) fn positive(text: &str) -> Result<f64, Usage> {
    number(text, "a number above 0", |number| number > 0.0)
}

/// A number of 0 or more.
pub(super) fn non_negative(text: &str) -> Result<f64, Usage> {
    number(text, "a number of 0 or more", |number| number >= 0.0)
}

/// A number above 0 and at most 1.
pub(super) fn fraction(text: &str) -> Result<f64, Usage> {
    number(text, "a number above 0 and at most 1", |number| number > 0.0 && number <= 1.0)
}

/// Bytes from `24G`, `24GiB` or `500M` (powers of 1024).
pub(super) fn size(text: &str) -> Result<u64, Usage> {
    let wrong = || Usage(format!("expected a number with M, G or T, such as 24G; got {text:?}"));
    let text = text.trim().trim_end_matches(['b', 'B']).trim_end_matches('i');
    let power = match text.chars().last().map(|unit| unit.to_ascii_uppercase()) {
        Some('M') => 20,
        Some('G') => 30,
        Some('T') => 40,
        _ => return Err(wrong()),
    };
    let number: f64 = text[..text.len() - 1].trim().parse().map_err(|_| wrong())?;
    let bytes = number * (1u64 << power) as f64;
    if (1.0..1e18).contains(&bytes) { Ok(bytes as u64) } else { Err(wrong()) }
}

/// The name of a data format for language models.
pub(super) fn format(name: &str) -> Result<InstructionFormat, Usage> {
    one_of(name, &InstructionFormat::NAMES)
}

/// The name of a benchmark's method.
pub(super) fn method(name: &str) -> Result<Method, Usage> {
    one_of(name, &Method::ALL.map(|method| (method.name(), method)))
}

fn one_of<T: Copy>(name: &str, known: &[(&str, T)]) -> Result<T, Usage> {
    let found = known.iter().find(|(known, _)| *known == name).map(|(_, value)| *value);
    found.ok_or_else(|| {
        let names: Vec<&str> = known.iter().map(|(name, _)| *name).collect();
        Usage(format!("expected one of {}", names.join(", ")))
    })
}

fn number(text: &str, expected: &str, valid: impl Fn(f64) -> bool) -> Result<f64, Usage> {
    let number = text.parse().ok().filter(|number: &f64| number.is_finite() && valid(*number));
    number.ok_or_else(|| Usage(format!("expected {expected}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_with_units_are_parsed() {
        assert_eq!(size("24G").unwrap(), 24 << 30);
        assert_eq!(size("1.5GiB").unwrap(), 3 << 29);
        assert_eq!(size("500 mb").unwrap(), 500 << 20);
        for wrong in ["", "24", "G", "-1G", "xG", "1e30T", "ü"] {
            assert!(size(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn numbers_outside_their_range_are_refused() {
        assert!(positive("0").is_err() && positive("1e-9").is_ok() && positive("inf").is_err());
        assert!(non_negative("0").is_ok() && non_negative("-1").is_err() && non_negative("NaN").is_err());
        assert!(fraction("1").is_ok() && fraction("1.1").is_err() && fraction("0").is_err());
    }

    #[test]
    fn names_are_listed_where_one_is_wrong() {
        assert_eq!(method("sift-sampled").unwrap(), Method::SiftSampled);
        assert!(format("alpca").unwrap_err().to_string().contains("alpaca"));
    }
}
