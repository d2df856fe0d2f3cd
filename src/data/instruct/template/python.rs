//! Values and methods of strings and lists as in Python, where minijinja and its `pycompat` differ or have none.

use std::fmt::Write;

use minijinja::formatting::{FormatStyle, format};
use minijinja::value::{Tuple, ValueKind, from_args};
use minijinja::{Error, ErrorKind, State, Value};

/// Methods of strings and lists. What is not here is in `pycompat`.
pub(super) fn method(state: &mut State, value: &Value, name: &str, args: &[Value]) -> Result<Value, Error> {
    let own = match (value.as_str(), value.kind()) {
        (Some(text), _) => string_method(state, text, name, args)?,
        (None, ValueKind::Seq) if name == "index" => Some(list_index(value, args)?),
        (None, ValueKind::Map) if name == "copy" => Some(value.clone()),
        _ => None,
    };
    match own {
        Some(result) => Ok(result),
        None => minijinja_contrib::pycompat::unknown_method_callback(state, value, name, args),
    }
}

fn string_method(state: &State, text: &str, name: &str, args: &[Value]) -> Result<Option<Value>, Error> {
    Ok(Some(match name {
        "strip" | "lstrip" | "rstrip" => {
            let (characters,): (Option<&str>,) = from_args(args)?;
            let strips = |c: char| characters.map_or_else(|| is_space(c), |characters| characters.contains(c));
            let (start, end) = (name != "rstrip", name != "lstrip");
            let text = if start { text.trim_start_matches(strips) } else { text };
            Value::from(if end { text.trim_end_matches(strips) } else { text })
        }
        "rsplit" => {
            let (separator, most): (Option<&str>, Option<i64>) = from_args(args)?;
            let most = most.and_then(|most| usize::try_from(most).ok()).unwrap_or(usize::MAX);
            Value::from(rsplit(text, separator, most)?.into_iter().map(Value::from).collect::<Vec<_>>())
        }
        "splitlines" => {
            let (keep_ends,): (Option<bool>,) = from_args(args)?;
            Value::from(lines(text, keep_ends.unwrap_or(false)).into_iter().map(Value::from).collect::<Vec<_>>())
        }
        "index" | "rindex" | "find" | "rfind" => {
            let (part, start, end): (&str, Option<i64>, Option<i64>) = from_args(args)?;
            let (before, within) = slice(text, start, end);
            let found = if name.starts_with('r') { within.rfind(part) } else { within.find(part) };
            match found {
                Some(at) => Value::from(before + within[..at].chars().count()),
                None if name.ends_with("find") => Value::from(-1),
                None => return Err(Error::new(ErrorKind::InvalidOperation, "substring not found")),
            }
        }
        "partition" => {
            let (separator,): (&str,) = from_args(args)?;
            three(text.split_once(separator).map(|(before, after)| [before, separator, after]), [text, "", ""])
        }
        "rpartition" => {
            let (separator,): (&str,) = from_args(args)?;
            three(text.rsplit_once(separator).map(|(before, after)| [before, separator, after]), ["", "", text])
        }
        "removeprefix" => {
            let (prefix,): (&str,) = from_args(args)?;
            Value::from(text.strip_prefix(prefix).unwrap_or(text))
        }
        "removesuffix" => {
            let (suffix,): (&str,) = from_args(args)?;
            Value::from(text.strip_suffix(suffix).unwrap_or(text))
        }
        "title" => {
            let () = from_args(args)?;
            Value::from(title(text))
        }
        "swapcase" => {
            let () = from_args(args)?;
            let swap =
                |c: char| if c.is_uppercase() { c.to_lowercase().to_string() } else { c.to_uppercase().to_string() };
            Value::from(text.chars().map(swap).collect::<String>())
        }
        "ljust" | "rjust" | "center" | "zfill" => {
            let (width, fill): (usize, Option<char>) = from_args(args)?;
            let padding = width.saturating_sub(text.chars().count());
            state.consume_fuel(padding as u64)?;
            Value::from(padded(text, name, padding, fill.unwrap_or(' ')))
        }
        _ => return Ok(None),
    }))
}

fn three(parts: Option<[&str; 3]>, otherwise: [&str; 3]) -> Value {
    Value::from(Tuple::from(parts.unwrap_or(otherwise).map(Value::from)))
}

fn list_index(list: &Value, args: &[Value]) -> Result<Value, Error> {
    let (wanted,): (&Value,) = from_args(args)?;
    match list.try_iter()?.position(|item| item == *wanted) {
        Some(at) => Ok(Value::from(at)),
        None => Err(Error::new(ErrorKind::InvalidOperation, format!("{wanted} is not in the list"))),
    }
}

/// The characters that Python's `str.strip` and `str.split` take for spaces.
pub(super) fn is_space(character: char) -> bool {
    character.is_whitespace() || ('\x1c'..='\x1f').contains(&character)
}

/// Splits from the right, at most `most` times.
fn rsplit<'a>(text: &'a str, separator: Option<&str>, most: usize) -> Result<Vec<&'a str>, Error> {
    let mut parts = Vec::new();
    let mut rest = text;
    match separator {
        Some("") => return Err(Error::new(ErrorKind::InvalidOperation, "empty separator")),
        Some(separator) => {
            while let Some((before, after)) = rest.rsplit_once(separator).filter(|_| parts.len() < most) {
                parts.push(after);
                rest = before;
            }
            parts.push(rest);
        }
        None => {
            rest = rest.trim_end_matches(is_space);
            while parts.len() < most
                && let Some(at) = rest.rfind(is_space)
            {
                let after = rest[at..].trim_start_matches(is_space);
                parts.push(after);
                rest = rest[..at].trim_end_matches(is_space);
            }
            if !rest.is_empty() {
                parts.push(rest);
            }
        }
    }
    parts.reverse();
    Ok(parts)
}

/// Lines by Python's line ends, which are more than `\n`.
fn lines(text: &str, keep_ends: bool) -> Vec<&str> {
    let is_end =
        |c: char| matches!(c, '\n' | '\r' | '\x0b' | '\x0c' | '\x1c'..='\x1e' | '\u{85}' | '\u{2028}' | '\u{2029}');
    let (mut lines, mut rest) = (Vec::new(), text);
    while let Some(at) = rest.find(is_end) {
        let end = match rest[at..].strip_prefix("\r\n") {
            Some(_) => at + 2,
            None => at + rest[at..].chars().next().map_or(1, char::len_utf8),
        };
        lines.push(&rest[..if keep_ends { end } else { at }]);
        rest = &rest[end..];
    }
    if !rest.is_empty() {
        lines.push(rest);
    }
    lines
}

/// `text[start:end]` with the number of characters before it.
fn slice(text: &str, start: Option<i64>, end: Option<i64>) -> (usize, &str) {
    if start.is_none() && end.is_none() {
        return (0, text);
    }
    let length = text.chars().count();
    let index =
        |at: i64| if at < 0 { length.saturating_sub(at.unsigned_abs() as usize) } else { length.min(at as usize) };
    let (start, end) = (start.map_or(0, index), end.map_or(length, index));
    let byte = |at: usize| text.char_indices().nth(at).map_or(text.len(), |(byte, _)| byte);
    (start, &text[byte(start)..byte(end.max(start))])
}

/// Each run of letters with a capital first, as `str.title` writes it: `It'S`.
fn title(text: &str) -> String {
    let (mut result, mut within) = (String::with_capacity(text.len()), false);
    for character in text.chars() {
        match within {
            true => result.extend(character.to_lowercase()),
            false => result.extend(character.to_uppercase()),
        }
        within = character.is_alphabetic();
    }
    result
}

fn padded(text: &str, method: &str, padding: usize, fill: char) -> String {
    let fill = |count: usize| fill.to_string().repeat(count);
    match method {
        "ljust" => text.to_owned() + &fill(padding),
        "rjust" => fill(padding) + text,
        "zfill" => {
            let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
            format!("{}{}{digits}", &text[..text.len() - digits.len()], "0".repeat(padding))
        }
        // CPython puts the odd one left if the width is odd.
        _ => {
            let width = padding + text.chars().count();
            let left = padding / 2 + (padding & width & 1);
            fill(left) + text + &fill(padding - left)
        }
    }
}

/// A float as Python writes it: with an exponent of at least two digits from 1e16 on and below 0.0001.
pub(in crate::data::instruct) fn float(number: f64) -> String {
    if number.is_nan() {
        return "nan".into();
    }
    if number.is_infinite() {
        return if number > 0.0 { "inf" } else { "-inf" }.into();
    }
    let scientific = format!("{number:e}");
    let (digits, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    match exponent.parse::<i32>() {
        Ok(exponent) if !(-4..16).contains(&exponent) => {
            let sign = if exponent < 0 { '-' } else { '+' };
            format!("{digits}e{sign}{:02}", exponent.abs())
        }
        _ => format!("{number:?}"),
    }
}

/// `str(value)`: floats as [`float`] writes them, also within lists and dictionaries.
pub(super) fn text(value: &Value) -> String {
    match value.kind() {
        ValueKind::Seq | ValueKind::Map | ValueKind::Number => repr(value),
        _ => value.to_string(),
    }
}

fn repr(value: &Value) -> String {
    let items = |value: &Value| -> Vec<Value> { value.try_iter().map(Iterator::collect).unwrap_or_default() };
    match value.kind() {
        ValueKind::Number if !value.is_integer() => {
            f64::try_from(value.clone()).map_or_else(|_| value.to_string(), float)
        }
        ValueKind::Seq => {
            let items: Vec<String> = items(value).iter().map(repr).collect();
            match (value.is_tuple(), items.as_slice()) {
                (false, items) => format!("[{}]", items.join(", ")),
                (true, [item]) => format!("({item},)"),
                (true, items) => format!("({})", items.join(", ")),
            }
        }
        ValueKind::Map => {
            let field = |key: &Value| {
                let value = value.get_item(key).unwrap_or_default();
                format!("{}: {}", repr(key), repr(&value))
            };
            format!("{{{}}}", items(value).iter().map(field).collect::<Vec<_>>().join(", "))
        }
        ValueKind::Undefined => "Undefined".into(),
        // Within a list minijinja quotes strings as Python does.
        ValueKind::String => {
            let list = Value::from(vec![value.clone()]).to_string();
            list.get(1..list.len() - 1).unwrap_or(&list).to_owned()
        }
        _ => value.to_string(),
    }
}

/// `"…" % args`. Lists and dictionaries are only ever written as text.
pub(super) fn printf(text: &str, args: &[Value]) -> Result<String, Error> {
    let written = |value: &Value| match value.kind() {
        ValueKind::Seq => Value::from(self::text(value)),
        _ => value.clone(),
    };
    format(FormatStyle::Printf, text, &args.iter().map(written).collect::<Vec<_>>())
}

/// HTML escapes as MarkupSafe writes them.
pub(super) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        let _ = match character {
            '&' => escaped.write_str("&amp;"),
            '<' => escaped.write_str("&lt;"),
            '>' => escaped.write_str("&gt;"),
            '"' => escaped.write_str("&#34;"),
            '\'' => escaped.write_str("&#39;"),
            other => escaped.write_char(other),
        };
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floats_are_written_as_in_python() {
        for (number, expected) in [
            (1e16, "1e+16"),
            (1e15, "1000000000000000.0"),
            (1.5e-7, "1.5e-07"),
            (0.0001, "0.0001"),
            (0.00001, "1e-05"),
            (-2.5, "-2.5"),
            (1.2345678901234568e17, "1.2345678901234568e+17"),
            (1e300, "1e+300"),
            (f64::NAN, "nan"),
            (-0.0, "-0.0"),
        ] {
            assert_eq!(float(number), expected);
        }
    }

    #[test]
    fn strings_are_split_from_the_right() {
        assert_eq!(rsplit("a,b,,c", Some(","), 1).unwrap(), ["a,b,", "c"]);
        assert_eq!(rsplit("a,b", Some(","), usize::MAX).unwrap(), ["a", "b"]);
        assert_eq!(rsplit("  a b  c ", None, 1).unwrap(), ["  a b", "c"]);
        assert_eq!(rsplit("  a b  c ", None, 9).unwrap(), ["a", "b", "c"]);
        assert_eq!(lines("a\r\nb\rc\u{2028}d\n", false), ["a", "b", "c", "d"]);
    }
}
