//! The files that `data.path` and `data.eval_path` name: files, folders, glob patterns, or a list of them.

mod folder;
mod pattern;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};

use super::records::{Format, extension};
use crate::Usage;
use folder::of_folder;
use pattern::{existing, is_pattern, of_pattern};

/// Limit on the files of a dataset.
const MAX_FILES: usize = 100_000;

/// Files that describe a dataset and are no part of it.
const DESCRIPTIONS: [&str; 6] =
    ["dataset_dict.json", "dataset_info.json", "dataset_infos.json", "state.json", "license.txt", "readme.txt"];

/// What files are read for. The words are those by which `datasets` assigns files to splits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    Training,
    Evaluation,
}

/// The files of a dataset.
#[derive(Debug)]
pub(super) struct DataFiles {
    /// At least one, each once.
    pub paths: Vec<PathBuf>,
    /// The dataset's name: that of its file or its folder.
    pub name: String,
    /// Which files of folders and patterns are read, one sentence for each.
    pub notes: Vec<String>,
}

impl DataFiles {
    /// Finds the files that `named` stands for, in the order of the list, those of a folder or a pattern by name.
    /// `plain_text` are .txt files, which only some data may be.
    ///
    /// # Errors
    /// [`Usage`]: a path or pattern that names no file, or a folder with files of several kinds.
    pub fn find(named: &[PathBuf], purpose: Purpose, plain_text: bool) -> Result<DataFiles> {
        let kind = |path: &Path| kind(path, plain_text);
        let (mut paths, mut notes, mut seen) = (Vec::new(), Vec::new(), BTreeSet::new());
        for path in named {
            let found = if path.is_dir() {
                let (files, note) = of_folder(path, purpose, &kind)?;
                notes.push(note);
                files
            } else if path.exists() || !is_pattern(path) {
                vec![existing(path)?]
            } else {
                let files = of_pattern(path, &kind)?;
                notes.push(format!("{}: {}", path.display(), listed(&files)));
                files
            };
            for file in found {
                if seen.insert(named_file(&file)) {
                    paths.push(file);
                }
            }
            if paths.len() > MAX_FILES {
                bail!(Usage(format!("{}: more than {MAX_FILES} files", path.display())));
            }
        }
        if paths.is_empty() {
            bail!(Usage("data.path: the list names no file".into()));
        }
        Ok(DataFiles { paths, name: dataset_name(named), notes })
    }

    /// Its one file's name, or how many there are.
    pub fn described(&self) -> String {
        match self.paths.as_slice() {
            [only] => only.file_name().unwrap_or_default().to_string_lossy().into_owned(),
            several => format!("{} files", several.len()),
        }
    }

    /// The warning that a file of an evaluation was trained on; `None` where there is none.
    pub fn overlap(&self, training: &DataFiles) -> Option<String> {
        let identity = |path: &PathBuf| path.canonicalize().ok();
        let training: BTreeSet<PathBuf> = training.paths.iter().filter_map(identity).collect();
        let shared = self.paths.iter().find(|path| identity(path).is_some_and(|path| training.contains(&path)))?;
        Some(format!(
            "{}: both trained and evaluated on, so scores tell nothing about new examples; name another data.eval_path",
            shared.display()
        ))
    }
}

/// A file by its name in its folder. Links are not followed: in the hub's cache two files of the same content are links to one.
fn named_file(file: &Path) -> PathBuf {
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let folder = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
    file.file_name().map_or(folder.clone(), |name| folder.join(name))
}

/// The name of a dataset by what names its files: a file's name without the extensions of its format and compression, or
/// the folder's name.
pub fn dataset_name(named: &[PathBuf]) -> String {
    let Some(first) = named.first() else { return String::new() };
    let plain = first.ancestors().find(|path| !is_pattern(path) || path.exists()).unwrap_or(first);
    let name = plain.file_name().or(first.file_name()).unwrap_or(first.as_os_str()).to_string_lossy();
    match name.to_lowercase().rfind(&format!(".{}", extension(plain))) {
        Some(end) if end > 0 => name.get(..end).unwrap_or(&name).to_owned(),
        _ => name.into_owned(),
    }
}

/// The kind of a data file by its extension, as it is shown; `None` for other files. `plain_text` are .txt files, which only
/// some data may be.
pub fn kind(path: &Path, plain_text: bool) -> Option<&'static str> {
    let name = path.file_name()?.to_str()?;
    if name.starts_with(['.', '_']) || DESCRIPTIONS.contains(&name.to_lowercase().as_str()) {
        return None;
    }
    match Format::of(path) {
        Ok(format) => Some(format.extension()),
        Err(_) if plain_text && extension(path) == "txt" => Some("txt"),
        Err(_) => None,
    }
}

fn relative(folder: &Path, file: &Path) -> String {
    file.strip_prefix(folder).unwrap_or(file).to_string_lossy().into_owned()
}

/// `3 files, a.csv to c.csv`
fn listed(files: &[PathBuf]) -> String {
    let name = |file: &PathBuf| file.file_name().unwrap_or_default().to_string_lossy().into_owned();
    match files {
        [only] => format!("1 file, {}", name(only)),
        [first, .., last] => format!("{} files, {} to {}", files.len(), name(first), name(last)),
        [] => "no file".to_owned(),
    }
}

/// The first names of a list.
fn shown(names: &[String]) -> String {
    let more = if names.len() > 5 { ", …" } else { "" };
    names.iter().take(5).map(String::as_str).collect::<Vec<_>>().join(", ") + more
}

/// The names in a folder that are not hidden, sorted; none if it cannot be listed.
fn names_in(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
    let mut names: Vec<String> = names.filter(|name| !name.starts_with('.')).collect();
    names.sort();
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(files: &[&str]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for file in files {
            let path = folder.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        }
        folder
    }

    fn find(folder: &Path, named: &[&str], purpose: Purpose) -> Result<(Vec<String>, DataFiles)> {
        let named: Vec<PathBuf> = named.iter().map(|name| folder.join(name)).collect();
        let found = DataFiles::find(&named, purpose, false)?;
        Ok((found.paths.iter().map(|path| relative(folder, path)).collect(), found))
    }

    #[test]
    fn files_folders_patterns_and_lists_are_found_in_order() {
        let folder =
            folder(&["b.csv", "a.csv", "c.jsonl.gz", "sub/d.csv", ".hidden.csv", "SHA256SUMS", "x/part.parquet"]);
        let root = folder.path();
        for (named, expected) in [
            (&["b.csv"][..], &["b.csv"][..]),
            (&["*.csv"], &["a.csv", "b.csv"]),
            (&["**/*.csv"], &["a.csv", "b.csv", "sub/d.csv"]),
            (&["*"], &["a.csv", "b.csv", "c.jsonl.gz"]),
            (&["b.csv", "*.csv", "c.jsonl.gz"], &["b.csv", "a.csv", "c.jsonl.gz"]),
            (&["x"], &["x/part.parquet"]),
        ] {
            assert_eq!(find(root, named, Purpose::Training).unwrap().0, expected, "{named:?}");
        }
        assert_eq!(find(root, &["c.jsonl.gz"], Purpose::Training).unwrap().1.name, "c");
        // Named in another way, it is still one file; two links to one file are two.
        assert_eq!(find(root, &["b.csv", "sub/../b.csv"], Purpose::Training).unwrap().0, ["b.csv"]);
        for name in ["1.csv", "2.csv"] {
            std::os::unix::fs::symlink(root.join("a.csv"), root.join("x").join(name)).unwrap();
        }
        assert_eq!(find(root, &["x/*.csv"], Purpose::Training).unwrap().0, ["x/1.csv", "x/2.csv"]);
    }

    #[test]
    fn a_folder_gives_the_files_of_its_split() {
        let folder =
            folder(&["d/train-0.csv", "d/train-1.csv", "d/validation.csv", "d/test.csv", "e/val/a.csv", "e/b.csv"]);
        let root = folder.path();
        let (files, found) = find(root, &["d"], Purpose::Training).unwrap();
        assert_eq!((files, found.name.as_str()), (vec!["d/train-0.csv".to_owned(), "d/train-1.csv".into()], "d"));
        let note = &found.notes[0];
        assert!(
            note.ends_with("d: 2 files, train-0.csv to train-1.csv; left aside by name: test.csv, validation.csv"),
            "{note}"
        );
        assert_eq!(find(root, &["d"], Purpose::Evaluation).unwrap().0, ["d/validation.csv"]);
        assert_eq!(find(root, &["e"], Purpose::Training).unwrap().0, ["e/b.csv"]);
        assert_eq!(find(root, &["e"], Purpose::Evaluation).unwrap().0, ["e/val/a.csv"]);
    }

    #[test]
    fn what_names_no_file_is_an_error_that_says_what_is_near() {
        let folder = folder(&["reviews.csv", "sub/a.csv", "sub/b.parquet", "empty/notes.md"]);
        for (named, message) in [
            ("review.csv", "review.csv: no such file; did you mean \"reviews.csv\"?"),
            ("*.jsonl", "*.jsonl: no file matches; "),
            ("nowhere/*.csv", "nowhere"),
            ("sub", "sub: has files of several kinds, .csv, .parquet; name those to read, such as "),
            ("empty", "empty: no .csv, .tsv, .json, .jsonl or .parquet file in this folder; it has notes.md"),
        ] {
            let error = find(folder.path(), &[named], Purpose::Training).unwrap_err();
            assert!(error.is::<Usage>() && error.to_string().contains(message), "{error}");
        }
        let error = find(folder.path(), &["*.jsonl"], Purpose::Training).unwrap_err().to_string();
        assert!(error.ends_with("has empty, reviews.csv, sub"), "{error}");
    }

    #[test]
    fn a_file_that_is_trained_and_evaluated_on_is_noticed() {
        let folder = folder(&["a.csv", "b.csv"]);
        let found = |named: &[&str]| find(folder.path(), named, Purpose::Training).unwrap().1;
        assert!(
            found(&["*.csv"]).overlap(&found(&["a.csv"])).unwrap().contains("a.csv: both trained and evaluated on")
        );
        assert_eq!(found(&["b.csv"]).overlap(&found(&["a.csv"])), None);
    }
}
