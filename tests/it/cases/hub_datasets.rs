//! Datasets of the hub: all files of what is wanted, by the dataset's card or by the names of its files.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use finesift::Usage;
use finesift::hub::{DatasetFiles, DatasetRequest, Hub, RequestedFiles, RequestedHeldOut};
use finesift::protocol::Progress;

use crate::hub_server::{COMMIT, HubServer};

const ID: &str = "org/rows";

fn quiet(_: Progress) {}

fn format_of(name: &str) -> Option<&'static str> {
    let (_, extension) = name.rsplit_once('.')?;
    ["jsonl", "csv", "parquet"].into_iter().find(|known| *known == extension)
}

/// A stand-in for the hub with one dataset, and an empty cache.
struct Dataset {
    server: HubServer,
    cache: tempfile::TempDir,
}

impl Dataset {
    /// A dataset whose files hold their names.
    fn new(names: &[&str]) -> Dataset {
        Dataset::with_readme("", names)
    }

    fn with_readme(readme: &str, names: &[&str]) -> Dataset {
        let mut files: Vec<(&str, Vec<u8>)> = names.iter().map(|name| (*name, name.as_bytes().to_vec())).collect();
        if !readme.is_empty() {
            files.push(("README.md", readme.as_bytes().to_vec()));
        }
        let path = format!("datasets/{ID}");
        let server = HubServer::start(HubServer::repository(&path, &path, &files));
        Dataset { server, cache: tempfile::tempdir().unwrap() }
    }

    fn hub(&self, offline: bool) -> Hub {
        Hub { endpoint: self.server.endpoint.clone(), cache: self.cache.path().to_owned(), token: None, offline }
    }

    fn snapshot(&self) -> PathBuf {
        self.cache.path().join("datasets--org--rows/snapshots").join(COMMIT)
    }

    /// Names in the snapshot.
    fn names(&self, paths: &[PathBuf]) -> Vec<String> {
        let name = |path: &PathBuf| path.strip_prefix(self.snapshot()).unwrap().display().to_string();
        paths.iter().map(name).collect()
    }

    #[track_caller]
    fn train(&self, request: &DatasetRequest) -> Vec<String> {
        let found = self.hub(false).dataset(request, &quiet).unwrap();
        // What was downloaded is found again, without a request.
        let requests = self.server.requests().len();
        assert_eq!(self.hub(true).dataset(request, &quiet).unwrap(), found);
        assert_eq!(self.hub(false).local_dataset(request).unwrap().as_ref(), Some(&found));
        assert_eq!(self.server.requests().len(), requests);
        self.names(&found.train)
    }

    fn error(&self, request: &DatasetRequest, offline: bool) -> String {
        let error = self.hub(offline).dataset(request, &quiet).unwrap_err();
        assert!(error.is::<Usage>(), "{error:#}");
        format!("{error:#}")
    }
}

fn named<'a>(prefixes: &'a [&'a str]) -> DatasetRequest<'a> {
    DatasetRequest { id: ID, files: RequestedFiles::Named(prefixes), format_of: &format_of }
}

fn split<'a>(config: Option<&'a str>, train: Option<&'a str>) -> DatasetRequest<'a> {
    let files = RequestedFiles::Splits { config, train, held_out: RequestedHeldOut::IfThere };
    DatasetRequest { id: ID, files, format_of: &format_of }
}

#[test]
fn one_cached_file_is_not_taken_for_all_of_a_pattern() {
    let dataset = Dataset::new(&["data/train_1.jsonl", "data/train_2.jsonl", "data/test.jsonl", "data/train.md"]);
    let both = ["data/train_1.jsonl", "data/train_2.jsonl"];
    assert_eq!(dataset.train(&named(&["data/train_1"])), both[..1]);
    assert_eq!(dataset.hub(false).local_dataset(&named(&["data/train"])).unwrap(), None);
    let message = dataset.error(&named(&["data/train"]), true);
    assert!(message.contains("org/rows: the cache lacks data/train_2.jsonl, and HF_HUB_OFFLINE is set"), "{message}");
    assert_eq!(dataset.train(&named(&["data/train"])), both);
    assert_eq!(dataset.train(&named(&["data/*_?.jsonl"])), both);
    // A file that was removed from the cache is missed too.
    fs::remove_file(dataset.snapshot().join(both[0])).unwrap();
    assert!(dataset.error(&named(&["data/train"]), true).contains("the cache lacks data/train_1.jsonl"));
    assert_eq!(dataset.train(&named(&["data/train"])), both);
}

#[test]
fn folders_of_any_depth_are_found_online_and_offline() {
    let dataset = Dataset::new(&["a/b/c/train.jsonl", "a/b/train.jsonl", "train file #1.jsonl"]);
    assert_eq!(dataset.train(&named(&["a/b/c/train"])), ["a/b/c/train.jsonl"]);
    assert_eq!(dataset.train(&named(&["a/"])), ["a/b/c/train.jsonl", "a/b/train.jsonl"]);
    assert_eq!(dataset.train(&named(&["train file"])), ["train file #1.jsonl"]);
}

#[test]
fn a_cache_that_other_software_filled_is_used_offline_and_checked_online() {
    let dataset = Dataset::new(&["data/train_1.jsonl", "data/train_2.jsonl"]);
    fs::create_dir_all(dataset.snapshot().join("data")).unwrap();
    fs::write(dataset.snapshot().join("data/train_1.jsonl"), "x").unwrap();
    fs::create_dir_all(dataset.cache.path().join("datasets--org--rows/refs")).unwrap();
    fs::write(dataset.cache.path().join("datasets--org--rows/refs/main"), COMMIT).unwrap();
    let request = named(&["data/train"]);
    assert_eq!(dataset.hub(false).local_dataset(&request).unwrap(), None);
    let offline = dataset.hub(true).dataset(&request, &quiet).unwrap();
    assert_eq!(dataset.names(&offline.train), ["data/train_1.jsonl"]);
    assert!(
        offline.warnings[0].contains("which files the dataset has is not known offline; used the 1"),
        "{offline:?}"
    );
    assert_eq!(dataset.train(&request).len(), 2);
    assert!(dataset.hub(true).dataset(&request, &quiet).unwrap().warnings.is_empty());
    // Numbered shards tell how many there are.
    let shards = Dataset::new(&["x"]);
    let snapshot = shards.snapshot();
    fs::create_dir_all(snapshot.join("data")).unwrap();
    fs::create_dir_all(shards.cache.path().join("datasets--org--rows/refs")).unwrap();
    fs::write(shards.cache.path().join("datasets--org--rows/refs/main"), COMMIT).unwrap();
    fs::write(snapshot.join("data/train-00000-of-00002-a09b.parquet"), "x").unwrap();
    let request = named(&["data/train-"]);
    assert_eq!(shards.hub(true).local_dataset(&request).unwrap(), None);
    fs::write(snapshot.join("data/train-00001-of-00002-b10c.parquet"), "x").unwrap();
    assert_eq!(shards.hub(true).local_dataset(&request).unwrap().unwrap().train.len(), 2);
}

const CARD: &str = "---
license: mit
configs:
- config_name: en
  data_files:
  - split: train
    path: [en/train-*.jsonl, en/more/*.jsonl]
  - split: validation
    path: en/dev.jsonl
- config_name: de
  data_dir: de
  data_files: '*.jsonl'
- config_name: fr
  data_dir: fr
dataset_info:
- config_name: en
  features:
  - name: text
    dtype: string
  - name: label
    dtype:
      class_label:
        names:
          '0': negative
          '1': positive
---
# Rows
";

const FILES: [&str; 9] = [
    "de/a.jsonl",
    "de/b.jsonl",
    "de/deep/c.jsonl",
    "en/dev.jsonl",
    "en/more/x.jsonl",
    "en/train-1.jsonl",
    "en/train-2.jsonl",
    "fr/test.csv",
    "fr/train.csv",
];

#[test]
fn a_card_decides_configs_splits_and_class_names() {
    let dataset = Dataset::with_readme(CARD, &FILES);
    let train = ["en/train-1.jsonl", "en/train-2.jsonl", "en/more/x.jsonl"];
    assert_eq!(dataset.train(&split(Some("en"), None)), train);
    let found = dataset.hub(true).dataset(&split(Some("en"), None), &quiet).unwrap();
    assert_eq!(dataset.names(&found.held_out), ["en/dev.jsonl"]);
    assert_eq!(found.class_names, BTreeMap::from([("label".into(), vec!["negative".into(), "positive".into()])]));
    assert_eq!(
        found.summary,
        "dataset: org/rows at commit 0123456789ab, config en, split train, held-out set: split validation (3 files; \
         en/dev.jsonl)"
    );
    assert_eq!(dataset.train(&split(Some("en"), Some("validation"))), ["en/dev.jsonl"]);
    assert_eq!(dataset.train(&split(Some("de"), None)), ["de/a.jsonl", "de/b.jsonl"]);
    assert_eq!(dataset.train(&split(Some("fr"), None)), ["fr/train.csv"]);
    assert_eq!(dataset.train(&split(Some("fr"), Some("test"))), ["fr/test.csv"]);
}

#[test]
fn unknown_configs_and_splits_are_refused_with_those_there_are() {
    let dataset = Dataset::with_readme(CARD, &FILES);
    for (request, said) in [
        (split(None, None), "data.config is missing: the dataset has several configs; set it to one of en, de, fr"),
        (split(Some("es"), None), "data.config: the dataset has no config \"es\"; it has en, de, fr"),
        (split(Some("en"), Some("test")), "data.split: no split \"test\" in config en; it has train, validation"),
        (split(Some("en"), Some("train[:10%]")), "no split \"train[:10%]\" in config en"),
    ] {
        let message = dataset.error(&request, false);
        assert!(message.starts_with("org/rows: ") && message.contains(said), "{message}");
    }
    let files = RequestedFiles::Splits { config: Some("de"), train: None, held_out: RequestedHeldOut::Split("dev") };
    let message = dataset.error(&DatasetRequest { id: ID, files, format_of: &format_of }, false);
    assert!(message.contains("data.eval_split: no split \"dev\" in config de; it has train"), "{message}");
    for (yaml, said) in [
        ("configs: [", "README.md: its YAML is malformed"),
        ("configs:\n- config_name: a\n  data_files: gone.jsonl", "the dataset has no file gone.jsonl"),
        ("configs:\n- config_name: a\n  data_files: https://x.org/a.jsonl", "outside the repository"),
        ("configs:\n- config_name: a\n  data_files: ../a.jsonl", "outside the repository"),
        ("configs:\n- config_name: a\n  data_files: '[a.jsonl'", "README.md names the files \"[a.jsonl\""),
    ] {
        let dataset = Dataset::with_readme(&format!("---\n{yaml}\n---\n"), &FILES);
        let message = dataset.error(&split(None, None), false);
        assert!(message.contains(said), "{message}");
    }
    let message = Dataset::new(&["picture.png"]).error(&split(None, None), false);
    assert!(message.contains("the dataset has no file with examples that can be read"), "{message}");
}

#[test]
fn the_default_config_is_the_marked_one_or_the_one_of_that_name() {
    let of = |configs: &str| {
        let dataset = Dataset::with_readme(&format!("---\nconfigs:\n{configs}---\n"), &["a.jsonl", "b.jsonl"]);
        dataset.train(&split(None, None))
    };
    assert_eq!(
        of("- config_name: a\n  data_files: a.jsonl\n- config_name: b\n  default: true\n  data_files: b.jsonl\n"),
        ["b.jsonl"]
    );
    assert_eq!(
        of("- config_name: a\n  data_files: a.jsonl\n- config_name: default\n  data_files: b.jsonl\n"),
        ["b.jsonl"]
    );
    assert_eq!(of("- config_name: only\n  data_files: '*.jsonl'\n"), ["a.jsonl", "b.jsonl"]);
}

/// The expected splits are those of `datasets.data_files.get_data_patterns`.
#[test]
fn without_a_card_the_names_of_files_and_folders_decide() {
    let splits = |names: &[&str]| {
        let dataset = Dataset::new(names);
        let of = |split_name: &str| {
            let found: Result<DatasetFiles, _> = dataset.hub(false).dataset(&split(None, Some(split_name)), &quiet);
            found.map(|found| dataset.names(&found.train)).unwrap_or_default().join(" ")
        };
        [of("train"), of("validation"), of("test")]
    };
    for (names, expected) in [
        (&["a.csv", "notes.md"][..], ["a.csv", "", ""]),
        (&["train.csv", "test.csv", "dev.csv"], ["train.csv", "dev.csv", "test.csv"]),
        (&["my-train_2.csv", "trained.csv", "validation1.csv"], ["my-train_2.csv", "validation1.csv", ""]),
        (&["data/train/x.csv", "data/test/y.csv", "data/other/z.csv"], ["data/train/x.csv", "", "data/test/y.csv"]),
        (
            &["data/train-00000-of-00001.parquet", "data/val-00000-of-00001.parquet", "data/train_extra.parquet"],
            ["data/train-00000-of-00001.parquet", "", ""],
        ),
        // The word for a split in a folder counts before one in a file.
        (&["test/train.csv", "train.csv"], ["", "", "test/train.csv"]),
        (&["a.csv", "b.csv", ".hidden/train.csv", "__x__/train.csv"], ["a.csv b.csv", "", ""]),
        // Of two formats of the same examples, the more frequent one.
        (&["a.csv", "b.csv", "c.parquet"], ["a.csv b.csv", "", ""]),
    ] {
        assert_eq!(splits(names), expected, "{names:?}");
    }
}

#[test]
fn files_in_no_split_are_said() {
    let dataset = Dataset::new(&["data/train-00000-of-00001.jsonl", "data/train_extra.jsonl"]);
    let found = dataset.hub(false).dataset(&split(None, None), &quiet).unwrap();
    assert!(found.summary.ends_with("; in no split: data/train_extra.jsonl"), "{}", found.summary);
}

#[test]
fn a_dataset_at_a_revision_has_a_ref_of_its_own() {
    let path = format!("datasets/{ID}");
    let files = [("train.jsonl", b"x".to_vec())];
    let server = HubServer::start(HubServer::repository_at("refs%2Fconvert%2Fparquet", &path, &path, &files));
    let cache = tempfile::tempdir().unwrap();
    let hub = Hub { endpoint: server.endpoint.clone(), cache: cache.path().to_owned(), token: None, offline: false };
    let request = DatasetRequest { id: "org/rows@refs/convert/parquet", ..split(None, None) };
    let found = hub.dataset(&request, &quiet).unwrap();
    assert!(found.train[0].ends_with(Path::new(COMMIT).join("train.jsonl")));
    let commit = fs::read_to_string(cache.path().join("datasets--org--rows/refs/refs/convert/parquet")).unwrap();
    assert_eq!(commit, COMMIT);
    assert!(hub.dataset(&split(None, None), &quiet).is_err(), "main is another revision");
}
