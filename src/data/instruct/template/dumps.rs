//! JSON in the format of Python's `json.dumps`, which transformers provides to chat templates as `tojson`.

use minijinja::value::Kwargs;
use serde_json::Value;

use super::python::float;

/// The options of `tojson`.
pub(super) struct DumpOptions {
    ensure_ascii: bool,
    indent: Option<usize>,
    /// Between items, and between a key and its value.
    separators: (String, String),
    sort_keys: bool,
}

impl DumpOptions {
    /// From the keyword arguments of a template; all are optional.
    ///
    /// # Errors
    /// An unknown option, or one of the wrong type.
    pub fn from_kwargs(kwargs: &Kwargs) -> Result<DumpOptions, minijinja::Error> {
        let indent: Option<usize> = kwargs.get("indent")?;
        let separators = match kwargs.get::<Option<Vec<String>>>("separators")?.as_deref() {
            Some([items, keys]) => (items.clone(), keys.clone()),
            _ => (if indent.is_some() { "," } else { ", " }.to_owned(), ": ".to_owned()),
        };
        let given = |name: &str| kwargs.get::<Option<bool>>(name).map(Option::unwrap_or_default);
        let options =
            DumpOptions { ensure_ascii: given("ensure_ascii")?, sort_keys: given("sort_keys")?, indent, separators };
        kwargs.assert_all_used()?;
        Ok(options)
    }
}

/// JSON as `json.dumps(value, ensure_ascii=False)` writes it.
pub(in crate::data::instruct) fn python_json(value: &Value) -> String {
    let separators = (", ".to_owned(), ": ".to_owned());
    dumps(value, &DumpOptions { ensure_ascii: false, indent: None, separators, sort_keys: false })
}

pub(super) fn dumps(value: &Value, options: &DumpOptions) -> String {
    nested(value, options, 1)
}

fn nested(value: &Value, options: &DumpOptions, depth: usize) -> String {
    match value {
        Value::Array(items) => {
            enclosed(('[', ']'), items.iter().map(|item| nested(item, options, depth + 1)).collect(), options, depth)
        }
        Value::Object(fields) => {
            let mut fields: Vec<(&String, &Value)> = fields.iter().collect();
            if options.sort_keys {
                fields.sort_by_key(|(key, _)| *key);
            }
            let field = |(key, value): (&String, &Value)| {
                let key = scalar(&Value::from(key.as_str()), options);
                format!("{key}{}{}", options.separators.1, nested(value, options, depth + 1))
            };
            enclosed(('{', '}'), fields.into_iter().map(field).collect(), options, depth)
        }
        value => scalar(value, options),
    }
}

fn enclosed((open, close): (char, char), items: Vec<String>, options: &DumpOptions, depth: usize) -> String {
    let between = &options.separators.0;
    match options.indent {
        Some(indent) if !items.is_empty() => {
            let line = |depth: usize| format!("\n{}", " ".repeat(indent * depth));
            let items = items.join(&format!("{between}{}", line(depth)));
            format!("{open}{}{items}{}{close}", line(depth), line(depth - 1))
        }
        _ => format!("{open}{}{close}", items.join(between)),
    }
}

fn scalar(value: &Value, options: &DumpOptions) -> String {
    let text = match value {
        Value::Number(number) if number.is_f64() => number.as_f64().map_or_else(|| value.to_string(), float),
        value => value.to_string(),
    };
    if !options.ensure_ascii {
        return text;
    }
    let escaped = |c: char| match c {
        c if c.is_ascii() => c.to_string(),
        c => c.encode_utf16(&mut [0; 2]).iter().map(|unit| format!("\\u{unit:04x}")).collect(),
    };
    text.chars().map(escaped).collect()
}
