//! Typed access to the keys of a config.json.

use serde_json::{Map, Value};

use super::error::ConfigError;

/// Beyond any published model, and small enough that no product of two sizes overflows or exhausts memory.
const MAX_SIZE: i64 = 1 << 24;

/// The keys of an object. An absent key and null are the same, as in transformers.
#[derive(Clone, Copy)]
pub(in crate::model) struct Keys<'a>(pub &'a Map<String, Value>);

impl<'a> Keys<'a> {
    /// The value of a key as `read` takes it; an error that says `expected` where `read` gives none.
    pub fn get<T>(
        &self,
        key: &str,
        expected: &str,
        read: impl Fn(&'a Value) -> Option<T>,
    ) -> Result<Option<T>, ConfigError> {
        match self.0.get(key) {
            None | Some(Value::Null) => Ok(None),
            Some(value) => read(value).map(Some).ok_or_else(|| ConfigError::Value {
                key: key.to_owned(),
                found: value.to_string().chars().take(60).collect(),
                expected: expected.to_owned(),
            }),
        }
    }

    /// Whether the key is present, even as null.
    pub fn has(&self, key: &str) -> bool {
        self.0.contains_key(key)
    }

    pub fn string(&self, key: &str) -> Result<Option<&'a str>, ConfigError> {
        self.get(key, "a string", Value::as_str)
    }

    /// A bool, false by default.
    pub fn flag(&self, key: &str) -> Result<bool, ConfigError> {
        Ok(self.get(key, "true or false", Value::as_bool)?.unwrap_or(false))
    }

    /// A number of at least 0.
    pub fn number(&self, key: &str) -> Result<Option<f64>, ConfigError> {
        self.get(key, "a number from 0 on", |value| value.as_f64().filter(|number| *number >= 0.0))
    }

    /// A number above 0.
    pub fn positive(&self, key: &str) -> Result<Option<f64>, ConfigError> {
        self.get(key, "a number above 0", |value| value.as_f64().filter(|number| *number > 0.0))
    }

    /// A number from 0 to below 1.
    pub fn probability(&self, key: &str) -> Result<Option<f64>, ConfigError> {
        self.get(key, "a number from 0 to below 1", |value| value.as_f64().filter(|p| (0.0..1.0).contains(p)))
    }

    /// A whole number of at least 1.
    pub fn size(&self, key: &str, default: i64) -> Result<i64, ConfigError> {
        Ok(self.optional_size(key)?.unwrap_or(default))
    }

    /// A whole number of at least 1, or none.
    pub fn optional_size(&self, key: &str) -> Result<Option<i64>, ConfigError> {
        let expected = format!("a whole number from 1 to {MAX_SIZE}");
        self.get(key, &expected, |value| value.as_i64().filter(|size| (1..=MAX_SIZE).contains(size)))
    }

    /// A nested object.
    pub fn object(&self, key: &str) -> Result<Option<Keys<'a>>, ConfigError> {
        self.get(key, "an object", |value| value.as_object().map(Keys))
    }

    /// One of some names, or `default`.
    pub fn one_of<T: Copy>(&self, key: &str, default: &str, names: &[(&'static str, T)]) -> Result<T, ConfigError> {
        let name = self.string(key)?.unwrap_or(default);
        names.iter().find(|(known, _)| *known == name).map(|(_, value)| *value).ok_or_else(|| ConfigError::Unknown {
            key: key.to_owned(),
            found: format!("{name:?}"),
            known: names.iter().map(|(known, _)| *known).collect(),
        })
    }
}

/// Checks that sizes are not beyond any model: `(key, size, maximum)`.
pub(in crate::model) fn check_sizes(sizes: &[(&str, i64, i64)]) -> Result<(), ConfigError> {
    match sizes.iter().find(|(_, size, maximum)| size > maximum) {
        Some((key, size, maximum)) => {
            Err(ConfigError::Unsupported(format!("{key} {size} is beyond any model, {maximum} at most")))
        }
        None => Ok(()),
    }
}
