//! The types of a preset's values, with their bounds: reading checks them, and the screen picks the editor by them.

use std::fmt;
use std::ops::{Bound, RangeBounds};

use toml::Value;

/// The type of a key's value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum KeyKind {
    /// A line of text.
    Text,
    /// A path, or a list of paths.
    Paths,
    /// A list of texts, which may hold commas.
    Texts,
    /// A list of names. Typed text may separate them with commas.
    Names,
    /// The same, where each name is part of the names of a model's parameters.
    Modules,
    /// A table of strings.
    Table,
    /// `true` or `false`.
    Boolean,
    /// A whole number.
    Integer {
        /// The least.
        from: u64,
        /// The largest.
        to: u64,
    },
    /// A whole number, or [`AUTO`].
    IntegerOrAuto {
        /// The least.
        from: u64,
        /// The largest.
        to: u64,
    },
    /// A number.
    Number {
        /// The lower bound.
        from: Bound<f64>,
        /// The upper bound.
        to: Bound<f64>,
        /// What the keys left and right do.
        step: NumberStep,
    },
    /// One of these.
    Choice(&'static [Choice]),
}

/// The value that is chosen for the device.
pub const AUTO: &str = "auto";

/// How the keys left and right change a number.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum NumberStep {
    /// By this much.
    By(f64),
    /// To the next of 1, 2, 5, 10, 20, …
    OneTwoFive {
        /// The exponent of the least power of ten above 0.
        least: i32,
    },
}

/// A value of a key that has few.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Choice {
    /// As in a preset.
    pub name: &'static str,
    /// A line about it.
    pub help: &'static str,
}

impl KeyKind {
    /// The value of typed text: TOML, or else a string; lists of names may also be typed as `query, value`.
    pub(super) fn parse(self, text: &str) -> Value {
        let value = parse_typed(text);
        match (self, value) {
            (KeyKind::Names | KeyKind::Modules, Value::String(name)) => names(text, name),
            (KeyKind::Texts, Value::String(text)) => Value::Array(vec![Value::String(text)]),
            (_, value) => value,
        }
    }

    /// Whether it is a whole number and this one lies within the bounds.
    pub(super) fn has_integer(self, number: u64) -> bool {
        match self {
            KeyKind::Integer { from, to } | KeyKind::IntegerOrAuto { from, to } => (from..=to).contains(&number),
            _ => false,
        }
    }

    /// Whether a number lies within the bounds.
    pub fn contains(self, number: f64) -> bool {
        match self {
            KeyKind::Integer { from, to } | KeyKind::IntegerOrAuto { from, to } => {
                (from as f64..=to as f64).contains(&number)
            }
            KeyKind::Number { from, to, .. } => (from, to).contains(&number),
            _ => true,
        }
    }
}

/// The value of typed text: TOML, or else a string.
pub(super) fn parse_typed(text: &str) -> Value {
    let parsed = format!("value = {text}").parse::<toml::Table>().ok().and_then(|mut table| table.remove("value"));
    parsed.unwrap_or_else(|| Value::String(text.to_owned()))
}

/// The names in typed text that is no TOML value, or that is the one string `name`.
fn names(text: &str, name: String) -> Value {
    let list = |text: &str| format!("value = [{text}]").parse::<toml::Table>().ok()?.remove("value");
    if name != text {
        // A quoted string: one name, whatever it holds.
        return Value::Array(vec![Value::String(name)]);
    }
    list(text).unwrap_or_else(|| {
        let inside = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
        let parts = inside.split(',').map(|part| part.trim().trim_matches(['"', '\'']).trim());
        Value::Array(parts.filter(|part| !part.is_empty()).map(|part| Value::String(part.to_owned())).collect())
    })
}

impl fmt::Display for KeyKind {
    /// What an error expects: `a whole number from 0 to 9`, `f32 or bf16`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use Bound::{Excluded, Included, Unbounded};
        match *self {
            KeyKind::Text => write!(f, "a string"),
            KeyKind::Paths => write!(f, "a string or a list of strings"),
            KeyKind::Texts | KeyKind::Names | KeyKind::Modules => write!(f, "a list of strings"),
            KeyKind::Table => write!(f, "a table of strings, such as {{ instruction = \"question\" }}"),
            KeyKind::Boolean => write!(f, "true or false"),
            KeyKind::Integer { from, to } => write!(f, "a whole number from {from} to {to}"),
            KeyKind::IntegerOrAuto { from, to } => write!(f, "a whole number from {from} to {to}, or \"{AUTO}\""),
            KeyKind::Number { from, to, .. } => match (from, to) {
                (Included(from), Included(to)) => write!(f, "a number from {from} to {to}"),
                (Included(from), Excluded(to)) => write!(f, "a number from {from} to below {to}"),
                (Excluded(from), Included(to)) => write!(f, "a number above {from} and at most {to}"),
                (Excluded(from), Excluded(to)) => write!(f, "a number above {from} and below {to}"),
                (Included(from), Unbounded) => write!(f, "a number of at least {from}"),
                (Excluded(from), Unbounded) => write!(f, "a number above {from}"),
                (Unbounded, Included(to)) => write!(f, "a number of at most {to}"),
                (Unbounded, Excluded(to)) => write!(f, "a number below {to}"),
                (Unbounded, Unbounded) => write!(f, "a number"),
            },
            KeyKind::Choice(choices) => match choices.split_last() {
                Some((last, others)) => {
                    let others: Vec<&str> = others.iter().map(|choice| choice.name).collect();
                    write!(f, "{} or {}", others.join(", "), last.name)
                }
                None => Ok(()),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_may_be_typed_with_commas_or_as_toml() {
        let names = |text: &str| match KeyKind::Names.parse(text) {
            Value::Array(names) => names.iter().map(|name| name.as_str().unwrap_or("?").to_owned()).collect::<Vec<_>>(),
            other => panic!("{text}: {other}"),
        };
        for text in [
            "query, value",
            "query,value",
            "[\"query\", \"value\"]",
            "\"query\", 'value'",
            "[query, value]",
            "query,,value,",
        ] {
            assert_eq!(names(text), ["query", "value"], "{text}");
        }
        assert_eq!(names("query"), ["query"]);
        assert_eq!(names("\"a, b\""), ["a, b"]);
        assert_eq!(names("[]"), Vec::<String>::new());
        assert_eq!(KeyKind::Names.parse("3"), Value::Integer(3), "which reading refuses");
        assert_eq!(KeyKind::Texts.parse("Well, well"), Value::Array(vec![Value::String("Well, well".into())]));
        assert_eq!(KeyKind::Text.parse("query, value"), Value::String("query, value".into()));
    }

    proptest! {
        #[test]
        fn names_without_special_characters_are_read_back(list in prop::collection::vec("[a-z_][a-z0-9_.]{0,8}", 1..6)) {
            // `true`, `inf` and the like are TOML of their own.
            prop_assume!(list.len() > 1 || list[0].parse::<f64>().is_err() && !["true", "false"].contains(&list[0].as_str()));
            prop_assume!(list.iter().all(|name| !["true", "false", "inf", "nan"].contains(&name.as_str())));
            let expected = Value::Array(list.iter().map(|name| Value::String(name.clone())).collect());
            prop_assert_eq!(KeyKind::Names.parse(&list.join(", ")), expected.clone());
            prop_assert_eq!(KeyKind::Names.parse(&list.join(",")), expected);
        }
    }
}
