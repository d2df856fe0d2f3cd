//! Changes to the user's presets on disk: saving, renaming, deleting; and what came of it.

use std::fmt;
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

/// A change to the file of one of the user's presets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PresetEdit {
    Rename {
        from: String,
        to: String,
    },
    /// Move it to the trash.
    Delete {
        name: String,
    },
}

/// What a [`PresetEdit`] did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EditedPreset {
    /// Its name before.
    pub from: String,
    /// Its name now; `None` if it was deleted.
    pub name: Option<String>,
    /// Its file now.
    pub path: PathBuf,
}

impl fmt::Display for EditedPreset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let did = if self.name.is_some() { "renamed to" } else { "moved to" };
        write!(f, "preset {} {did} {}", self.from, self.path.display())
    }
}
