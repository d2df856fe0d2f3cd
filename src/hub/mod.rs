//! The Hugging Face hub: finds models and datasets in a local folder, in the shared cache, or online.
//!
//! ```text
//! environment  endpoint, cache, token
//! cache        repositories in the cache, their snapshots and refs
//! files        which files a model or dataset needs, and which are there
//! remote       requests to the hub: listings and downloads
//! ```
//!
//! Cache layout: `$HF_HOME/hub/models--ORG--NAME/{refs/main, snapshots/COMMIT/FILE}`. Downloads are written to `partial/`
//! beside `snapshots/` until they are complete and checked, so that a snapshot holds complete files only.

mod cache;
mod environment;
mod files;
mod remote;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};

use crate::Usage;
use cache::{Repository, RepositoryKind, is_hub_id};
pub use environment::{Hub, OnProgress};
use files::{INDEX, OPTIONAL, REQUIRED, WEIGHTS, files_below, is_complete, missing, shards, with_prefix};
use remote::Remote;

impl Hub {
    /// The folder with `config.json`, `tokenizer.json` and the safetensors weights of a model: a local folder, else in the
    /// cache, else downloaded.
    ///
    /// # Errors
    /// [`Usage`]: neither a folder nor a hub id, an unknown or gated model, no safetensors weights. Otherwise a network or
    /// disk failure.
    pub fn model(&self, id_or_folder: &str, progress: OnProgress) -> Result<PathBuf> {
        if let Some(folder) = self.local_model(id_or_folder)? {
            return Ok(folder);
        }
        let repository = self.repository(RepositoryKind::Model, id_or_folder)?;
        let remote = Remote::open(&repository, progress)?;
        let names: BTreeSet<&str> = remote.files.iter().map(|file| file.name.as_str()).collect();
        if !names.contains(WEIGHTS) && !names.contains(INDEX) {
            let pickle = names.iter().any(|name| name.ends_with(".bin") || name.ends_with(".pt"));
            let only = if pickle { ", only pickled weights, which can run code when loaded" } else { "" };
            bail!(Usage(format!(
                "{id_or_folder}: no {WEIGHTS} on the hub{only}; convert the weights to safetensors, or choose another model"
            )));
        }
        if let Some(name) = REQUIRED.iter().find(|name| !names.contains(**name)) {
            bail!(Usage(format!("{id_or_folder}: no {name} on the hub; choose another model")));
        }
        let weights = if names.contains(WEIGHTS) { WEIGHTS } else { INDEX };
        let small = [OPTIONAL.as_slice(), &REQUIRED].concat();
        let mut snapshot = repository.with_hint(remote.fetch(|name| name == weights || small.contains(&name)))?;
        if weights == INDEX {
            let shards = shards(&snapshot.join(INDEX))?;
            snapshot = repository.with_hint(remote.fetch(|name| shards.contains(name)))?;
        }
        if let Some(name) = missing(&snapshot)?.first() {
            bail!("{id_or_folder}: {name} of the index is not on the hub; choose another model");
        }
        repository.set_main(&remote.commit)?;
        Ok(snapshot)
    }

    /// As [`Hub::model`] without downloads; `None` if the model is not complete on this machine.
    ///
    /// # Errors
    /// [`Usage`]: neither a folder nor a hub id, or a folder that lacks a file.
    pub fn local_model(&self, id_or_folder: &str) -> Result<Option<PathBuf>> {
        let folder = Path::new(id_or_folder);
        if folder.is_dir() {
            return match missing(folder)?.first() {
                Some(name) => bail!(Usage(format!("{}: no {name}; a model's folder needs it", folder.display()))),
                None => Ok(Some(folder.to_owned())),
            };
        }
        match self.repository(RepositoryKind::Model, id_or_folder)?.snapshot() {
            Some(snapshot) if missing(&snapshot)?.is_empty() => Ok(Some(snapshot)),
            _ => Ok(None),
        }
    }

    /// The files of a dataset whose names start with one of the prefixes, such as `mrpc/train-`, sorted by name.
    ///
    /// # Errors
    /// [`Usage`]: an invalid id, an unknown or gated dataset, a prefix that no file has. Otherwise a network or disk
    /// failure.
    pub fn dataset(&self, id: &str, prefixes: &[&str], progress: OnProgress) -> Result<Vec<PathBuf>> {
        if let Some(files) = self.local_dataset(id, prefixes)? {
            return Ok(files);
        }
        let repository = self.repository(RepositoryKind::Dataset, id)?;
        let remote = Remote::open(&repository, progress)?;
        let names: Vec<String> = remote.files.iter().map(|file| file.name.clone()).collect();
        if let Some(prefix) = prefixes.iter().find(|prefix| !names.iter().any(|name| name.starts_with(**prefix))) {
            bail!(Usage(format!("{id}: the dataset has no file {prefix}*")));
        }
        let snapshot =
            repository.with_hint(remote.fetch(|name| prefixes.iter().any(|prefix| name.starts_with(prefix))))?;
        repository.set_main(&remote.commit)?;
        Ok(with_prefix(&snapshot, &names, prefixes))
    }

    /// As [`Hub::dataset`] without downloads; `None` if a split is not complete in the cache.
    ///
    /// # Errors
    /// [`Usage`]: an invalid id.
    pub fn local_dataset(&self, id: &str, prefixes: &[&str]) -> Result<Option<Vec<PathBuf>>> {
        let Some(snapshot) = self.repository(RepositoryKind::Dataset, id)?.snapshot() else { return Ok(None) };
        let names = files_below(&snapshot);
        let complete = prefixes.iter().all(|prefix| is_complete(&names, prefix));
        Ok(complete.then(|| with_prefix(&snapshot, &names, prefixes)))
    }

    fn repository<'a>(&'a self, kind: RepositoryKind, id: &'a str) -> Result<Repository<'a>> {
        if !is_hub_id(id) {
            bail!(Usage(format!("{id:?} is neither a folder that exists nor a hub id such as org/name")));
        }
        Ok(Repository { hub: self, kind, id })
    }
}
