//! Keys that are set outside of a preset's text: by `--set`, or by a line of a sweep.

use std::path::Path;

use anyhow::{Result, bail};
use toml::Value;

use super::document::{Document, parse_value};
use super::read::read;
use super::types::Preset;
use crate::Usage;

/// The place of overrides on the command line.
pub(super) const SET: &str = "--set";

/// A key that is set outside of a preset's text.
#[derive(Clone, Debug, PartialEq)]
pub struct Override {
    /// Such as `train.epochs`.
    pub key: String,
    /// As in TOML.
    pub value: Value,
    /// Where it is set, for errors: `--set`, or `sweep.toml:12`.
    pub place: String,
}

/// The text of a preset.
#[derive(Clone, Debug)]
pub struct PresetText {
    /// `demo`, `glue/mrpc`, or the stem of the user's file.
    pub name: String,
    /// The file's name in errors.
    pub file: String,
    /// Comments included.
    pub text: String,
}

impl Override {
    /// A `key=value` of the command line.
    ///
    /// # Errors
    /// [`Usage`]: no `=`.
    pub fn parse(assignment: &str) -> Result<Override> {
        let Some((key, value)) = assignment.split_once('=') else {
            bail!(Usage(format!("--set {assignment}: expected key=value, such as train.epochs=3")));
        };
        let (key, value) = (key.trim(), value.trim());
        Ok(Override { key: key.to_owned(), value: parse_value(key, value), place: SET.to_owned() })
    }
}

impl PresetText {
    /// The preset with overrides, of which a later one wins. `cache` is as in [`Preset::parse`].
    ///
    /// # Errors
    /// [`Usage`] with file, line and key, or with the place of the override.
    pub fn preset(&self, overrides: &[Override], cache: &Path) -> Result<Preset, Usage> {
        let mut document = Document::parse(&self.file, &self.text)?;
        for with in overrides {
            document.override_with(with)?;
        }
        read(&self.name, &document, cache)
    }
}
