//! JSON as Python's `json.dumps` writes it, which is what transformers gives chat templates as `tojson`.

use minijinja::value::Kwargs;
use serde_json::Value;

/// The options of `tojson`, by the names they have there.
pub(super) struct Style {
    ensure_ascii: bool,
    indent: Option<usize>,
    /// Between items, and between a key and its value.
    separators: (String, String),
    sort_keys: bool,
}

impl Style {
    /// What a template gives; all may be left out.
    ///
    /// # Errors
    /// An option of another name or type.
    pub fn of(options: &Kwargs) -> Result<Style, minijinja::Error> {
        let indent: Option<usize> = options.get("indent")?;
        let separators = match options.get::<Option<Vec<String>>>("separators")?.as_deref() {
            Some([items, keys]) => (items.clone(), keys.clone()),
            _ => (if indent.is_some() { "," } else { ", " }.to_owned(), ": ".to_owned()),
        };
        let given = |name: &str| options.get::<Option<bool>>(name).map(Option::unwrap_or_default);
        let style = Style { ensure_ascii: given("ensure_ascii")?, sort_keys: given("sort_keys")?, indent, separators };
        options.assert_all_used()?;
        Ok(style)
    }
}

/// A value as text.
pub(super) fn of(value: &Value, style: &Style) -> String {
    written(value, style, 1)
}

fn written(value: &Value, style: &Style, depth: usize) -> String {
    match value {
        Value::Array(items) => {
            enclosed(('[', ']'), items.iter().map(|item| written(item, style, depth + 1)).collect(), style, depth)
        }
        Value::Object(fields) => {
            let mut fields: Vec<(&String, &Value)> = fields.iter().collect();
            if style.sort_keys {
                fields.sort_by_key(|(key, _)| *key);
            }
            let field = |(key, value): (&String, &Value)| {
                let key = scalar(&Value::from(key.as_str()), style);
                format!("{key}{}{}", style.separators.1, written(value, style, depth + 1))
            };
            enclosed(('{', '}'), fields.into_iter().map(field).collect(), style, depth)
        }
        value => scalar(value, style),
    }
}

fn enclosed((open, close): (char, char), items: Vec<String>, style: &Style, depth: usize) -> String {
    let between = &style.separators.0;
    match style.indent {
        Some(indent) if !items.is_empty() => {
            let line = |depth: usize| format!("\n{}", " ".repeat(indent * depth));
            let items = items.join(&format!("{between}{}", line(depth)));
            format!("{open}{}{items}{}{close}", line(depth), line(depth - 1))
        }
        _ => format!("{open}{}{close}", items.join(between)),
    }
}

fn scalar(value: &Value, style: &Style) -> String {
    let text = value.to_string();
    if !style.ensure_ascii {
        return text;
    }
    let escaped = |c: char| match c {
        c if c.is_ascii() => c.to_string(),
        c => c.encode_utf16(&mut [0; 2]).iter().map(|unit| format!("\\u{unit:04x}")).collect(),
    };
    text.chars().map(escaped).collect()
}
