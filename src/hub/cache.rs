//! Repositories in the shared cache: folders, snapshots, refs and listings.

use std::fmt;
use std::fs;
use std::io::Read;
use std::path::{Component, Path, PathBuf};

use anyhow::{Context, Result, anyhow};

use super::environment::Hub;
use super::id::{RepositoryId, is_commit};
use crate::Usage;
use crate::model_folder::WEIGHTS;

/// Limit on a listing, in bytes. The names of a hundred thousand files take some 10 MB.
const MAX_LISTING: u64 = 64 << 20;

/// Folders of a snapshot deeper than this are not listed.
const MAX_DEPTH: usize = 32;

#[derive(Clone, Copy)]
pub(super) enum RepositoryKind {
    Model,
    Dataset,
}

impl RepositoryKind {
    /// As in URLs and folder names.
    pub fn plural(self) -> &'static str {
        match self {
            RepositoryKind::Model => "models",
            RepositoryKind::Dataset => "datasets",
        }
    }
}

/// A request that got no response.
#[derive(Debug)]
pub(super) struct Unreachable {
    pub host: String,
    /// The URL and the cause.
    pub details: String,
}

impl fmt::Display for Unreachable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot reach {} (offline?)", self.host)
    }
}

impl std::error::Error for Unreachable {}

/// A repository of the hub, and its folder in the cache.
pub(super) struct Repository<'a> {
    pub hub: &'a Hub,
    pub kind: RepositoryKind,
    pub id: RepositoryId<'a>,
}

/// The files of a repository at one commit, as far as they are in the cache.
pub(super) struct Snapshot {
    pub folder: PathBuf,
    /// Names of all files of the repository; `None` if other software filled the cache, which stores no listing.
    pub listing: Option<Vec<String>>,
}

impl Snapshot {
    /// Names of the files that are there, such as `data/en/train.jsonl`, sorted.
    pub fn files(&self) -> Vec<String> {
        let (mut names, mut folders) = (Vec::new(), vec![(self.folder.clone(), String::new(), 0)]);
        while let Some((folder, prefix, depth)) = folders.pop() {
            for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
                let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
                // Folders in the cache are no links, so links to folders are not followed.
                match entry.file_type() {
                    Ok(kind) if kind.is_dir() && depth < MAX_DEPTH => {
                        folders.push((entry.path(), format!("{name}/"), depth + 1));
                    }
                    Ok(_) if entry.path().is_file() => names.push(name),
                    _ => {}
                }
            }
        }
        names.sort_unstable();
        names
    }
}

impl<'a> Repository<'a> {
    pub fn folder(&self) -> PathBuf {
        self.hub.cache.join(format!("{}--{}", self.kind.plural(), self.id.name.replace('/', "--")))
    }

    /// The snapshot of the revision, if it exists.
    pub fn snapshot(&self) -> Option<Snapshot> {
        let commit = match self.id.commit() {
            Some(commit) => commit.to_owned(),
            None => fs::read_to_string(self.ref_file()).ok()?.trim().to_owned(),
        };
        let folder = self.folder().join("snapshots").join(&commit);
        (is_commit(&commit) && folder.is_dir()).then(|| Snapshot { folder, listing: self.listing(&commit) })
    }

    /// Records that the revision is this commit, and which files the commit has. Both are done once its files are complete.
    pub fn record(&self, commit: &str, names: &[String]) -> Result<()> {
        let write = |path: &Path, content: &str| {
            path.parent()
                .map_or(Ok(()), fs::create_dir_all)
                .and_then(|()| fs::write(path, content))
                .with_context(|| format!("{}: cannot write", path.display()))
        };
        write(&self.listing_file(commit), &serde_json::to_string(names)?)?;
        match self.id.commit() {
            Some(_) => Ok(()),
            None => write(&self.ref_file(), commit),
        }
    }

    /// `refs/main` and `refs/refs/pr/1`, as `huggingface_hub` has them.
    fn ref_file(&self) -> PathBuf {
        self.folder().join("refs").join(self.id.revision)
    }

    /// Beside `refs` and `snapshots`, where `huggingface_hub` looks for nothing.
    fn listing_file(&self, commit: &str) -> PathBuf {
        self.folder().join("listings").join(format!("{commit}.json"))
    }

    fn listing(&self, commit: &str) -> Option<Vec<String>> {
        let mut text = String::new();
        fs::File::open(self.listing_file(commit)).ok()?.take(MAX_LISTING).read_to_string(&mut text).ok()?;
        let names: Vec<String> = serde_json::from_str(&text).ok()?;
        names.iter().all(|name| is_inside(name)).then_some(names)
    }

    /// Adds to a network or disk failure what to do without the hub.
    pub fn with_hint<T>(&self, result: Result<T>) -> Result<T> {
        result.map_err(|error| match error.downcast_ref() {
            _ if error.is::<Usage>() => error,
            Some(unreachable @ Unreachable { details, .. }) => {
                anyhow!("{unreachable}. Check the network; {} ({details})", self.hint())
            }
            None => anyhow!("{error:#}; {}", self.hint()),
        })
    }

    /// What to do without the hub.
    pub fn hint(&self) -> String {
        let folder = self.folder();
        match self.kind {
            RepositoryKind::Model => format!(
                "there is no folder {}; without the hub, set model.id to a folder with config.json, tokenizer.json and \
                 {WEIGHTS}, or copy {} from another machine",
                self.id.text,
                folder.display()
            ),
            RepositoryKind::Dataset => format!(
                "without the hub, set data.path to a folder with the files, or copy {} from another machine",
                folder.display()
            ),
        }
    }
}

/// Whether a file name from the hub stays inside the folder it is joined to.
pub(super) fn is_inside(name: &str) -> bool {
    !name.is_empty()
        && !name.contains(|c: char| c.is_control() || c == '\\')
        && Path::new(name).components().all(|part| matches!(part, Component::Normal(_)))
}
