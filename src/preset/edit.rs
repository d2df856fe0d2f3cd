//! Edits a preset's TOML text in place, with layout and comments kept.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use toml_edit::{DocumentMut, Item, TableLike};

/// Sets a key to a value that was typed as this text; the comment behind an old value is kept.
pub(super) fn set_key(table: &mut dyn TableLike, name: &str, text: &str, value: toml::Value) -> Result<()> {
    // Typed TOML is kept as it is: 7e-5 would otherwise become 0.00007.
    let same = |typed: &toml_edit::Value| typed.is_array() == value.is_array();
    let typed = text.parse::<toml_edit::Value>().ok().filter(same);
    let literal = typed.map_or_else(|| value.to_string().parse(), Ok);
    let mut value: toml_edit::Value = literal.with_context(|| format!("{name}: cannot be written as TOML"))?;
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

/// Removes a key; a comment above it moves to the next key.
pub(super) fn remove_key(table: &mut dyn TableLike, name: &str) {
    let comment = table.key(name).and_then(|key| key.leaf_decor().prefix()?.as_str().map(str::to_owned));
    let next = table.iter().skip_while(|(key, _)| *key != name).nth(1).map(|(key, _)| key.to_owned());
    table.remove(name);
    if let Some(comment) = comment.filter(|comment| !comment.trim().is_empty())
        && let Some(mut key) = next.and_then(|next| table.key_mut(&next))
    {
        let before = key.leaf_decor().prefix().and_then(|prefix| prefix.as_str()).unwrap_or_default().to_owned();
        key.leaf_decor_mut().set_prefix(comment + &before);
    }
}

/// The values as they are written in a text, by key; values of several lines are omitted.
pub(super) fn literals(text: &str) -> BTreeMap<String, String> {
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
