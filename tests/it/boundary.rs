//! Who may know whom: a table of folders and the paths that must not occur in them.

use std::fs;
use std::path::{Path, PathBuf};

/// Parts of the source and what they must not mention.
const FORBIDDEN: &[(&[&str], &[&str])] = &[
    (
        &[
            "protocol.rs",
            "panics.rs",
            "preset",
            "metrics.rs",
            "series.rs",
            "data",
            "runs",
            "session",
            "hub",
            "system",
            "estimate/report.rs",
            "attach",
        ],
        &["tch", "ratatui", "crossterm", "crate::ui", "crate::train", "crate::model", "crate::sift"],
    ),
    (&["sift"], &["crate::", "ratatui", "crossterm"]),
    (&["model"], &["crate::sift", "crate::train", "crate::ui", "crate::data", "crate::preset", "ratatui", "crossterm"]),
    (&["train"], &["crate::ui", "crate::headless", "crate::cli", "ratatui", "crossterm", "indicatif"]),
    (&["export"], &["crate::ui", "crate::headless", "crate::cli", "ratatui", "crossterm", "indicatif"]),
    (
        &["chat.rs", "bench", "eval", "device", "estimate", "inputs"],
        &["crate::ui", "crate::headless", "crate::cli", "ratatui", "crossterm", "indicatif"],
    ),
    (&["ui", "headless"], &["tch", "crate::train", "crate::model", "crate::sift", "crate::cli"]),
];

#[test]
fn no_part_knows_what_it_must_not() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = Vec::new();
    for (parts, forbidden) in FORBIDDEN {
        for part in *parts {
            let files = files(&source.join(part));
            assert!(!files.is_empty(), "src/{part} is not there; mend the table");
            for file in files {
                let text = fs::read_to_string(&file).unwrap();
                for word in *forbidden {
                    let mention = text.lines().position(|line| mentions(line, word));
                    found.extend(mention.map(|line| format!("{}:{} mentions {word}", file.display(), line + 1)));
                }
            }
        }
    }
    assert!(found.is_empty(), "\n{}", found.join("\n"));
}

#[test]
fn a_mention_is_a_path_and_not_a_word() {
    assert!(mentions("use tch::Tensor;", "tch"));
    assert!(mentions("    let x = crate::train::run();", "crate::train"));
    assert!(mentions("use crate::{train, ui};", "crate::train"));
    assert!(!mentions("// batch::x", "tch"));
    assert!(!mentions("let batch: Batch = fetch();", "tch"));
    assert!(!mentions("//! knows no tch::Tensor", "tch"));
}

/// Whether code on a line uses the path. `sift` names the crate with `crate::` in its tests alone, as `super`.
fn mentions(line: &str, path: &str) -> bool {
    let code = line.split("//").next().unwrap_or_default();
    // `use crate::{a, b}` is as good as two lines.
    if let (Some(module), Some(list)) = (path.strip_prefix("crate::"), code.trim().strip_prefix("use crate::{"))
        && (module.is_empty() || list.split([',', '}']).any(|item| item.trim().split("::").next() == Some(module)))
    {
        return true;
    }
    let ends = |rest: &str| {
        path.ends_with("::") || rest.starts_with("::") || !rest.starts_with(|c: char| c.is_alphanumeric() || c == '_')
    };
    let starts = |before: &str| !before.ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == ':');
    code.match_indices(path).any(|(at, _)| starts(&code[..at]) && ends(&code[at + path.len()..]))
}

fn files(path: &Path) -> Vec<PathBuf> {
    if path.is_file() {
        return vec![path.to_owned()];
    }
    let Ok(entries) = fs::read_dir(path) else { return Vec::new() };
    entries.flat_map(|entry| files(&entry.unwrap().path())).collect()
}
