//! What can be wrong with a config.json.

use std::error::Error;
use std::fmt::{self, Display, Formatter};

/// Why a config.json cannot be used. It names the key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConfigError {
    /// A key has a value of another type, or one that is out of range.
    Value {
        /// The key.
        key: String,
        /// Its value, cut to 60 characters.
        found: String,
        /// What it may be.
        expected: String,
    },
    /// A key names something unknown.
    Unknown {
        /// The key.
        key: String,
        /// The name, as JSON writes it.
        found: String,
        /// The names there are.
        known: Vec<&'static str>,
    },
    /// A key is missing and has no default.
    Missing {
        /// The key.
        key: String,
    },
    /// Something is wrong within an object.
    Within {
        /// The object's key.
        key: String,
        /// What is wrong.
        error: Box<ConfigError>,
    },
    /// The values are sound each and do not fit together, or call for a network that is not supported.
    Unsupported(String),
}

impl ConfigError {
    /// The same error, of a key within the object `key`.
    pub(in crate::model) fn within(self, key: &str) -> ConfigError {
        ConfigError::Within { key: key.to_owned(), error: Box::new(self) }
    }
}

impl Display for ConfigError {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            ConfigError::Value { key, found, expected } => write!(f, "{key} is {found}, expected {expected}"),
            ConfigError::Unknown { key, found, known } => {
                write!(f, "{key} {found} is not supported; expected one of {}", known.join(", "))
            }
            ConfigError::Missing { key } => write!(f, "{key} is missing"),
            ConfigError::Within { key, error } => write!(f, "{key}: {error}"),
            ConfigError::Unsupported(reason) => f.write_str(reason),
        }
    }
}

impl Error for ConfigError {}
