//! Keys that are set outside of a preset's text.

use toml::Value;

/// A key that is set outside of a preset's text: by `--set`, or by a line of a sweep.
#[derive(Clone, Debug, PartialEq)]
pub struct Override {
    /// Such as `train.epochs`.
    pub key: String,
    /// As in TOML.
    pub value: Value,
    /// Where it is set, for errors: `--set`, or `sweep.toml:12`.
    pub place: String,
}
