//! JSON objects as Python's `json` reads them: with NaN, Infinity and halves of surrogate pairs, which JSON does not have.

use std::borrow::Cow;

use serde_json::error::Category;
use serde_json::{Map, Value};

use super::remarks::Remark;

/// An object, and what is remarkable about it.
#[derive(Debug)]
pub(super) struct ParsedObject {
    pub fields: Map<String, Value>,
    pub remark: Option<Remark>,
}

/// What is wrong with a text, and where in it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct JsonError {
    pub message: String,
    /// From 1.
    pub line: u64,
    /// In characters, from 1.
    pub column: u64,
    pub kind: JsonErrorKind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum JsonErrorKind {
    /// No JSON.
    Syntax,
    /// The text ends too early.
    Incomplete,
    /// JSON, but not an object.
    OtherType,
}

/// Reads an object. NaN becomes null, as pandas has it; Infinity becomes the text `inf`, as Python prints it.
pub(super) fn parse(text: &str) -> Result<ParsedObject, JsonError> {
    let error = match serde_json::from_str(text) {
        Ok(fields) => return Ok(ParsedObject { fields, remark: None }),
        Err(error) => error,
    };
    let standard = Standard::of(text);
    match &standard.text {
        Cow::Borrowed(_) => Err(standard.error(text, &error)),
        Cow::Owned(rewritten) => match serde_json::from_str(rewritten) {
            Ok(fields) => Ok(ParsedObject { fields, remark: standard.lone_surrogate.then_some(Remark::LoneSurrogate) }),
            Err(error) => Err(standard.error(text, &error)),
        },
    }
}

/// A text with what Python accepts beyond the standard replaced: by as many bytes, except for NaN.
struct Standard<'a> {
    text: Cow<'a, str>,
    lone_surrogate: bool,
    /// Ends of the nulls that replace a NaN: each has a byte more than that.
    longer: Vec<usize>,
}

impl<'a> Standard<'a> {
    fn of(text: &'a str) -> Standard<'a> {
        let mut standard = Standard { text: Cow::Borrowed(text), lone_surrogate: false, longer: Vec::new() };
        let (mut written, mut copied, mut at) = (String::new(), 0, 0);
        let mut in_string = false;
        while at < text.len() {
            let rest = &text.as_bytes()[at..];
            let (length, replacement) = match rest {
                [b'"', ..] => {
                    in_string = !in_string;
                    (1, None)
                }
                [b'\\', b'u', ..] if in_string => match surrogates(rest) {
                    Surrogates::None => (2, None),
                    Surrogates::Pair => (12, None),
                    Surrogates::Lone => {
                        standard.lone_surrogate = true;
                        (6, Some("\\ufffd"))
                    }
                },
                [b'\\', _, ..] if in_string => (2, None),
                [b'N', b'a', b'N', ..] if !in_string => (3, Some("null")),
                _ if !in_string && rest.starts_with(b"Infinity") => (8, Some("\"inf\"   ")),
                _ if !in_string && rest.starts_with(b"-Infinity") => (9, Some("\"-inf\"   ")),
                _ => (1, None),
            };
            if let Some(replacement) = replacement {
                written += &text[copied..at];
                written += replacement;
                copied = at + length;
                if replacement.len() > length {
                    standard.longer.push(written.len());
                }
            }
            at += length;
        }
        if copied > 0 {
            written += &text[copied..];
            standard.text = Cow::Owned(written);
        }
        standard
    }

    /// The error with its place in the original text.
    fn error(&self, original: &str, error: &serde_json::Error) -> JsonError {
        let lines = self.text.split_inclusive('\n');
        let line_start: usize = lines.take(error.line().saturating_sub(1)).map(str::len).sum();
        // The column is that of the last byte that was read; at the end of the text nothing follows it.
        let offset = line_start + error.column() - usize::from(!error.is_eof() && error.column() > 0);
        let offset = offset - self.longer.iter().filter(|end| **end <= offset).count();
        let mut before = original.as_bytes().get(..offset).unwrap_or(original.as_bytes());
        let message = error.to_string();
        let mut message = message.split(" at line ").next().unwrap_or_default();
        if message == "expected ident" {
            // The word began like true, false or null: the error is about all of it.
            let letters = before.iter().rev().take_while(|byte| byte.is_ascii_alphabetic()).count();
            before = &before[..before.len() - letters];
            message = "expected value";
        }
        if error.is_data() {
            before = &original.as_bytes()[..original.len() - original.trim_start().len()];
            message = message.split_once(": ").map_or(message, |(_, found)| found);
            message = message.split_once(", expected").map_or(message, |(found, _)| found);
        }
        let column = before.iter().rev().take_while(|byte| **byte != b'\n').filter(|byte| starts_char(**byte)).count();
        JsonError {
            message: message.to_owned(),
            line: 1 + before.iter().filter(|byte| **byte == b'\n').count() as u64,
            column: 1 + column as u64,
            kind: match error.classify() {
                Category::Eof => JsonErrorKind::Incomplete,
                Category::Data => JsonErrorKind::OtherType,
                Category::Syntax | Category::Io => JsonErrorKind::Syntax,
            },
        }
    }
}

/// Whether a byte of UTF-8 begins a character.
pub(super) fn starts_char(byte: u8) -> bool {
    byte & 0xc0 != 0x80
}

enum Surrogates {
    None,
    Pair,
    Lone,
}

/// What the escape at the beginning of the text, `\u` and four digits, is.
fn surrogates(text: &[u8]) -> Surrogates {
    match (escaped(text), text.get(6..).and_then(escaped)) {
        (Some(0xd800..=0xdbff), Some(0xdc00..=0xdfff)) => Surrogates::Pair,
        (Some(0xd800..=0xdfff), _) => Surrogates::Lone,
        _ => Surrogates::None,
    }
}

fn escaped(text: &[u8]) -> Option<u16> {
    let digits = text.strip_prefix(b"\\u")?.get(..4)?;
    let digits =
        std::str::from_utf8(digits).ok().filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()))?;
    u16::from_str_radix(digits, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(text: &str) -> String {
        serde_json::to_string(&parse(text).unwrap().fields).unwrap()
    }

    #[test]
    fn what_python_accepts_is_read() {
        for (text, expected) in [
            (r#"{"a": NaN, "b": [1, NaN]}"#, r#"{"a":null,"b":[1,null]}"#),
            (r#"{"a": Infinity, "b": -Infinity}"#, r#"{"a":"inf","b":"-inf"}"#),
            (r#"{"NaN": "NaN \" Infinity", "x": NaN}"#, r#"{"NaN":"NaN \" Infinity","x":null}"#),
            (r#"{"a": "x \ud83d y"}"#, "{\"a\":\"x \u{fffd} y\"}"),
            (r#"{"a": "\ud83d\ude00 \ude00\\ud83d"}"#, "{\"a\":\"😀 \u{fffd}\\\\ud83d\"}"),
            (r#"{"a": 1, "a": 2}"#, r#"{"a":2}"#),
        ] {
            assert_eq!(fields(text), expected, "{text}");
        }
        assert_eq!(parse(r#"{"a": "\udc00"}"#).unwrap().remark, Some(Remark::LoneSurrogate));
        assert_eq!(parse(r#"{"a": "\ud83d\ude00", "b": NaN}"#).unwrap().remark, None);
    }

    #[test]
    fn errors_have_their_place() {
        for (text, line, column) in [
            (r#"{"a": nope}"#, 1, 7),
            (r#"{"é": NaN, "b": NaN, "c": NaN, "d": nope}"#, 1, 37),
            ("{\"a\": NaN,\n \"b\": 1 2}", 2, 9),
            (r#"{"a": 1} x"#, 1, 10),
            (r#"{"a": "\ud83d", "b" 1}"#, 1, 21),
        ] {
            let error = parse(text).unwrap_err();
            assert_eq!((error.line, error.column), (line, column), "{text}: {error:?}");
        }
        let error = parse(r#"{"a": "b"#).unwrap_err();
        assert!(error.kind == JsonErrorKind::Incomplete && error.message == "EOF while parsing a string", "{error:?}");
        assert!(parse(&"[".repeat(100_000)).is_err() && parse(&"{\"a\":".repeat(100_000)).is_err());
    }
}
