//! The data files of a folder, and which of them are for training and which for evaluation.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use super::{MAX_FILES, Purpose, listed, names_in, relative, shown};
use crate::Usage;

/// Limit on folders within folders.
const MAX_DEPTH: usize = 16;

/// The data files of a folder and its sub-folders, and which they are. As in `datasets`, files whose names say that they are
/// for another split are left aside.
pub(super) fn of_folder(
    folder: &Path,
    purpose: Purpose,
    kind: &dyn Fn(&Path) -> Option<&'static str>,
) -> Result<(Vec<PathBuf>, String)> {
    let mut by_kind: BTreeMap<&str, Vec<PathBuf>> = BTreeMap::new();
    for file in walk(folder, 0)? {
        if let Some(kind) = kind(&file) {
            by_kind.entry(kind).or_default().push(file);
        }
    }
    if by_kind.len() > 1 {
        let kinds = by_kind.keys().map(|kind| format!(".{kind}")).collect::<Vec<_>>().join(", ");
        let example = folder.join(format!("*.{}", by_kind.keys().next().copied().unwrap_or_default()));
        bail!(Usage(format!(
            "{}: has files of several kinds, {kinds}; name those to read, such as \"{}\"",
            folder.display(),
            example.display()
        )));
    }
    let Some(files) = by_kind.into_values().next() else {
        let names = names_in(folder);
        let has = if names.is_empty() { "it is empty".to_owned() } else { format!("it has {}", shown(&names)) };
        bail!(Usage(format!(
            "{}: no .csv, .tsv, .json, .jsonl or .parquet file in this folder; {has}",
            folder.display()
        )));
    };
    let (chosen, others) = for_purpose(folder, files, purpose);
    let mut note = format!("{}: {}", folder.display(), listed(&chosen));
    if !others.is_empty() {
        let names: Vec<String> = others.iter().map(|file| relative(folder, file)).collect();
        note += &format!("; left aside by name: {}", shown(&names));
    }
    Ok((chosen, note))
}

/// All files below a folder, by name, except hidden ones.
fn walk(folder: &Path, depth: usize) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    let listing = fs::read_dir(folder).with_context(|| format!("{}: cannot list the folder", folder.display()))?;
    let mut entries = Vec::new();
    for entry in listing {
        entries.push(entry.with_context(|| format!("{}: cannot list the folder", folder.display()))?.path());
    }
    // The order of a directory listing is arbitrary, and the order of the examples must not depend on it.
    entries.sort();
    for path in entries {
        let hidden = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
        if hidden {
            continue;
        }
        match path.is_dir() {
            false => files.push(path),
            true if depth < MAX_DEPTH => files.extend(walk(&path, depth + 1)?),
            true => bail!(Usage(format!("{}: folders are nested deeper than {MAX_DEPTH}", path.display()))),
        }
        if files.len() > MAX_FILES {
            bail!(Usage(format!("{}: more than {MAX_FILES} files", folder.display())));
        }
    }
    Ok(files)
}

/// What a file's name says it is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum NamedSplit {
    Train,
    Validation,
    Test,
    None,
}

impl NamedSplit {
    fn of(folder: &Path, file: &Path) -> NamedSplit {
        let name = relative(folder, file).to_lowercase();
        let word = |word: &str| match word {
            "train" | "training" => Some(NamedSplit::Train),
            "validation" | "valid" | "val" | "dev" => Some(NamedSplit::Validation),
            "test" | "testing" | "eval" | "evaluation" => Some(NamedSplit::Test),
            _ => None,
        };
        name.split(|c: char| !c.is_alphanumeric()).find_map(word).unwrap_or(NamedSplit::None)
    }
}

/// Files for a purpose, and the others. Files that do not say what they are for are for both.
fn for_purpose(folder: &Path, files: Vec<PathBuf>, purpose: Purpose) -> (Vec<PathBuf>, Vec<PathBuf>) {
    let wanted: [&[NamedSplit]; 3] = match purpose {
        Purpose::Training => [&[NamedSplit::Train], &[NamedSplit::None], &[]],
        Purpose::Evaluation => [&[NamedSplit::Validation], &[NamedSplit::Test], &[NamedSplit::None]],
    };
    for splits in wanted {
        let (chosen, others): (Vec<PathBuf>, Vec<PathBuf>) =
            files.iter().cloned().partition(|file| splits.contains(&NamedSplit::of(folder, file)));
        if !chosen.is_empty() {
            return (chosen, others);
        }
    }
    (files, Vec::new())
}
