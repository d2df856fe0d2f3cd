//! Checks a model's folder: whether it is one, whether its files are there, and whether they are what their names say.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde_json::{Map, Value};

use super::companions::is_companion;
use super::place::Place;
use super::problem::{ModelProblem, problem_of_names};
use super::substitute::{expect_content, expect_no_pointer};
use super::weights::{check_whole, shards};
use super::{CONFIG, INDEX, TOKENIZER, WEIGHTS};
use crate::Usage;

/// The companions that every model of their kind needs.
const READ: [&str; 5] = [TOKENIZER, "tokenizer_config.json", "vocab.txt", "vocab.json", "merges.txt"];

/// Limit on a JSON file that is read for a message, in bytes.
const MAX_JSON: u64 = 1 << 20;

/// Folders below that are named if they have the model; a folder of thousands is not listed to its end.
const MAX_ENTRIES: usize = 1000;

/// Checks a folder before it is opened. Of the weights only the headers are read.
///
/// # Errors
/// [`Usage`]: what the folder or a file of it is instead, and what to do. Otherwise it cannot be read.
pub(crate) fn check(folder: &Path) -> Result<()> {
    if let Some(problem) = problem(folder)? {
        bail!(refusal(folder, &problem));
    }
    expect_content(&folder.join(CONFIG))?;
    for name in files_of(folder)?.iter().filter(|name| is_companion(name)) {
        match READ.contains(&name.as_str()) {
            true => expect_content(&folder.join(name))?,
            false => expect_no_pointer(&folder.join(name))?,
        }
    }
    weight_files(folder)?.iter().try_for_each(|name| check_whole(&folder.join(name)))
}

/// The files with a model's weights: the one file, or the shards of the index.
///
/// # Errors
/// [`Usage`]: neither is there, or the index is malformed or names files outside the folder.
pub(crate) fn weight_files(folder: &Path) -> Result<BTreeSet<String>> {
    if folder.join(WEIGHTS).is_file() {
        return Ok(BTreeSet::from([WEIGHTS.to_owned()]));
    }
    if folder.join(INDEX).is_file() {
        return shards(&folder.join(INDEX));
    }
    let lacks = || ModelProblem::Lacks(vec![WEIGHTS.into()]);
    bail!(refusal(folder, &problem(folder)?.unwrap_or_else(lacks)))
}

fn refusal(folder: &Path, problem: &ModelProblem) -> Usage {
    let place = Place { shown: folder.display().to_string(), on_hub: false, architecture: architecture(folder) };
    Usage(problem.describe(&place))
}

/// What is wrong with a folder, apart from the contents of its files; `None` for a model.
///
/// # Errors
/// The folder or its index cannot be read.
pub(crate) fn problem(folder: &Path) -> Result<Option<ModelProblem>> {
    if folder.is_file() {
        return Ok(Some(ModelProblem::File(folder.parent().unwrap_or(Path::new(".")).to_owned())));
    }
    let names = files_of(folder)?;
    let found = problem_of_names(&names, base_of_adapter(folder));
    if !names.contains(CONFIG)
        && let Some(other) = other_folder(folder, &names)
    {
        return Ok(Some(other));
    }
    if let Some(found) = found {
        return Ok(Some(broken_link(folder).unwrap_or(found)));
    }
    if names.contains(WEIGHTS) {
        return Ok(None);
    }
    expect_content(&folder.join(INDEX))?;
    let missing: Vec<String> = shards(&folder.join(INDEX))?.into_iter().filter(|name| !names.contains(name)).collect();
    match missing.is_empty() {
        true => Ok(None),
        false => Ok(Some(broken_link(folder).unwrap_or(ModelProblem::Lacks(missing)))),
    }
}

/// Names of the files in a folder. A link whose target is missing is no file. Downloads that `hf download --local-dir` has
/// not finished are listed too.
///
/// # Errors
/// The folder cannot be read.
fn files_of(folder: &Path) -> Result<BTreeSet<String>> {
    let entries = fs::read_dir(folder).with_context(|| format!("{}: cannot read", folder.display()))?;
    let unfinished = fs::read_dir(folder.join(".cache/huggingface/download")).into_iter().flatten().flatten();
    let unfinished = unfinished.filter(|entry| entry.file_name().to_string_lossy().ends_with(".incomplete"));
    let files = entries.flatten().chain(unfinished).filter(|entry| entry.path().is_file());
    Ok(files.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect())
}

/// What a folder without config.json is.
fn other_folder(folder: &Path, names: &BTreeSet<String>) -> Option<ModelProblem> {
    if names.contains("preset.toml") || names.contains("events.jsonl") {
        return Some(ModelProblem::Run);
    }
    if names.contains("checkpoint.json") {
        return Some(ModelProblem::RunCheckpoint);
    }
    if folder.join("snapshots").is_dir() && folder.join("refs").is_dir() {
        let snapshots = folders_of(&folder.join("snapshots"));
        return Some(ModelProblem::CacheFolder(snapshots.into_iter().next()));
    }
    let is_model = |folder: &PathBuf| folder.join(CONFIG).is_file();
    let weights = names.iter().any(|name| name.ends_with(".safetensors") || name.ends_with(".bin"));
    if !weights && !names.contains("adapter_config.json") {
        let below: Vec<PathBuf> = folders_of(folder).into_iter().filter(is_model).collect();
        if !below.is_empty() {
            let name = |folder: &PathBuf| folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
            return Some(ModelProblem::Above(below.iter().map(name).collect()));
        }
        if let Some(above) = folder.canonicalize().ok().as_deref().and_then(Path::parent).map(Path::to_owned)
            && is_model(&above)
        {
            return Some(ModelProblem::Below(above));
        }
    }
    names.is_empty().then_some(ModelProblem::Empty)
}

/// Folders below a folder, sorted.
fn folders_of(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten().take(MAX_ENTRIES);
    let mut folders: Vec<PathBuf> = entries.map(|entry| entry.path()).filter(|path| path.is_dir()).collect();
    folders.sort();
    folders
}

/// A link of a model's file to a file that does not exist.
fn broken_link(folder: &Path) -> Option<ModelProblem> {
    let needed = |name: &str| [CONFIG, TOKENIZER, INDEX].contains(&name) || name.ends_with(".safetensors");
    fs::read_dir(folder).ok()?.flatten().find_map(|entry| {
        let name = entry.file_name().into_string().ok()?;
        let target = fs::read_link(entry.path()).ok()?;
        (needed(&name) && !entry.path().exists()).then_some(ModelProblem::BrokenLink { name, target })
    })
}

/// The class of the model, if config.json has one that is a plain name.
pub(crate) fn architecture(folder: &Path) -> Option<String> {
    let config = small_object(&folder.join(CONFIG))?;
    let name = config.get("architectures")?.as_array()?.first()?.as_str()?;
    let plain = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    plain.then(|| name.to_owned())
}

pub(crate) fn base_of_adapter(folder: &Path) -> Option<String> {
    let config = small_object(&folder.join("adapter_config.json"))?;
    let base = config.get("base_model_name_or_path")?.as_str()?;
    (!base.is_empty()).then(|| base.replace(char::is_control, "\u{fffd}"))
}

/// The JSON object of a small file, for a message: a file that has none is not an error.
fn small_object(path: &Path) -> Option<Map<String, Value>> {
    let mut text = String::new();
    File::open(path).ok()?.take(MAX_JSON).read_to_string(&mut text).ok()?;
    serde_json::from_str(&text).ok()
}
