//! A preset that is being changed: what its keys are set to, what differs from how it was written, and its text with the
//! changes made and everything else as it was, comments included.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use toml::Value;
use toml_edit::{DocumentMut, Item, TableLike};

use super::document::{Document, typed};
use super::keys::DEFAULTS;
use super::read::{self, TABLE_KEYS};
use super::{KEYS, Preset};
use crate::Usage;

/// A preset and the changes made to it.
#[derive(Clone, Debug)]
pub struct Draft {
    name: String,
    text: String,
    cache: PathBuf,
    written: Document,
    /// As it was typed; `None` for a key that is left out.
    changes: BTreeMap<&'static str, Option<String>>,
}

/// A key and what it is set to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    /// `train.epochs`
    pub key: &'static str,
    /// What it means.
    pub help: &'static str,
    /// Its value as one would type it; `None` where it is not set and has no default.
    pub value: Option<String>,
    /// Who says so.
    pub origin: FieldOrigin,
    /// What the preset says, where that was changed; `None` there too if the preset leaves it out.
    pub before: Option<String>,
}

/// Who says what a key is set to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FieldOrigin {
    /// No one: it is left out.
    Default,
    /// The preset as it was written.
    Preset,
    /// The user, since.
    Changed,
}

impl Draft {
    /// Of a preset's text; `place` is the file to name in errors and `cache` what `cache:` stands for. Values that cannot be
    /// are no error yet: they can be changed.
    ///
    /// # Errors
    /// [`Usage`]: it is not TOML, or has a key that there is not.
    pub fn new(name: &str, place: &str, text: &str, cache: &Path) -> Result<Draft> {
        let written = Document::parse(place, text)?;
        Ok(Draft {
            name: name.to_owned(),
            text: text.to_owned(),
            cache: cache.to_owned(),
            written,
            changes: BTreeMap::new(),
        })
    }

    /// Sets a key as if it were typed after `--set key=`; nothing leaves the key out. What holds anyway is no change.
    pub fn set(&mut self, key: &'static str, text: &str) {
        let text = text.trim();
        let value = (!text.is_empty()).then(|| typed(text));
        let written = self.written.value(key);
        let default = default(key).filter(|_| written.is_none()).map(typed);
        if value.as_ref() == written || (value.is_some() && value == default) {
            self.changes.remove(key);
        } else {
            self.changes.insert(key, (!text.is_empty()).then(|| text.to_owned()));
        }
    }

    /// Takes a change back.
    pub fn reset(&mut self, key: &str) {
        self.changes.remove(key);
    }

    /// Takes all changes back.
    pub fn reset_all(&mut self) {
        self.changes.clear();
    }

    /// How many keys were changed.
    pub fn changes(&self) -> usize {
        self.changes.len()
    }

    /// The preset as it is now.
    ///
    /// # Errors
    /// [`Usage`], naming the key: a value that cannot be.
    pub fn preset(&self) -> Result<Preset> {
        let mut document = self.written.clone();
        for (key, text) in &self.changes {
            document.put(key, text.as_deref().map(typed));
        }
        read::read(&self.name, &document, &self.cache).map_err(|error| Usage(error).into())
    }

    /// Every key that has a meaning here, in the order of [`KEYS`].
    pub fn fields(&self) -> Vec<Field> {
        let literals = literals(&self.text);
        let has = |key: &str| match self.changes.get(key) {
            Some(change) => change.is_some(),
            None => self.written.has(key),
        };
        let (task, eval_path) = (has("data.task"), has("data.eval_path"));
        let meant = |key: &str| match key {
            _ if has(key) || self.changes.contains_key(key) => true,
            "data.eval_fraction" => !task && !eval_path,
            key => !task || !TABLE_KEYS.contains(&key),
        };
        let field = |(key, help): &(&'static str, &'static str)| {
            let written = self.written.value(key).map(|value| as_typed(value, literals.get(*key)));
            let default = default(key).map(str::to_owned);
            let (value, origin, before) = match self.changes.get(key) {
                Some(change) => (change.clone().or(default), FieldOrigin::Changed, written),
                None if written.is_some() => (written, FieldOrigin::Preset, None),
                None => (default, FieldOrigin::Default, None),
            };
            Field { key, help, value, origin, before }
        };
        KEYS.iter().filter(|(key, _)| meant(key)).map(field).collect()
    }

    /// The text with the changes made; whatever was not changed stays as it was written.
    ///
    /// # Errors
    /// Those of [`Draft::preset`].
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
                Some(text) => put(table, name, text)?,
                None => leave_out(table, name),
            }
        }
        Ok(document.to_string())
    }
}

/// What a key that is left out is taken for.
fn default(key: &str) -> Option<&'static str> {
    DEFAULTS.iter().find(|(known, _)| *known == key).map(|(_, text)| *text)
}

/// Puts a value in place of the old one, before the old one's comment.
fn put(table: &mut dyn TableLike, name: &str, text: &str) -> Result<()> {
    // As it was typed where that is TOML: 7e-5 should not come out as 0.00007.
    let literal = text.parse::<toml_edit::Value>().or_else(|_| typed(text).to_string().parse());
    let mut value = literal.with_context(|| format!("{name}: cannot be written as TOML"))?;
    match table.get_mut(name).and_then(Item::as_value_mut) {
        Some(old) => {
            *value.decor_mut() = old.decor().clone();
            *old = value;
        }
        None => {
            value.decor_mut().clear();
            table.insert(name, Item::Value(value));
        }
    }
    Ok(())
}

/// Removes a key. What was said above it stays, above the next one.
fn leave_out(table: &mut dyn TableLike, name: &str) {
    let said = table.key(name).and_then(|key| key.leaf_decor().prefix()?.as_str().map(str::to_owned));
    let next = table.iter().skip_while(|(key, _)| *key != name).nth(1).map(|(key, _)| key.to_owned());
    table.remove(name);
    if let Some(said) = said.filter(|said| !said.trim().is_empty())
        && let Some(mut key) = next.and_then(|next| table.key_mut(&next))
    {
        let before = key.leaf_decor().prefix().and_then(|prefix| prefix.as_str()).unwrap_or_default().to_owned();
        key.leaf_decor_mut().set_prefix(said + &before);
    }
}

/// The values as they were written, by key; those of several lines are left out.
fn literals(text: &str) -> BTreeMap<String, String> {
    let Ok(document) = text.parse::<DocumentMut>() else { return BTreeMap::new() };
    let mut literals = BTreeMap::new();
    let mut note = |key: String, item: &Item| {
        if let Some(value) = item.as_value() {
            let literal = value.clone().decorated("", "").to_string();
            if !literal.contains('\n') {
                literals.insert(key, literal);
            }
        }
    };
    for (name, item) in document.iter() {
        match item.as_table_like() {
            Some(section) => section.iter().for_each(|(key, item)| note(format!("{name}.{key}"), item)),
            None => note(name.to_owned(), item),
        }
    }
    literals
}

/// A value as one would type it: a string without quotes, unless it would be taken for something else then.
fn as_typed(value: &Value, literal: Option<&String>) -> String {
    match value {
        Value::String(text) if !text.is_empty() && !text.contains(char::is_control) && text.trim() == text => {
            if typed(text) == *value { text.clone() } else { value.to_string() }
        }
        value => literal.cloned().unwrap_or_else(|| value.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WRITTEN: &str = r#"# My task.
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
        Draft::new("mine", "mine.toml", WRITTEN, Path::new("/cache")).unwrap()
    }

    fn field(draft: &Draft, key: &str) -> Field {
        draft.fields().into_iter().find(|field| field.key == key).unwrap()
    }

    #[test]
    fn comments_and_layout_stay() {
        let mut draft = draft();
        assert_eq!(draft.to_toml().unwrap(), WRITTEN);
        draft.set("train.learning_rate", "1e-3");
        draft.set("train.batch", "8");
        draft.set("sift.modules", "[\"query\"]");
        draft.set("about", "mine = \"better\"");
        draft.set("keep.best", "accuracy");
        let expected = WRITTEN
            .replace("\"mine\"", "'mine = \"better\"'")
            .replace("7e-5 ", "1e-3 ")
            .replace("epochs = 3\n", "epochs = 3\nbatch = 8\n");
        let text = draft.to_toml().unwrap();
        assert_eq!(text, expected + "\n[keep]\nbest = \"accuracy\"\n\n[sift]\nmodules = [\"query\"]\n");
        let again = Preset::parse("mine", "", &text, &[], Path::new("/cache")).unwrap();
        assert_eq!(again, draft.preset().unwrap());
    }

    #[test]
    fn what_is_left_out_leaves_its_comments() {
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
    fn a_comment_above_a_key_that_goes_is_kept_above_the_next() {
        let text =
            "[model]\nid = \"m\"\n[data]\ntask = \"rte\"\n[train]\n# Two words.\nepochs = 1\nlearning_rate = 1.0\n";
        let mut draft = Draft::new("x", "x.toml", text, Path::new("/")).unwrap();
        draft.set("train.epochs", "");
        assert_eq!(draft.to_toml().unwrap(), text.replace("epochs = 1\n", ""));
    }

    #[test]
    fn changes_are_told_from_what_was_written_and_can_be_taken_back() {
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
    fn what_cannot_be_is_told_as_on_the_command_line() {
        for (key, text, message) in [
            ("train.epochs", "0", "train.epochs is 0, expected a whole number from 1 to 1099511627776"),
            ("sift.select", "best", "sift.select is \"best\", expected gradient, magnitude or random"),
            ("data.eval_fraction", "1", "data.eval_fraction is 1, expected a share above 0 and below 1"),
        ] {
            let mut draft = draft();
            draft.set(key, text);
            assert_eq!(draft.preset().unwrap_err().to_string(), message);
            let error = Preset::parse("", "", WRITTEN, &[format!("{key}={text}")], Path::new("/")).unwrap_err();
            assert_eq!(error.to_string(), format!("--set: {message}"));
            assert!(draft.to_toml().is_err());
        }
        let mut draft = draft();
        draft.set("data.task", "mrcp");
        let error = draft.preset().unwrap_err().to_string();
        assert!(error.starts_with("data.task: no GLUE task \"mrcp\"; did you mean \"mrpc\"?"), "{error}");
    }

    #[test]
    fn a_task_needs_no_columns() {
        let glue = "[model]\nid = \"m\"\n[data]\ntask = \"rte\"\n[train]\nlearning_rate = 1.0\n";
        let draft = Draft::new("x", "x.toml", glue, Path::new("/")).unwrap();
        assert!(draft.fields().iter().all(|field| !TABLE_KEYS.contains(&field.key)));
        assert!(self::draft().fields().iter().any(|field| field.key == "data.text_pair" && field.value.is_none()));
    }

    #[test]
    fn the_defaults_are_those_that_are_read() {
        let plain = "[model]\nid = \"m\"\n[data]\npath = \"x.csv\"\n[train]\nlearning_rate = 1.0\n";
        let parse = |overrides: &[String]| {
            let preset = Preset::parse("x", "x.toml", plain, overrides, Path::new("/")).unwrap();
            Preset { toml: String::new(), ..preset }
        };
        let defaults: Vec<String> = DEFAULTS.iter().map(|(key, text)| format!("{key}={text}")).collect();
        assert_eq!(parse(&[]), parse(&defaults));
    }

    #[test]
    fn strings_are_typed_without_quotes_where_that_is_the_same() {
        let shown = |text: &str| as_typed(&Value::String(text.into()), None);
        assert_eq!([shown("org/name"), shown("a \"b\"")], ["org/name", "a \"b\""]);
        for text in ["3", "true", "", " a", "[x]", "a\nb"] {
            let value = Value::String(text.into());
            assert_eq!(typed(&as_typed(&value, None)), value, "{text:?}");
        }
    }
}
