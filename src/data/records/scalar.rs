//! Numbers and other single values as text, as Python prints them.

use serde_json::{Number, Value};

/// The text of a float, from the digits that Rust prints: `1e-05` where Rust has `1e-5`.
pub(super) fn float_text(digits: &str) -> String {
    match digits.split_once('e') {
        Some((mantissa, exponent)) => {
            let (sign, exponent) = match exponent.strip_prefix('-') {
                Some(exponent) => ('-', exponent),
                None => ('+', exponent),
            };
            format!("{mantissa}e{sign}{exponent:0>2}")
        }
        None => digits.to_owned(),
    }
}

fn number_text(number: &Number) -> String {
    match number.as_f64() {
        // Debug prints an exponent from the same magnitude on as Python.
        Some(float) if number.is_f64() => float_text(&format!("{float:?}")),
        _ => number.to_string(),
    }
}

/// A single value as text, `None` for null.
///
/// # Errors
/// The value is a list or an object.
pub(super) fn scalar_text(value: Value) -> Result<Option<String>, ()> {
    match value {
        Value::Null => Ok(None),
        Value::String(text) => Ok(Some(text)),
        Value::Number(number) => Ok(Some(number_text(&number))),
        Value::Bool(value) => Ok(Some(value.to_string())),
        Value::Array(_) | Value::Object(_) => Err(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floats_are_printed_as_by_python() {
        for (json, text) in [
            ("0.1", "0.1"),
            ("1.0", "1.0"),
            ("1e5", "100000.0"),
            ("1e16", "1e+16"),
            ("1.5e-7", "1.5e-07"),
            ("-0.0", "-0.0"),
            ("1e-4", "0.0001"),
            ("1e300", "1e+300"),
            ("12345678901234567890", "12345678901234567890"),
        ] {
            assert_eq!(scalar_text(serde_json::from_str(json).unwrap()), Ok(Some(text.to_owned())), "{json}");
        }
    }
}
