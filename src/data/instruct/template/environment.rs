//! The Jinja environment of chat templates: what transformers' has, on minijinja.

use std::fmt;

use anyhow::Result;
use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Kwargs, Rest, ValueKind};
use minijinja::{Environment, Error, ErrorKind, State, UndefinedBehavior, Value};

use super::dumps::{DumpOptions, dumps};
use super::python;

/// Limit on the instructions of one rendering. A message takes some hundred.
const MAX_STEPS: u64 = 10_000_000;

/// The exception of a template that calls `raise_exception`.
#[derive(Debug)]
pub(super) struct Raised;

impl fmt::Display for Raised {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("raised by the template")
    }
}

impl std::error::Error for Raised {}

/// An environment without templates.
pub(super) fn environment() -> Result<Environment<'static>> {
    let mut environment = Environment::new();
    environment.set_syntax(SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build()?);
    environment.set_undefined_behavior(UndefinedBehavior::Lenient);
    environment.set_fuel(Some(MAX_STEPS));
    environment.set_unknown_method_callback(python::method);
    environment.set_formatter(|out, _, value| {
        if value.is_undefined() {
            return Ok(());
        }
        out.write_str(&python::text(value)).map_err(|_| Error::from(ErrorKind::WriteFailure))
    });
    add_functions(&mut environment);
    add_filters(&mut environment);
    // In Python a string and a dictionary have a length and items too.
    let is_sequence = |value: &Value| {
        value.is_undefined() || matches!(value.kind(), ValueKind::Seq | ValueKind::Map | ValueKind::String)
    };
    environment.add_test("sequence", is_sequence);
    environment.add_test("iterable", |value: &Value| !value.is_none() && value.try_iter().is_ok());
    environment.add_test("integer", |value: &Value| value.is_integer() && value.kind() == ValueKind::Number);
    Ok(environment)
}

fn add_functions(environment: &mut Environment) {
    environment.add_function("raise_exception", |message: String| -> Result<Value, Error> {
        Err(Error::new(ErrorKind::InvalidOperation, message).with_source(Raised))
    });
    environment.add_function("strftime_now", |format: String| -> Result<String, Error> {
        jiff::fmt::strtime::format(&format, &jiff::Zoned::now())
            .map_err(|error| Error::new(ErrorKind::InvalidOperation, error.to_string()))
    });
    environment.add_function("cycler", |items: Rest<Value>| minijinja_contrib::globals::cycler(items.to_vec()));
    environment.add_function("joiner", minijinja_contrib::globals::joiner);
}

fn add_filters(environment: &mut Environment) {
    environment.add_filter("tojson", |value: Value, options: Kwargs| -> Result<String, Error> {
        let json = serde_json::to_value(&value);
        let json = json.map_err(|error| Error::new(ErrorKind::BadSerialization, error.to_string()))?;
        Ok(dumps(&json, &DumpOptions::from_kwargs(&options)?))
    });
    environment.add_filter("string", |value: &Value| python::text(value));
    environment.add_filter("trim", |state: &mut State, value: &Value, characters: Option<Value>| {
        let text = Value::from(python::text(value));
        python::method(state, &text, "strip", characters.as_slice())
    });
    environment.add_filter("format", |text: &str, arguments: Rest<Value>| python::printf(text, &arguments));
    for name in ["escape", "e"] {
        environment.add_filter(name, |value: &Value| python::escape(&python::text(value)));
    }
    for name in ["default", "d"] {
        environment.add_filter(name, |value: Value, other: Option<Value>, if_false: Option<bool>, options: Kwargs| {
            let if_false = if_false.or(options.get::<Option<bool>>("boolean")?).unwrap_or_default();
            let other = other.or(options.get::<Option<Value>>("default_value")?).unwrap_or_else(|| Value::from(""));
            options.assert_all_used()?;
            Ok::<Value, Error>(if value.is_undefined() || (if_false && !value.is_true()) { other } else { value })
        });
    }
    environment.add_filter("int", |value: &Value, default: Option<i64>| integer(value).unwrap_or(default.unwrap_or(0)));
    environment
        .add_filter("float", |value: &Value, default: Option<f64>| number(value).unwrap_or(default.unwrap_or(0.0)));
    environment.add_filter("wordcount", |text: &str| {
        let within = |c: char| c.is_alphanumeric() || c == '_';
        text.split(|c| !within(c)).filter(|word| !word.is_empty()).count()
    });
    environment.add_filter("center", |state: &mut State, value: &Value, width: Option<usize>| {
        python::method(state, &Value::from(python::text(value)), "center", &[Value::from(width.unwrap_or(80))])
    });
}

/// `int(value)`, also of a text with a fraction.
fn integer(value: &Value) -> Option<i64> {
    let text = || value.as_str().map(str::trim);
    i64::try_from(value.clone())
        .ok()
        .or_else(|| text()?.parse().ok())
        .or_else(|| number(value).map(|number| number as i64))
}

fn number(value: &Value) -> Option<f64> {
    f64::try_from(value.clone())
        .ok()
        .or_else(|| value.as_str()?.trim().parse().ok())
        .filter(|number| number.is_finite())
}
