//! A preset with unsaved changes: its fields, what was changed, and its text with the changes applied and everything else
//! kept, comments included.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use toml::Value;
use toml_edit::{DocumentMut, TableLike};

use super::data_source::TABLE_KEYS;
use super::document::{Document, parse_value};
use super::edit::{literals, remove_key, set_key};
use super::key_kind::{KeyKind, parse_typed};
use super::keys::{KEYS, PresetKey};
use super::read;
use super::types::Preset;
use crate::Usage;

/// A preset with unsaved changes.
#[derive(Clone, Debug)]
pub struct Draft {
    name: String,
    text: String,
    cache: PathBuf,
    saved: Document,
    /// The typed text by key; `None` for a key that is removed.
    changes: BTreeMap<&'static str, Option<String>>,
}

/// A key with its value, as the screen shows it.
#[derive(Clone, Debug, PartialEq)]
pub struct Field {
    /// Such as `train.epochs`.
    pub key: &'static str,
    /// The help text.
    pub help: &'static str,
    /// The type of its value.
    pub kind: KeyKind,
    /// The value as typed text; `None` if it is not set and has no default.
    pub value: Option<String>,
    /// Where the value comes from.
    pub origin: FieldOrigin,
    /// The saved value of a changed key; `None` if the saved preset does not set it.
    pub before: Option<String>,
}

/// Where the value of a field comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FieldOrigin {
    /// The key is not set.
    Default,
    /// The saved preset.
    Preset,
    /// An unsaved change.
    Changed,
}

impl Draft {
    /// A draft of a preset's text; `file` is its name in errors and `cache` the folder that `cache:` stands for. Invalid
    /// values are not an error yet: the user can correct them.
    ///
    /// # Errors
    /// A syntax error or an unknown key, with its line.
    pub fn new(name: &str, file: &str, text: &str, cache: &Path) -> Result<Draft, Usage> {
        let saved = Document::parse(file, text)?;
        Ok(Draft {
            name: name.to_owned(),
            text: text.to_owned(),
            cache: cache.to_owned(),
            saved,
            changes: BTreeMap::new(),
        })
    }

    /// Sets a key to typed text, parsed as `--set key=text` does; empty text removes the key. Typing the saved value, or the
    /// default of a key that is not set, is no change.
    pub fn set(&mut self, key: &'static str, text: &str) {
        let text = text.trim();
        let value = (!text.is_empty()).then(|| parse_value(key, text));
        let saved = self.saved.value(key);
        let default = default(key).filter(|_| saved.is_none()).map(|text| parse_value(key, text));
        if value.as_ref() == saved || (value.is_some() && value == default) {
            self.changes.remove(key);
        } else {
            self.changes.insert(key, (!text.is_empty()).then(|| text.to_owned()));
        }
    }

    /// Reverts the change of a key.
    pub fn reset(&mut self, key: &str) {
        self.changes.remove(key);
    }

    /// Reverts all changes.
    pub fn reset_all(&mut self) {
        self.changes.clear();
    }

    /// Number of changed keys.
    pub fn changes(&self) -> usize {
        self.changes.len()
    }

    /// The preset with the changes applied.
    ///
    /// # Errors
    /// An invalid or missing value, with its key.
    pub fn preset(&self) -> Result<Preset, Usage> {
        let mut document = self.saved.clone();
        for (key, text) in &self.changes {
            document.put(key, text.as_deref().map(|text| parse_value(key, text)));
        }
        read::read(&self.name, &document, &self.cache)
    }

    /// The fields that apply to this kind of data and selection, in the order of [`KEYS`].
    pub fn fields(&self) -> Vec<Field> {
        let literals = literals(&self.text);
        let has = |key: &str| match self.changes.get(key) {
            Some(change) => change.is_some(),
            None => self.saved.has(key),
        };
        let is = |key: &str, value: &str| match self.changes.get(key) {
            Some(change) => change.as_deref() == Some(value),
            None => self.saved.value(key).and_then(Value::as_str) == Some(value),
        };
        let (task, format, eval_path) = (has("data.task"), has("data.format"), has("data.eval_path"));
        let applies = |key: &str| match key {
            _ if has(key) || self.changes.contains_key(key) => true,
            "data.eval_fraction" => !task && !eval_path,
            "data.eval_path" => !task,
            "data.packing" | "data.columns" => format,
            "data.task" | "model.head" => !format,
            "sift.lift_rank" => is("sift.select", "lift"),
            "sift.block_size" => is("sift.structure", "blocks"),
            "train.accumulate" => !has("train.global_batch"),
            "train.global_batch" => !has("train.accumulate"),
            key => !(task || format) || !TABLE_KEYS.contains(&key),
        };
        let field = |&PresetKey { name: key, help, kind, .. }: &PresetKey| {
            let saved = self.saved.value(key).map(|value| to_typed(value, literals.get(key)));
            let default = default(key).map(str::to_owned);
            let (value, origin, before) = match self.changes.get(key) {
                Some(change) => (change.clone().or(default), FieldOrigin::Changed, saved),
                None if saved.is_some() => (saved, FieldOrigin::Preset, None),
                None => (default, FieldOrigin::Default, None),
            };
            Field { key, help, kind, value, origin, before }
        };
        KEYS.iter().filter(|key| applies(key.name)).map(field).collect()
    }

    /// The names in a list; empty for another value.
    pub fn names(&self, key: &str) -> Vec<String> {
        let changed = self.changes.get(key).map(|text| text.as_deref().map(|text| parse_value(key, text)));
        let value = changed.unwrap_or_else(|| self.saved.value(key).cloned());
        let texts = value.as_ref().and_then(Value::as_array).into_iter().flatten();
        texts.filter_map(|name| name.as_str().map(str::to_owned)).collect()
    }

    /// The preset's text with the changes applied; layout and comments are kept.
    ///
    /// # Errors
    /// As [`Draft::preset`].
    pub fn to_toml(&self) -> Result<String> {
        self.preset()?;
        let mut document: DocumentMut = self.text.parse().context("the preset's text is not TOML")?;
        for (key, text) in &self.changes {
            let (section, name) = key.split_once('.').unwrap_or(("", key));
            let table: Option<&mut dyn TableLike> = match section {
                "" => Some(document.as_table_mut()),
                section => document.entry(section).or_insert_with(toml_edit::table).as_table_like_mut(),
            };
            let table = table.with_context(|| format!("{section} is not a section"))?;
            match text {
                Some(text) => set_key(table, name, text, parse_value(key, text))?,
                None => remove_key(table, name),
            }
        }
        Ok(document.to_string())
    }
}

fn default(key: &str) -> Option<&'static str> {
    PresetKey::of(key)?.default
}

/// A value as typed text: a string without quotes, unless that would parse as something else.
fn to_typed(value: &Value, literal: Option<&String>) -> String {
    match value {
        Value::String(text) if !text.is_empty() && !text.contains(char::is_control) && text.trim() == text => {
            if parse_typed(text) == *value {
                text.clone()
            } else {
                value.to_string()
            }
        }
        value => literal.cloned().unwrap_or_else(|| value.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAVED: &str = r#"# My task.
about = "mine"   # one line

[model]
id = "org/name"

[data]
path = "texts.csv"
# The shop's own words.
labels = [
    "no",   # 0
    "yes",
]

[train]
# Found by trying.
learning_rate = 7e-5    # of five
epochs = 3
"#;

    fn draft() -> Draft {
        Draft::new("mine", "mine.toml", SAVED, Path::new("/cache")).unwrap()
    }

    fn field(draft: &Draft, key: &str) -> Field {
        draft.fields().into_iter().find(|field| field.key == key).unwrap()
    }

    #[test]
    fn comments_and_layout_are_kept() {
        let mut draft = draft();
        assert_eq!(draft.to_toml().unwrap(), SAVED);
        draft.set("train.learning_rate", "1e-3");
        draft.set("train.batch", "8");
        draft.set("sift.modules", "[\"query\"]");
        draft.set("about", "mine = \"better\"");
        draft.set("keep.best", "accuracy");
        let expected = SAVED
            .replace("\"mine\"", "'mine = \"better\"'")
            .replace("7e-5 ", "1e-3 ")
            .replace("epochs = 3\n", "epochs = 3\nbatch = 8\n");
        let text = draft.to_toml().unwrap();
        assert_eq!(text, expected + "\n[keep]\nbest = \"accuracy\"\n\n[sift]\nmodules = [\"query\"]\n");
        let again = Preset::parse("mine", "", &text, &[], Path::new("/cache")).unwrap();
        assert_eq!(again, draft.preset().unwrap());
    }

    #[test]
    fn removing_keys_keeps_comments() {
        let mut draft = draft();
        draft.set("data.labels", "");
        draft.set("train.epochs", " ");
        let text = draft.to_toml().unwrap();
        assert!(!text.contains("yes") && !text.contains("epochs"), "{text}");
        assert!(text.contains("# Found by trying.\nlearning_rate = 7e-5    # of five\n"), "{text}");
        assert_eq!(field(&draft, "train.epochs").value.as_deref(), Some("3"));
        assert_eq!(draft.preset().unwrap().train.epochs, 3);
        draft.set("train.learning_rate", "");
        let error = draft.preset().unwrap_err().to_string();
        assert_eq!(error, "mine.toml: train.learning_rate is missing");
    }

    #[test]
    fn a_comment_above_a_removed_key_moves_to_the_next_key() {
        let text =
            "[model]\nid = \"m\"\n[data]\ntask = \"rte\"\n[train]\n# Two words.\nepochs = 1\nlearning_rate = 1.0\n";
        let mut draft = Draft::new("x", "x.toml", text, Path::new("/")).unwrap();
        draft.set("train.epochs", "");
        assert_eq!(draft.to_toml().unwrap(), text.replace("epochs = 1\n", ""));
    }

    #[test]
    fn changes_are_counted_and_can_be_reverted() {
        let mut draft = draft();
        let before = field(&draft, "train.learning_rate");
        assert_eq!((before.value.as_deref(), before.origin), (Some("7e-5"), FieldOrigin::Preset));
        draft.set("train.learning_rate", "2e-4");
        draft.set("train.batch", "8");
        draft.set("train.epochs", " 3 ");
        draft.set("train.seed", "42");
        draft.set("keep.best", "");
        assert_eq!(draft.changes(), 2);
        let after = field(&draft, "train.learning_rate");
        assert_eq!((after.value.as_deref(), after.before.as_deref()), (Some("2e-4"), Some("7e-5")));
        assert_eq!(
            (field(&draft, "train.batch").origin, field(&draft, "train.batch").before),
            (FieldOrigin::Changed, None)
        );
        draft.reset("train.batch");
        assert_eq!(field(&draft, "train.batch").value.as_deref(), Some("32"));
        draft.reset_all();
        assert_eq!((draft.changes(), field(&draft, "train.learning_rate")), (0, before));
    }

    #[test]
    fn invalid_values_have_the_errors_of_the_command_line() {
        for (key, text, message) in [
            ("train.epochs", "0", "train.epochs is 0, expected a whole number from 1 to 1099511627776"),
            (
                "sift.select",
                "best",
                "sift.select is \"best\", expected gradient, gradient_times_weight, fisher, gallop, magnitude, lift or random",
            ),
            ("data.eval_fraction", "1", "data.eval_fraction is 1, expected a number above 0 and below 1"),
        ] {
            let mut draft = draft();
            draft.set(key, text);
            assert_eq!(draft.preset().unwrap_err().to_string(), message);
            let error = Preset::parse("", "", SAVED, &[format!("{key}={text}")], Path::new("/")).unwrap_err();
            assert_eq!(error.to_string(), format!("--set: {message}"));
            assert!(draft.to_toml().is_err());
        }
        let mut draft = draft();
        draft.set("data.task", "mrcp");
        let error = draft.preset().unwrap_err().to_string();
        assert!(error.starts_with("data.task: no GLUE task \"mrcp\"; did you mean \"mrpc\"?"), "{error}");
    }

    #[test]
    fn an_inline_table_is_typed_and_shown_as_toml() {
        let text =
            "[model]\nid = \"m\"\n[data]\nformat = \"alpaca\"\npath = \"a.json\"\n[train]\nlearning_rate = 1.0\n";
        let mut draft = Draft::new("x", "x.toml", text, Path::new("/")).unwrap();
        draft.set("data.columns", "{ output = \"antwort\" }");
        assert_eq!(field(&draft, "data.columns").value.as_deref(), Some("{ output = \"antwort\" }"));
        let saved = draft.to_toml().unwrap();
        assert!(saved.contains("\ncolumns = { output = \"antwort\" }\n"), "{saved}");
        let mut draft = Draft::new("x", "x.toml", &saved, Path::new("/")).unwrap();
        assert_eq!(field(&draft, "data.columns").value.as_deref(), Some("{ output = \"antwort\" }"));
        draft.set("data.columns", "{ outptu = \"antwort\" }");
        assert!(draft.preset().unwrap_err().to_string().contains("did you mean \"output\"?"));
        draft.set("data.columns", "");
        assert_eq!(draft.to_toml().unwrap(), text);
    }

    #[test]
    fn a_task_has_no_column_fields() {
        let glue = "[model]\nid = \"m\"\n[data]\ntask = \"rte\"\n[train]\nlearning_rate = 1.0\n";
        let draft = Draft::new("x", "x.toml", glue, Path::new("/")).unwrap();
        assert!(draft.fields().iter().all(|field| !TABLE_KEYS.contains(&field.key)));
        assert!(self::draft().fields().iter().any(|field| field.key == "data.text_pair" && field.value.is_none()));
    }

    #[test]
    fn a_key_of_one_selection_is_a_field_of_it_alone() {
        let plain = "[model]\nid = \"m\"\n[data]\ntask = \"rte\"\n[train]\nlearning_rate = 1.0\n";
        let mut draft = Draft::new("x", "x.toml", plain, Path::new("/")).unwrap();
        let shown = |draft: &Draft, key: &str| draft.fields().iter().any(|field| field.key == key);
        assert!(!shown(&draft, "sift.lift_rank") && !shown(&draft, "sift.block_size"));
        draft.set("sift.select", "lift");
        draft.set("sift.structure", "blocks");
        assert!(shown(&draft, "sift.lift_rank") && shown(&draft, "sift.block_size"));
    }

    #[test]
    fn the_listed_defaults_are_those_of_read() {
        let plain = "[model]\nid = \"m\"\n[data]\npath = \"x.csv\"\n[train]\nlearning_rate = 1.0\n";
        let parse = |overrides: &[String]| {
            let preset = Preset::parse("x", "x.toml", plain, overrides, Path::new("/")).unwrap();
            Preset { toml: String::new(), ..preset }
        };
        let listed = KEYS.iter().filter_map(|key| Some((key.name, key.default?)));
        let defaults: Vec<String> = listed.map(|(key, text)| format!("{key}={text}")).collect();
        assert_eq!(parse(&[]), parse(&defaults));
    }

    #[test]
    fn strings_are_typed_without_quotes_where_they_parse_back() {
        let shown = |text: &str| to_typed(&Value::String(text.into()), None);
        assert_eq!([shown("org/name"), shown("a \"b\"")], ["org/name", "a \"b\""]);
        for text in ["3", "true", "", " a", "[x]", "a\nb"] {
            let value = Value::String(text.into());
            assert_eq!(parse_typed(&to_typed(&value, None)), value, "{text:?}");
        }
    }
}
