//! The files of models and datasets: which are needed, and which are there.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Component, Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde::Deserialize;

use crate::Usage;

pub(super) const WEIGHTS: &str = "model.safetensors";
pub(super) const INDEX: &str = "model.safetensors.index.json";
pub(super) const REQUIRED: [&str; 2] = ["config.json", "tokenizer.json"];
/// Downloaded if the repository has them.
pub(super) const OPTIONAL: [&str; 4] =
    ["tokenizer_config.json", "special_tokens_map.json", "generation_config.json", "chat_template.jinja"];
/// Limit on an index, in bytes. A thousand shards take a few MB.
const MAX_INDEX: u64 = 64 << 20;

/// The required files that a model's folder lacks.
pub(super) fn missing(folder: &Path) -> Result<Vec<String>> {
    let mut needed: Vec<String> = REQUIRED.map(String::from).into();
    if folder.join(INDEX).is_file() && !folder.join(WEIGHTS).is_file() {
        needed.extend(shards(&folder.join(INDEX))?);
    } else {
        needed.push(WEIGHTS.into());
    }
    needed.retain(|name| !folder.join(name).is_file());
    Ok(needed)
}

/// The files of a sharded model's index.
///
/// # Errors
/// [`Usage`]: the index is too large, malformed, or names files outside the folder.
pub(super) fn shards(index: &Path) -> Result<BTreeSet<String>> {
    #[derive(Deserialize)]
    struct Index {
        weight_map: BTreeMap<String, String>,
    }
    let size = fs::metadata(index).with_context(|| format!("{}: cannot read", index.display()))?.len();
    if size > MAX_INDEX {
        bail!(Usage(format!("{}: {size} bytes; the limit for an index is {MAX_INDEX}", index.display())));
    }
    let bytes = fs::read(index).with_context(|| format!("{}: cannot read", index.display()))?;
    let parsed: Index = serde_json::from_slice(&bytes)
        .map_err(|error| Usage(format!("{}: not an index of safetensors files: {error}", index.display())))?;
    let names: BTreeSet<String> = parsed.weight_map.into_values().collect();
    match names.iter().find(|name| !is_inside(name) || !name.ends_with(".safetensors")) {
        Some(name) => bail!(Usage(format!("{}: {name:?} is not a valid name of a shard", index.display()))),
        None if names.is_empty() => bail!(Usage(format!("{}: the index has no shards", index.display()))),
        None => Ok(names),
    }
}

/// Whether a file name from the hub stays inside the folder it is joined to.
pub(super) fn is_inside(name: &str) -> bool {
    !name.is_empty()
        && !name.contains(|c: char| c.is_control() || c == '\\')
        && Path::new(name).components().all(|part| matches!(part, Component::Normal(_)))
}

/// Names of all files in a folder and its sub-folders, such as `mrpc/train.parquet`.
pub(super) fn files_below(folder: &Path) -> Vec<String> {
    let entries = |folder: &Path| fs::read_dir(folder).into_iter().flatten().flatten();
    let mut names = Vec::new();
    for entry in entries(folder) {
        let name = entry.file_name().to_string_lossy().into_owned();
        if entry.path().is_dir() {
            names.extend(entries(&entry.path()).map(|file| format!("{name}/{}", file.file_name().to_string_lossy())));
        } else {
            names.push(name);
        }
    }
    names
}

/// Whether all shards of a split are among the names: `train-00000-of-00003.parquet` tells their number.
pub(super) fn is_complete(names: &[String], prefix: &str) -> bool {
    let shards: Vec<&String> = names.iter().filter(|name| name.starts_with(prefix)).collect();
    let Some(first) = shards.first() else { return false };
    let of = first.rsplit_once("-of-").and_then(|(_, rest)| rest.split('.').next()?.parse::<usize>().ok());
    of.is_none_or(|of| shards.len() >= of)
}

/// Paths of the files whose names start with one of the prefixes, sorted.
pub(super) fn with_prefix(snapshot: &Path, names: &[String], prefixes: &[&str]) -> Vec<PathBuf> {
    let matching = names.iter().filter(|name| prefixes.iter().any(|prefix| name.starts_with(prefix)));
    let sorted: BTreeSet<&String> = matching.collect();
    sorted.into_iter().map(|name| snapshot.join(name)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shards_outside_the_folder_are_rejected() {
        let folder = tempfile::tempdir().unwrap();
        let index = folder.path().join(INDEX);
        for bad in ["../x.safetensors", "/etc/x.safetensors", "x.bin", "a\\b.safetensors"] {
            fs::write(&index, serde_json::json!({"weight_map": {"w": bad}}).to_string()).unwrap();
            assert!(shards(&index).unwrap_err().is::<Usage>(), "{bad}");
        }
        fs::write(&index, r#"{"weight_map": {"a": "m-1-of-2.safetensors", "b": "m-1-of-2.safetensors"}}"#).unwrap();
        assert_eq!(shards(&index).unwrap().len(), 1);
    }

    #[test]
    fn a_split_is_complete_if_all_its_shards_are_there() {
        let names: Vec<String> = ["q/train-00000-of-00002.parquet", "q/test.parquet"].map(String::from).into();
        assert!(!is_complete(&names, "q/train-") && is_complete(&names, "q/test") && !is_complete(&names, "q/dev"));
    }
}
