//! Typed access to the keys of a config.json.

use serde_json::{Map, Value};

/// Beyond any published model, and small enough that no product of two sizes overflows or exhausts memory.
const MOST: i64 = 1 << 24;

/// The keys of an object; an absent key and null are the same, as in `transformers`.
#[derive(Clone, Copy)]
pub(super) struct Keys<'a>(pub &'a Map<String, Value>);

impl<'a> Keys<'a> {
    pub fn get<T>(&self, key: &str, wanted: &str, read: impl Fn(&'a Value) -> Option<T>) -> Result<Option<T>, String> {
        match self.0.get(key) {
            None | Some(Value::Null) => Ok(None),
            Some(value) => read(value).map(Some).ok_or_else(|| {
                let shown: String = value.to_string().chars().take(60).collect();
                format!("{key} is {shown}, expected {wanted}")
            }),
        }
    }

    /// Whether the key is there, be it as null.
    pub fn has(&self, key: &str) -> bool {
        self.0.contains_key(key)
    }

    pub fn text(&self, key: &str) -> Result<Option<&'a str>, String> {
        self.get(key, "a string", Value::as_str)
    }

    pub fn truth(&self, key: &str) -> Result<bool, String> {
        Ok(self.get(key, "true or false", Value::as_bool)?.unwrap_or(false))
    }

    pub fn number(&self, key: &str) -> Result<Option<f64>, String> {
        self.get(key, "a number from 0 on", |value| value.as_f64().filter(|number| *number >= 0.0))
    }

    pub fn probability(&self, key: &str) -> Result<Option<f64>, String> {
        self.get(key, "a number from 0 to below 1", |value| value.as_f64().filter(|p| (0.0..1.0).contains(p)))
    }

    pub fn size(&self, key: &str, default: i64) -> Result<i64, String> {
        Ok(self.size_if_any(key)?.unwrap_or(default))
    }

    pub fn size_if_any(&self, key: &str) -> Result<Option<i64>, String> {
        let wanted = format!("a whole number from 1 to {MOST}");
        self.get(key, &wanted, |value| value.as_i64().filter(|size| (1..=MOST).contains(size)))
    }

    /// An object within.
    pub fn object(&self, key: &str) -> Result<Option<Keys<'a>>, String> {
        self.get(key, "an object", |value| value.as_object().map(Keys))
    }

    /// One of some names; `default` where there is none.
    pub fn one_of<T: Copy>(&self, key: &str, default: &str, names: &[(&str, T)]) -> Result<T, String> {
        let name = self.text(key)?.unwrap_or(default);
        let known = || names.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ");
        let found = names.iter().find(|(known, _)| *known == name).map(|(_, value)| *value);
        found.ok_or_else(|| format!("{key} {name:?} is none of {}", known()))
    }
}
