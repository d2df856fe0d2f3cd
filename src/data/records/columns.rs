//! The columns of a file by their names.

use std::path::Path;

use anyhow::{Result, bail};

use crate::Usage;
use crate::suggest::did_you_mean;

/// Indices of the named columns in a header.
///
/// # Errors
/// [`Usage`]: a column is missing, or there are two of its name.
pub(super) fn column_indices(path: &Path, header: &[String], names: &[&str]) -> Result<Vec<usize>> {
    let find = |name: &&str| match header.iter().position(|column| column == name) {
        Some(index) if header[index + 1..].iter().any(|column| column == name) => Err(twice(path, name).into()),
        Some(index) => Ok(index),
        None => Err(missing_column(path, name, header).into()),
    };
    names.iter().map(find).collect()
}

/// # Errors
/// [`Usage`]: two columns have the same name.
pub(super) fn check_distinct(path: &Path, header: &[String]) -> Result<()> {
    for (index, name) in header.iter().enumerate() {
        if !name.is_empty() && header[..index].contains(name) {
            bail!(twice(path, name));
        }
    }
    Ok(())
}

fn twice(path: &Path, name: &str) -> Usage {
    Usage(format!("{}: two columns are named \"{}\"; rename one of them", path.display(), shortened(name)))
}

pub(super) fn missing_column(path: &Path, name: &str, columns: &[String]) -> Usage {
    let shown = |column: &String| format!("\"{}\"", shortened(column));
    let hint = did_you_mean(name, columns.iter().map(String::as_str));
    let stop = if hint.is_empty() { "." } else { "" };
    let mut list = columns.iter().take(20).map(shown).collect::<Vec<_>>().join(", ");
    if columns.len() > 20 {
        list.push_str(", …");
    }
    Usage(format!("{}: no column \"{name}\"{hint}{stop} The columns are {list}", path.display()))
}

/// The beginning of a cell, for error messages.
pub(in crate::data) fn shortened(cell: &str) -> String {
    match cell.char_indices().nth(60) {
        Some((end, _)) => format!("{}…", &cell[..end]),
        None => cell.to_owned(),
    }
}
