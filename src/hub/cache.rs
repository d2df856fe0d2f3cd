//! Repositories in the shared cache: ids, folders, snapshots and refs.

use std::fmt;
use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result, anyhow};

use super::environment::Hub;
use super::files::WEIGHTS;
use crate::Usage;

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
    pub id: &'a str,
}

impl<'a> Repository<'a> {
    pub fn folder(&self) -> PathBuf {
        self.hub.cache.join(format!("{}--{}", self.kind.plural(), self.id.replace('/', "--")))
    }

    /// The snapshot of `refs/main`, if it exists.
    pub fn snapshot(&self) -> Option<PathBuf> {
        let commit = fs::read_to_string(self.folder().join("refs/main")).ok()?;
        let commit = commit.trim();
        let snapshot = self.folder().join("snapshots").join(commit);
        (is_commit(commit) && snapshot.is_dir()).then_some(snapshot)
    }

    pub fn set_main(&self, commit: &str) -> Result<()> {
        let path = self.folder().join("refs/main");
        fs::create_dir_all(self.folder().join("refs"))
            .and_then(|()| fs::write(&path, commit))
            .with_context(|| format!("{}: cannot write", path.display()))
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
                "without the hub, set model.id to a folder with config.json, tokenizer.json and {WEIGHTS}, or copy \
                 {} from another machine",
                folder.display()
            ),
            RepositoryKind::Dataset => format!(
                "without the hub, set data.path to a folder with the files, or copy {} from another machine",
                folder.display()
            ),
        }
    }
}

/// The hub's rule for ids: `name` or `org/name` of letters, digits, `-`, `_` and `.`, without `--` and `..`.
pub(super) fn is_hub_id(id: &str) -> bool {
    let plain = |part: &str| {
        let edge = |c: char| c == '-' || c == '.';
        !part.is_empty()
            && !part.starts_with(edge)
            && !part.ends_with(edge)
            && part.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
    };
    id.len() <= 96 && !id.contains("--") && !id.contains("..") && id.split('/').count() <= 2 && id.split('/').all(plain)
}

pub(super) fn is_commit(commit: &str) -> bool {
    commit.len() == 40 && commit.bytes().all(|b| b.is_ascii_hexdigit())
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
}
