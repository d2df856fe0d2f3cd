//! Datasets: which files of a repository are wanted, from the cache or by download.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use super::cache::{Repository, RepositoryKind};
use super::card::DatasetCard;
use super::environment::{Hub, OnProgress};
use super::remote::Remote;
use super::shards::{all_shards_of, shard_count};
use super::splits::{FormatOf, Splits, named};
use crate::Usage;

const README: &str = "README.md";

/// Limit on a README.md, in bytes.
const MAX_README: u64 = 16 << 20;

/// What is wanted of a dataset.
#[derive(Clone, Copy)]
pub struct DatasetRequest<'a> {
    /// `org/name` or `org/name@revision`.
    pub id: &'a str,
    pub files: RequestedFiles<'a>,
    pub format_of: FormatOf<'a>,
}

/// The wanted files of a dataset.
#[derive(Clone, Copy)]
pub enum RequestedFiles<'a> {
    /// Those whose names begin with one of these, or match it as a pattern with `*`.
    Named(&'a [&'a str]),
    /// Those of its splits.
    Splits {
        /// By default the only one, or the one that the card marks.
        config: Option<&'a str>,
        /// By default `train`.
        train: Option<&'a str>,
        held_out: RequestedHeldOut<'a>,
    },
}

/// The split to evaluate on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RequestedHeldOut<'a> {
    None,
    /// The validation split, if there is one.
    IfThere,
    Split(&'a str),
}

/// The files of a dataset on this machine.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DatasetFiles {
    pub train: Vec<PathBuf>,
    /// Empty without a held-out split.
    pub held_out: Vec<PathBuf>,
    /// Classes by column, in the order of their indices, where the card names them.
    pub class_names: BTreeMap<String, Vec<String>>,
    /// What was taken, in one line.
    pub summary: String,
    /// What may be missing.
    pub warnings: Vec<String>,
}

/// The wanted files by name.
#[derive(Default)]
struct ChosenFiles {
    train: Vec<String>,
    held_out: Vec<String>,
    class_names: BTreeMap<String, Vec<String>>,
    /// Config and splits, for the summary.
    splits: Option<String>,
    unused: Vec<String>,
}

/// What the cache has of a request.
enum Cached {
    Complete(DatasetFiles),
    /// These files are missing.
    Incomplete(Vec<String>),
    /// Which files the repository has is not known here; these of them are in the cache.
    Unlisted(DatasetFiles),
    Absent,
}

impl Hub {
    /// The files of a dataset, from the cache or downloaded.
    ///
    /// # Errors
    /// [`Usage`]: an invalid id, an unknown or gated dataset, a config, split or prefix that it does not have; offline, files
    /// that are not in the cache. Otherwise a network or disk failure.
    pub fn dataset(&self, request: &DatasetRequest, progress: OnProgress) -> Result<DatasetFiles> {
        let repository = self.repository(RepositoryKind::Dataset, request.id)?;
        let cached = cached(&repository, request)?;
        if let Cached::Complete(files) = cached {
            return Ok(files);
        }
        if self.offline {
            return offline(&repository, cached);
        }
        let remote = Remote::open(&repository, progress)?;
        let names: Vec<String> = remote.files.iter().map(|file| file.name.clone()).collect();
        if request.needs_card() && names.iter().any(|name| name == README) {
            repository.with_hint(remote.fetch(|name| name == README))?;
        }
        let snapshot = repository.folder().join("snapshots").join(&remote.commit);
        let chosen = request.choose(&names, || readme(&snapshot))?;
        let wanted: BTreeSet<&String> = chosen.names().collect();
        repository.with_hint(remote.fetch(|name| wanted.iter().any(|wanted| *wanted == name)))?;
        repository.record(&remote.commit, &names)?;
        Ok(chosen.below(&snapshot, request))
    }

    /// Bytes that [`Hub::dataset`] would download, by the hub's listing. Only the dataset's card is read, and not kept.
    ///
    /// # Errors
    /// As [`Hub::dataset`]; a listing without sizes.
    pub fn dataset_size(&self, request: &DatasetRequest) -> Result<u64> {
        let repository = self.repository(RepositoryKind::Dataset, request.id)?;
        if self.offline {
            return offline(&repository, Cached::Absent).map(|_| 0);
        }
        let remote = Remote::list(&repository, &|_| {})?;
        let names: Vec<String> = remote.files.iter().map(|file| file.name.clone()).collect();
        let has_card = names.iter().any(|name| name == README);
        let chosen = request.choose(&names, || if has_card { remote.text(README) } else { Ok(String::new()) })?;
        let wanted: BTreeSet<&str> = chosen.names().map(String::as_str).collect();
        remote.size(|name| wanted.contains(name) || request.needs_card() && name == README)
    }

    /// As [`Hub::dataset`] without downloads; `None` if files are missing, or if it is not known whether any are.
    ///
    /// # Errors
    /// [`Usage`]: an invalid id, or a config, split or prefix that the dataset does not have.
    pub fn local_dataset(&self, request: &DatasetRequest) -> Result<Option<DatasetFiles>> {
        let repository = self.repository(RepositoryKind::Dataset, request.id)?;
        match cached(&repository, request)? {
            Cached::Complete(files) => Ok(Some(files)),
            Cached::Incomplete(_) | Cached::Unlisted(_) | Cached::Absent => Ok(None),
        }
    }
}

impl DatasetRequest<'_> {
    fn needs_card(&self) -> bool {
        matches!(self.files, RequestedFiles::Splits { .. })
    }

    /// Chooses among the names of a repository. The card is that of its README.md, which is read if it is needed.
    fn choose(&self, names: &[String], readme: impl FnOnce() -> Result<String>) -> Result<ChosenFiles> {
        let refused = |error: &dyn std::fmt::Display| Usage(format!("{}: {error}", self.id));
        match self.files {
            RequestedFiles::Named(prefixes) => {
                let mut train = BTreeSet::new();
                for prefix in prefixes {
                    let matching = named(names, prefix).map_err(|error| refused(&error))?;
                    if matching.is_empty() {
                        let any = if prefix.contains('*') { "" } else { "*" };
                        bail!(Usage(format!("{}: the dataset has no file {prefix}{any}", self.id)));
                    }
                    train.extend(matching.into_iter().filter(|name| (self.format_of)(name).is_some()).cloned());
                }
                if train.is_empty() {
                    let prefixes = prefixes.join(", ");
                    bail!(refused(&format!("no file {prefixes}* is in a format with examples that can be read")));
                }
                Ok(ChosenFiles { train: train.into_iter().collect(), ..ChosenFiles::default() })
            }
            RequestedFiles::Splits { config, train, held_out } => {
                let card = DatasetCard::parse(&readme()?).map_err(|error| refused(&format!("{README}: {error}")))?;
                let splits = Splits::of(&card, names, config, self.format_of).map_err(|error| refused(&error))?;
                let (of_train, of_eval) = (train.unwrap_or("train"), splits.held_out(held_out));
                let files = |key: &str, split: &str| {
                    let files = splits.split(split).map_err(|error| refused(&format!("{key}: {error}")));
                    files.map(<[String]>::to_vec)
                };
                let mut summary = format!("config {}, split {of_train}", splits.config);
                if let Some(split) = of_eval {
                    summary += &format!(", held-out set: split {split}");
                }
                Ok(ChosenFiles {
                    train: files("data.split", of_train)?,
                    held_out: of_eval.map_or(Ok(Vec::new()), |split| files("data.eval_split", split))?,
                    class_names: card.class_names(&splits.config),
                    splits: Some(summary),
                    unused: splits.unused,
                })
            }
        }
    }
}

impl Splits {
    fn held_out<'s>(&'s self, requested: RequestedHeldOut<'s>) -> Option<&'s str> {
        match requested {
            RequestedHeldOut::None => None,
            RequestedHeldOut::IfThere => self.validation(),
            RequestedHeldOut::Split(split) => Some(split),
        }
    }
}

impl ChosenFiles {
    fn names(&self) -> impl Iterator<Item = &String> {
        self.train.iter().chain(&self.held_out)
    }

    /// The files in a snapshot.
    fn below(self, snapshot: &Path, request: &DatasetRequest) -> DatasetFiles {
        let commit = snapshot.file_name().unwrap_or_default().to_string_lossy();
        let commit: String = commit.chars().take(12).collect();
        let count = |files: &[String]| match files {
            [one] => one.clone(),
            files => format!("{} files", files.len()),
        };
        let mut summary = format!("dataset: {} at commit {commit}", request.id);
        if let Some(splits) = &self.splits {
            summary += &format!(", {splits}");
        }
        summary += &format!(" ({}", count(&self.train));
        if !self.held_out.is_empty() {
            summary += &format!("; {}", count(&self.held_out));
        }
        summary += ")";
        if !self.unused.is_empty() {
            summary += &format!("; in no split: {}", shortened(&self.unused));
        }
        let paths = |names: Vec<String>| names.into_iter().map(|name| snapshot.join(name)).collect();
        DatasetFiles {
            train: paths(self.train),
            held_out: paths(self.held_out),
            class_names: self.class_names,
            summary,
            warnings: Vec::new(),
        }
    }
}

/// What the cache has of a request.
fn cached(repository: &Repository, request: &DatasetRequest) -> Result<Cached> {
    let Some(snapshot) = repository.snapshot() else { return Ok(Cached::Absent) };
    let folder = &snapshot.folder;
    if let Some(names) = &snapshot.listing {
        if request.needs_card() && names.iter().any(|name| name == README) && !folder.join(README).is_file() {
            return Ok(Cached::Incomplete(vec![README.into()]));
        }
        let chosen = request.choose(names, || readme(folder))?;
        let missing: Vec<String> = chosen.names().filter(|name| !folder.join(name).is_file()).cloned().collect();
        return Ok(match missing.is_empty() {
            true => Cached::Complete(chosen.below(folder, request)),
            false => Cached::Incomplete(missing),
        });
    }
    // Without a listing, numbered shards still tell how many there are.
    let names = snapshot.files();
    let Ok(chosen) = request.choose(&names, || readme(folder)) else { return Ok(Cached::Absent) };
    let numbered = chosen.names().all(|name| shard_count(name).is_some());
    let complete = numbered && chosen.names().all(|name| all_shards_of(name, &names));
    let files = chosen.below(folder, request);
    Ok(if complete { Cached::Complete(files) } else { Cached::Unlisted(files) })
}

/// What is there on a machine that is offline.
fn offline(repository: &Repository, cached: Cached) -> Result<DatasetFiles> {
    let (id, hint) = (repository.id.text, repository.hint());
    match cached {
        Cached::Complete(files) => Ok(files),
        Cached::Unlisted(mut files) => {
            let found = files.train.len() + files.held_out.len();
            files.warnings.push(format!(
                "{id}: which files the dataset has is not known offline; used the {found} that the cache has. To be sure that \
                 none is missing, run once online"
            ));
            Ok(files)
        }
        Cached::Incomplete(missing) => {
            bail!(Usage(format!("{id}: the cache lacks {}, and HF_HUB_OFFLINE is set; {hint}", shortened(&missing))))
        }
        Cached::Absent => bail!(Usage(format!("{id} is not in the cache, and HF_HUB_OFFLINE is set; {hint}"))),
    }
}

/// The text of the README.md; empty if there is none.
fn readme(snapshot: &Path) -> Result<String> {
    let path = snapshot.join(README);
    let Ok(file) = fs::File::open(&path) else { return Ok(String::new()) };
    let mut bytes = Vec::new();
    file.take(MAX_README).read_to_end(&mut bytes).with_context(|| format!("{}: cannot read", path.display()))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// The first names of a list.
fn shortened(names: &[String]) -> String {
    const SHOWN: usize = 5;
    match names.len() {
        0..=SHOWN => names.join(", "),
        more => format!("{} and {} more", names[..SHOWN].join(", "), more - SHOWN),
    }
}
