//! The user's tags of a run: a file in its folder, one tag per line.

use std::fs::{self, File};
use std::io::Read;
use std::path::Path;

use anyhow::{Context, Result};

const FILE: &str = "tags";

/// Limits of tags per run and of characters per tag.
const MOST: usize = 16;
const LONGEST: usize = 32;

/// The tags in a text, without duplicates. Characters other than letters, digits, `-`, `_` and `.` are dropped.
pub fn tags_of(text: &str) -> Vec<String> {
    let mut tags: Vec<String> = Vec::new();
    for word in text.split([' ', ',', '#', '\n', '\t']) {
        let allowed = |c: &char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.');
        let tag: String = word.chars().filter(allowed).take(LONGEST).collect();
        if !tag.is_empty() && !tags.contains(&tag) && tags.len() < MOST {
            tags.push(tag);
        }
    }
    tags
}

/// The tags of a run; empty without a file.
pub fn read_tags(run: &Path) -> Vec<String> {
    let mut text = Vec::new();
    let limit = (MOST * LONGEST * 4) as u64;
    match File::open(run.join(FILE)).and_then(|file| file.take(limit).read_to_end(&mut text)) {
        Ok(_) => tags_of(&String::from_utf8_lossy(&text)),
        Err(_) => Vec::new(),
    }
}

/// Replaces the tags of a run.
///
/// # Errors
/// A folder that cannot be written.
pub fn write_tags(run: &Path, tags: &[String]) -> Result<()> {
    let path = run.join(FILE);
    let lines: String = tags.iter().map(|tag| format!("{tag}\n")).collect();
    let new = run.join(".tags.new");
    fs::write(&new, lines)
        .and_then(|()| fs::rename(&new, &path))
        .with_context(|| format!("{}: cannot write", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_words_without_special_characters() {
        assert_eq!(tags_of(" good, #best good\u{1b}[31m  x/y "), ["good", "best", "good31m", "xy"]);
        let folder = tempfile::tempdir().unwrap();
        assert!(read_tags(folder.path()).is_empty());
        write_tags(folder.path(), &tags_of("a b")).unwrap();
        assert_eq!(read_tags(folder.path()), ["a", "b"]);
    }
}
