//! Files by their path or by a glob pattern. An error says what is near.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use glob::{MatchOptions, glob_with};

use super::{MAX_FILES, dataset_name, names_in, shown};
use crate::Usage;
use crate::data::records::Format;
use crate::suggest::nearest;

pub(super) fn existing(path: &Path) -> Result<PathBuf> {
    if path.exists() {
        return Ok(path.to_owned());
    }
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let names = names_in(folder);
    // Extensions alone make names similar.
    let stem = |name: &str| dataset_name(&[PathBuf::from(name)]);
    let stems: Vec<String> = names.iter().map(|name| stem(name)).collect();
    let name = stem(&path.to_string_lossy());
    let hint = match nearest(&name, stems.iter().map(String::as_str)) {
        Some(near) => {
            let near = stems.iter().zip(&names).find(|(stem, _)| *stem == near).map_or(near, |(_, name)| name);
            format!("; did you mean \"{near}\"?")
        }
        None if !folder.is_dir() => format!("; there is no folder {}", folder.display()),
        None if names.is_empty() => String::new(),
        None => format!("; {} has {}", folder.display(), shown(&names)),
    };
    bail!(Usage(format!("{}: no such file{hint}", path.display())));
}

pub(super) fn is_pattern(path: &Path) -> bool {
    path.to_string_lossy().contains(['*', '?', '['])
}

/// The data files that a pattern matches, by name. Other files are none of its matches: `data/*` may stand beside a README.
pub(super) fn of_pattern(pattern: &Path, kind: &dyn Fn(&Path) -> Option<&'static str>) -> Result<Vec<PathBuf>> {
    let text = pattern.to_string_lossy();
    let options =
        MatchOptions { require_literal_separator: true, require_literal_leading_dot: true, ..MatchOptions::new() };
    let matches = glob_with(&text, options).map_err(|error| Usage(format!("{text}: not a pattern: {error}")))?;
    let (mut files, mut other) = (Vec::new(), None);
    for found in matches {
        let found = found.with_context(|| format!("{text}: cannot list"))?;
        match kind(&found) {
            _ if found.is_dir() => {}
            Some(_) => files.push(found),
            None => other = other.or(Some(found)),
        }
        if files.len() > MAX_FILES {
            break;
        }
    }
    match (files.is_empty(), other) {
        (false, _) => Ok(files),
        // Its own error says which extensions there are.
        (true, Some(other)) => Format::of(&other).map(|_| vec![other]),
        (true, None) => {
            let plain = pattern.ancestors().skip(1).find(|folder| !is_pattern(folder)).unwrap_or(Path::new("."));
            let folder = if plain.as_os_str().is_empty() { Path::new(".") } else { plain };
            let near = match names_in(folder).as_slice() {
                [] if folder.is_dir() => format!("{} is empty", folder.display()),
                [] => format!("there is no folder {}", folder.display()),
                names => format!("{} has {}", folder.display(), shown(names)),
            };
            bail!(Usage(format!("{text}: no file matches; {near}")))
        }
    }
}
