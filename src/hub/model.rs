//! Models: a local folder, a snapshot in the cache, or a download.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};

use super::cache::{Repository, RepositoryKind};
use super::environment::{Hub, OnProgress};
use super::id::{is_commit, is_path};
use super::remote::Remote;
use super::shards::shard_count;
use crate::Usage;
use crate::model_folder::{
    self, CONFIG, INDEX, ModelProblem, Place, WEIGHTS, architecture, base_of_adapter, is_companion, problem_of_names,
    shards,
};

/// Where a model is to be found.
enum ModelLocation<'a> {
    Folder(PathBuf),
    Repository(Repository<'a>),
}

impl Hub {
    /// The folder with `config.json`, tokenizer and safetensors weights of a model: a local folder, else in the cache, else
    /// downloaded. The id may have a revision: `org/name@revision`.
    ///
    /// # Errors
    /// [`Usage`]: neither a folder nor a hub id, an unknown or gated model, a folder or repository whose weights or tokenizer
    /// are not read. Otherwise a network or disk failure.
    pub fn model(&self, id_or_folder: &str, progress: OnProgress) -> Result<PathBuf> {
        if let Some(folder) = self.local_model(id_or_folder)? {
            return Ok(folder);
        }
        let ModelLocation::Repository(repository) = self.locate(id_or_folder)? else {
            bail!(Usage(format!("{id_or_folder}: no such folder")));
        };
        if self.offline {
            bail!(offline(&repository)?);
        }
        let remote = Remote::open(&repository, progress)?;
        let names: BTreeSet<String> = remote.files.iter().map(|file| file.name.clone()).collect();
        if let Some(problem) = problem_of_names(&names, None) {
            bail!(refusal(&repository, &remote, problem)?);
        }
        let weights = if names.contains(WEIGHTS) { WEIGHTS } else { INDEX };
        let mut snapshot =
            repository.with_hint(remote.fetch(|name| name == weights || name == CONFIG || is_companion(name)))?;
        if weights == INDEX {
            let shards = shards(&snapshot.join(INDEX))?;
            snapshot = repository.with_hint(remote.fetch(|name| shards.contains(name)))?;
        }
        model_folder::check(&snapshot)?;
        repository.record(&remote.commit, &names.into_iter().collect::<Vec<_>>())?;
        Ok(snapshot)
    }

    /// As [`Hub::model`] without downloads; `None` if the model is not complete on this machine.
    ///
    /// # Errors
    /// [`Usage`]: neither a folder nor a hub id, or a folder that is no model.
    pub fn local_model(&self, id_or_folder: &str) -> Result<Option<PathBuf>> {
        let folder = match self.locate(id_or_folder)? {
            ModelLocation::Folder(folder) => folder,
            ModelLocation::Repository(repository) => match repository.snapshot() {
                Some(snapshot) if model_folder::problem(&snapshot.folder)?.is_none() => snapshot.folder,
                _ => return Ok(None),
            },
        };
        model_folder::check(&folder)?;
        Ok(Some(folder))
    }

    /// Bytes that [`Hub::model`] would download, by the hub's listing. Nothing is downloaded.
    ///
    /// # Errors
    /// As [`Hub::model`]; a listing without sizes.
    pub fn model_size(&self, id: &str) -> Result<u64> {
        let ModelLocation::Repository(repository) = self.locate(id)? else { return Ok(0) };
        if self.offline {
            bail!(offline(&repository)?);
        }
        let remote = Remote::list(&repository, &|_| {})?;
        let whole = remote.files.iter().any(|file| file.name == WEIGHTS);
        let is_weights = |name: &str| match whole {
            true => name == WEIGHTS,
            false => name == INDEX || name.ends_with(".safetensors") && shard_count(name).is_some(),
        };
        remote.size(|name| name == CONFIG || is_companion(name) || is_weights(name))
    }

    /// The commit that a folder of the cache holds; `None` for another folder.
    pub fn commit_of(&self, folder: &Path) -> Option<String> {
        let commit = folder.file_name()?.to_str()?;
        let in_cache = folder.starts_with(&self.cache) && folder.parent()?.ends_with("snapshots");
        (in_cache && is_commit(commit)).then(|| commit.to_owned())
    }

    fn locate<'a>(&'a self, id_or_folder: &'a str) -> Result<ModelLocation<'a>> {
        if Path::new(id_or_folder).exists() {
            return Ok(ModelLocation::Folder(id_or_folder.into()));
        }
        if is_path(id_or_folder) {
            let first = id_or_folder.split('/').next().unwrap_or_default();
            let hub = match self.repository(RepositoryKind::Model, id_or_folder) {
                Ok(_) => format!(
                    ". It is taken for a folder because {first} is one; for the hub's repository of this name, write \
                     {id_or_folder}@main"
                ),
                Err(_) => String::new(),
            };
            bail!(Usage(format!("{id_or_folder}: no such folder{hub}")));
        }
        Ok(ModelLocation::Repository(self.repository(RepositoryKind::Model, id_or_folder)?))
    }
}

/// The error that a model is not in the cache of a machine that is offline.
fn offline(repository: &Repository) -> Result<Usage> {
    let problem = match repository.snapshot() {
        Some(snapshot) => model_folder::problem(&snapshot.folder)?,
        None => None,
    };
    let (id, hint) = (repository.id.text, repository.hint());
    Ok(Usage(match problem {
        Some(ModelProblem::Lacks(names)) => {
            format!("{id}: the cache lacks {}, and HF_HUB_OFFLINE is set; {hint}", names.join(", "))
        }
        Some(problem) => {
            let place = Place { shown: id.to_owned(), on_hub: true, architecture: None };
            format!("{} (in the cache; HF_HUB_OFFLINE is set)", problem.describe(&place))
        }
        None => format!("{id} is not in the cache, and HF_HUB_OFFLINE is set; {hint}"),
    }))
}

/// The error about a repository that is no model. Small files that say more are fetched for it.
fn refusal(repository: &Repository, remote: &Remote, problem: ModelProblem) -> Result<Usage> {
    let snapshot = repository.with_hint(remote.fetch(|name| [CONFIG, "adapter_config.json"].contains(&name)))?;
    let problem = match problem {
        ModelProblem::Adapter(_) => ModelProblem::Adapter(base_of_adapter(&snapshot)),
        other => other,
    };
    let place = Place { shown: repository.id.text.to_owned(), on_hub: true, architecture: architecture(&snapshot) };
    Ok(Usage(problem.describe(&place)))
}
