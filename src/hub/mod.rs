//! Finds a model or a dataset by folder or hub id: in the cache all Hugging Face software shares, else on the hub.
//! It reads no file's meaning but the index of a sharded model's.
//!
//! Cache layout: `$HF_HOME/hub/models--ORG--NAME/{refs/main, snapshots/COMMIT/FILE}`. What is being downloaded lies in
//! `partial/` beside `snapshots/` until it is whole and checked, so a snapshot holds whole files only.

mod remote;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Component, Path, PathBuf};

use anyhow::{Context, Result, anyhow, bail};
use serde::Deserialize;

use crate::Usage;
use crate::protocol::Progress;
use remote::Remote;

/// Told how far a download is.
pub type OnProgress<'a> = &'a dyn Fn(Progress);

const WEIGHTS: &str = "model.safetensors";
const INDEX: &str = "model.safetensors.index.json";
const NEEDED: [&str; 2] = ["config.json", "tokenizer.json"];
/// Taken along where the repository has them.
const WELCOME: [&str; 4] =
    ["tokenizer_config.json", "special_tokens_map.json", "generation_config.json", "chat_template.jinja"];
/// An index of a thousand shards is a few MB; more is no index.
const LARGEST_INDEX: u64 = 64 << 20;

/// Where models and datasets come from.
#[derive(Clone, Debug)]
pub struct Hub {
    /// Address of the hub, without a slash at its end.
    pub endpoint: String,
    /// The shared cache, such as `~/.cache/huggingface/hub`.
    pub cache: PathBuf,
    /// Sent to the endpoint, and to no other host.
    pub token: Option<String>,
    /// Whether only the cache may be looked at.
    pub offline: bool,
}

impl Hub {
    /// As `HF_ENDPOINT`, `HF_HOME`, `HF_HUB_CACHE`, `XDG_CACHE_HOME`, `HF_TOKEN`, `HF_TOKEN_PATH` and
    /// `HF_HUB_OFFLINE` say, with the defaults of the `huggingface_hub` package.
    pub fn from_env() -> Hub {
        Hub::from_vars(|name| std::env::var(name).ok().filter(|value| !value.is_empty()))
    }

    fn from_vars(var: impl Fn(&str) -> Option<String>) -> Hub {
        let user = || PathBuf::from(var("HOME").unwrap_or_else(|| ".".into())).join(".cache");
        let home = var("HF_HOME").map(PathBuf::from);
        let home = home.unwrap_or_else(|| var("XDG_CACHE_HOME").map_or_else(user, PathBuf::from).join("huggingface"));
        let token_file = var("HF_TOKEN_PATH").map_or_else(|| home.join("token"), PathBuf::from);
        let token = var("HF_TOKEN").or_else(|| fs::read_to_string(token_file).ok());
        let endpoint = var("HF_ENDPOINT").unwrap_or_else(|| "https://huggingface.co".into());
        let yes = |value: String| ["1", "on", "yes", "true"].contains(&value.to_lowercase().as_str());
        Hub {
            endpoint: endpoint.trim_end_matches('/').to_owned(),
            cache: var("HF_HUB_CACHE").map_or_else(|| home.join("hub"), PathBuf::from),
            token: token.map(|token| token.trim().to_owned()).filter(|token| !token.is_empty()),
            offline: var("HF_HUB_OFFLINE").is_some_and(yes),
        }
    }

    /// The folder with `config.json`, `tokenizer.json` and the safetensors weights of a model. A folder of that name
    /// comes first, then the cache, then the hub.
    ///
    /// # Errors
    /// [`Usage`] for a name that is neither a folder nor a hub id, for a model that is not there, is not readable with
    /// this token or has no safetensors weights; others for a network or disk that fails.
    pub fn model(&self, id_or_folder: &str, progress: OnProgress) -> Result<PathBuf> {
        if let Some(folder) = self.model_here(id_or_folder)? {
            return Ok(folder);
        }
        let repository = self.repository(Kind::Model, id_or_folder)?;
        let remote = repository.remote(progress)?;
        let names: BTreeSet<&str> = remote.files.iter().map(|file| file.name.as_str()).collect();
        if !names.contains(WEIGHTS) && !names.contains(INDEX) {
            let pickle = names.iter().any(|name| name.ends_with(".bin") || name.ends_with(".pt"));
            let instead = if pickle { ", only pickled ones, which can run code when read" } else { "" };
            bail!(Usage(format!("{id_or_folder}: has no {WEIGHTS}{instead}; convert it, or choose another model")));
        }
        if let Some(name) = NEEDED.iter().find(|name| !names.contains(**name)) {
            bail!(Usage(format!("{id_or_folder}: has no {name} on the hub; choose another model")));
        }
        let weights = if names.contains(WEIGHTS) { WEIGHTS } else { INDEX };
        let small = [WELCOME.as_slice(), &NEEDED].concat();
        let mut snapshot = repository.advised(remote.fetch(|name| name == weights || small.contains(&name)))?;
        if weights == INDEX {
            let shards = shards(&snapshot.join(INDEX))?;
            snapshot = repository.advised(remote.fetch(|name| shards.contains(name)))?;
        }
        if let Some(name) = missing(&snapshot)?.first() {
            bail!("{id_or_folder}: the hub's copy lacks {name}, which its index names");
        }
        repository.set_main(&remote.commit)?;
        Ok(snapshot)
    }

    /// As [`Hub::model`], but only if it is here: the hub is not asked.
    ///
    /// # Errors
    /// [`Usage`] for a name that is neither a folder nor a hub id, and for a folder that lacks a file.
    pub fn model_here(&self, id_or_folder: &str) -> Result<Option<PathBuf>> {
        let folder = Path::new(id_or_folder);
        if folder.is_dir() {
            return match missing(folder)?.first() {
                Some(name) => bail!(Usage(format!("{}: a model's folder needs {name}", folder.display()))),
                None => Ok(Some(folder.to_owned())),
            };
        }
        match self.repository(Kind::Model, id_or_folder)?.snapshot() {
            Some(snapshot) if missing(&snapshot)?.is_empty() => Ok(Some(snapshot)),
            _ => Ok(None),
        }
    }

    /// The files of a dataset whose names start with one of the prefixes (`mrpc/train-`), sorted by name.
    ///
    /// # Errors
    /// [`Usage`] for an id that is none, a dataset that is not there, or a prefix that no file has; others for a
    /// network or disk that fails.
    pub fn dataset(&self, id: &str, prefixes: &[&str], progress: OnProgress) -> Result<Vec<PathBuf>> {
        if let Some(files) = self.dataset_here(id, prefixes)? {
            return Ok(files);
        }
        let repository = self.repository(Kind::Dataset, id)?;
        let remote = repository.remote(progress)?;
        let names: Vec<String> = remote.files.iter().map(|file| file.name.clone()).collect();
        if let Some(prefix) = prefixes.iter().find(|prefix| !names.iter().any(|name| name.starts_with(**prefix))) {
            bail!(Usage(format!("{id}: the dataset has no file {prefix}*")));
        }
        let snapshot =
            repository.advised(remote.fetch(|name| prefixes.iter().any(|prefix| name.starts_with(prefix))))?;
        repository.set_main(&remote.commit)?;
        Ok(chosen(&snapshot, &names, prefixes))
    }

    /// As [`Hub::dataset`], but only if all of it is here: the hub is not asked.
    ///
    /// # Errors
    /// [`Usage`] for an id that is none.
    pub fn dataset_here(&self, id: &str, prefixes: &[&str]) -> Result<Option<Vec<PathBuf>>> {
        let Some(snapshot) = self.repository(Kind::Dataset, id)?.snapshot() else { return Ok(None) };
        let names = files_below(&snapshot);
        let whole = prefixes.iter().all(|prefix| complete(&names, prefix));
        Ok(whole.then(|| chosen(&snapshot, &names, prefixes)))
    }

    fn repository<'a>(&'a self, kind: Kind, id: &'a str) -> Result<Repository<'a>> {
        if !is_hub_id(id) {
            bail!(Usage(format!("{id:?} is neither a folder that exists nor a hub id such as org/name")));
        }
        Ok(Repository { hub: self, kind, id })
    }
}

#[derive(Clone, Copy)]
enum Kind {
    Model,
    Dataset,
}

impl Kind {
    /// As the hub's addresses and the cache's folders have it.
    fn plural(self) -> &'static str {
        match self {
            Kind::Model => "models",
            Kind::Dataset => "datasets",
        }
    }
}

/// One repository of the hub, and its place in the cache.
struct Repository<'a> {
    hub: &'a Hub,
    kind: Kind,
    id: &'a str,
}

impl<'a> Repository<'a> {
    fn folder(&self) -> PathBuf {
        self.hub.cache.join(format!("{}--{}", self.kind.plural(), self.id.replace('/', "--")))
    }

    /// The snapshot that `refs/main` names, if it is there.
    fn snapshot(&self) -> Option<PathBuf> {
        let commit = fs::read_to_string(self.folder().join("refs/main")).ok()?;
        let commit = commit.trim();
        let snapshot = self.folder().join("snapshots").join(commit);
        (is_commit(commit) && snapshot.is_dir()).then_some(snapshot)
    }

    fn set_main(&self, commit: &str) -> Result<()> {
        let path = self.folder().join("refs/main");
        fs::create_dir_all(self.folder().join("refs"))
            .and_then(|()| fs::write(&path, commit))
            .with_context(|| format!("{}: cannot write", path.display()))
    }

    fn remote<'p>(&self, progress: OnProgress<'p>) -> Result<Remote<'p>> {
        if self.hub.offline {
            bail!(Usage(format!("{} is not in the cache and HF_HUB_OFFLINE is set; {}", self.id, self.hint())));
        }
        self.advised(Remote::open(self, progress))
    }

    /// Adds to a failure on the way what can be done without the hub.
    fn advised<T>(&self, result: Result<T>) -> Result<T> {
        result.map_err(|error| if error.is::<Usage>() { error } else { anyhow!("{error:#}; {}", self.hint()) })
    }

    /// What to do without the hub.
    fn hint(&self) -> String {
        let place = self.folder();
        match self.kind {
            Kind::Model => format!(
                "without the hub, put config.json, tokenizer.json and {WEIGHTS} into a folder and name it as \
                 model.id, or copy {} from a machine that has it",
                place.display()
            ),
            Kind::Dataset => format!(
                "without the hub, put the files into a folder and name it as data.path, or copy {} from a machine \
                 that has it",
                place.display()
            ),
        }
    }
}

/// The hub's own rule: `name` or `org/name` of letters, digits, `-`, `_` and `.`, without `--` and `..`.
fn is_hub_id(id: &str) -> bool {
    let plain = |part: &str| {
        let edge = |c: char| c == '-' || c == '.';
        !part.is_empty()
            && !part.starts_with(edge)
            && !part.ends_with(edge)
            && part.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
    };
    id.len() <= 96 && !id.contains("--") && !id.contains("..") && id.split('/').count() <= 2 && id.split('/').all(plain)
}

fn is_commit(commit: &str) -> bool {
    commit.len() == 40 && commit.bytes().all(|b| b.is_ascii_hexdigit())
}

/// Whether a name of a file from elsewhere stays inside the folder it is joined to.
fn is_inside(name: &str) -> bool {
    !name.is_empty()
        && !name.contains(|c: char| c.is_control() || c == '\\')
        && Path::new(name).components().all(|part| matches!(part, Component::Normal(_)))
}

/// What a model's folder lacks.
fn missing(folder: &Path) -> Result<Vec<String>> {
    let mut needed: Vec<String> = NEEDED.map(String::from).into();
    if folder.join(INDEX).is_file() && !folder.join(WEIGHTS).is_file() {
        needed.extend(shards(&folder.join(INDEX))?);
    } else {
        needed.push(WEIGHTS.into());
    }
    needed.retain(|name| !folder.join(name).is_file());
    Ok(needed)
}

/// The files that an index of a sharded model names.
fn shards(index: &Path) -> Result<BTreeSet<String>> {
    #[derive(Deserialize)]
    struct Index {
        weight_map: BTreeMap<String, String>,
    }
    let size = fs::metadata(index).with_context(|| format!("{}: cannot read", index.display()))?.len();
    if size > LARGEST_INDEX {
        bail!(Usage(format!("{}: {size} bytes are too many for an index", index.display())));
    }
    let bytes = fs::read(index).with_context(|| format!("{}: cannot read", index.display()))?;
    let parsed: Index = serde_json::from_slice(&bytes)
        .map_err(|error| Usage(format!("{}: not an index of safetensors files: {error}", index.display())))?;
    let names: BTreeSet<String> = parsed.weight_map.into_values().collect();
    match names.iter().find(|name| !is_inside(name) || !name.ends_with(".safetensors")) {
        Some(name) => bail!(Usage(format!("{}: {name:?} is not the name of a shard", index.display()))),
        None if names.is_empty() => bail!(Usage(format!("{}: names no shard", index.display()))),
        None => Ok(names),
    }
}

/// Names of all files in a folder of two levels, `/` between.
fn files_below(folder: &Path) -> Vec<String> {
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

/// Whether all parts are among the names: the last of `train-00000-of-00003.parquet` tells how many there are.
fn complete(names: &[String], prefix: &str) -> bool {
    let parts: Vec<&String> = names.iter().filter(|name| name.starts_with(prefix)).collect();
    let Some(first) = parts.first() else { return false };
    let of = first.rsplit_once("-of-").and_then(|(_, rest)| rest.split('.').next()?.parse::<usize>().ok());
    of.is_none_or(|of| parts.len() >= of)
}

fn chosen(snapshot: &Path, names: &[String], prefixes: &[&str]) -> Vec<PathBuf> {
    let wanted = names.iter().filter(|name| prefixes.iter().any(|prefix| name.starts_with(prefix)));
    let sorted: BTreeSet<&String> = wanted.collect();
    sorted.into_iter().map(|name| snapshot.join(name)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hub_ids_cannot_leave_the_cache() {
        for id in ["gpt2", "FacebookAI/roberta-large", "nyu-mll/glue", "a_b/c.d-1"] {
            assert!(is_hub_id(id), "{id}");
        }
        let long = "x".repeat(97);
        for id in ["", "/", "../..", "/etc", "a/b/c", "a/", "/a", "a--b", "a..b", ".a/b", "a/b\n", "a b", "é", &long] {
            assert!(!is_hub_id(id), "{id:?}");
        }
    }

    #[test]
    fn the_environment_is_read_as_huggingface_hub_does() {
        let hub = |vars: &[(&str, &str)]| {
            let vars: BTreeMap<String, String> =
                vars.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect();
            Hub::from_vars(|name| vars.get(name).cloned())
        };
        let plain = hub(&[("HOME", "/home/me")]);
        assert_eq!(plain.cache, Path::new("/home/me/.cache/huggingface/hub"));
        assert!(!plain.offline && plain.token.is_none());
        assert_eq!(hub(&[("XDG_CACHE_HOME", "/x")]).cache, Path::new("/x/huggingface/hub"));
        assert_eq!(hub(&[("XDG_CACHE_HOME", "/x"), ("HF_HOME", "/h")]).cache, Path::new("/h/hub"));
        let full =
            hub(&[("HF_HOME", "/h"), ("HF_HUB_CACHE", "/c"), ("HF_TOKEN", " t\n"), ("HF_ENDPOINT", "http://m/")]);
        assert_eq!(full.cache, Path::new("/c"));
        assert_eq!(full.token.as_deref(), Some("t"));
        assert_eq!(full.endpoint, "http://m");
        assert!(hub(&[("HF_HUB_OFFLINE", "True")]).offline && !hub(&[("HF_HUB_OFFLINE", "0")]).offline);
    }

    #[test]
    fn a_token_file_is_read_without_its_newline() {
        let home = tempfile::tempdir().unwrap();
        fs::write(home.path().join("token"), "secret\n").unwrap();
        let vars = |name: &str| (name == "HF_HOME").then(|| home.path().display().to_string());
        assert_eq!(Hub::from_vars(vars).token.as_deref(), Some("secret"));
    }

    #[test]
    fn an_index_names_files_of_its_own_folder_only() {
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
    fn a_split_in_parts_is_complete_with_all_of_them() {
        let names: Vec<String> = ["q/train-00000-of-00002.parquet", "q/test.parquet"].map(String::from).into();
        assert!(!complete(&names, "q/train-") && complete(&names, "q/test") && !complete(&names, "q/dev"));
    }
}
