//! Saving presets under the user's own names: the request, and the result.

use std::path::PathBuf;

/// A preset to write to the user's preset folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SaveRequest {
    /// Name of the listed preset that it was edited from.
    pub from: String,
    /// The name to save under.
    pub name: String,
    /// The whole text, comments kept.
    pub toml: String,
    /// Whether an existing preset of this name is overwritten.
    pub replace: bool,
}

/// A preset that was written to the user's preset folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SavedPreset {
    /// Name of the listed preset that it was edited from.
    pub from: String,
    /// The name it is saved under.
    pub name: String,
    /// Its file.
    pub path: PathBuf,
}
