//! A dataset on the hub, as a preset names it: its splits, or files by their names.

use super::document::Document;
use crate::Usage;
use crate::data::{Columns, HeldOut};

/// Labelled texts of a dataset on the hub.
#[derive(Clone, Debug, PartialEq)]
pub struct HubTable {
    /// Which dataset, and which of its files.
    pub dataset: HubDataset,
    /// The held-out set, where the dataset's splits do not give it.
    pub held_out: HeldOut,
    /// The columns of its files.
    pub columns: Columns,
}

/// A dataset on the hub.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HubDataset {
    /// `org/name`, or `org/name@revision`.
    pub id: String,
    /// Which of its files.
    pub files: HubFiles,
}

/// Files of a dataset on the hub.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HubFiles {
    /// Those whose names begin with this, or match it as a pattern with `*`.
    Named(String),
    /// Those of its splits.
    Splits {
        /// Default: the only config, or the one that the dataset marks.
        config: Option<String>,
        /// The split to train on. Default `train`.
        split: Option<String>,
        /// The split to evaluate on.
        held_out: HubHeldOut,
    },
}

/// Where the held-out set of a dataset on the hub comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HubHeldOut {
    /// The validation split, or else a fraction of the training files.
    Validation,
    /// This split.
    Split(String),
    /// A file or fraction that the preset names.
    Elsewhere,
}

/// Keys of a dataset on the hub.
pub(super) const HUB_KEYS: [&str; 4] = ["data.hub", "data.config", "data.split", "data.eval_split"];

/// Keys of a dataset on the hub whose files are not named.
const SPLIT_KEYS: [&str; 3] = ["data.config", "data.split", "data.eval_split"];

impl HubDataset {
    /// The name without its owner and revision.
    pub fn name(&self) -> &str {
        let name = self.id.split_once('@').map_or(self.id.as_str(), |(name, _)| name);
        name.rsplit('/').next().unwrap_or_default()
    }
}

/// The dataset of `data.hub`: by default its splits, with `data.path` the files of that name.
pub(super) fn read(document: &Document) -> Result<Option<HubDataset>, Usage> {
    let Some(id) = document.string("data.hub")? else {
        return match SPLIT_KEYS.into_iter().find(|key| document.has(key)) {
            Some(key) => Err(document.error_at(key, "only a dataset of data.hub has it; remove it")),
            None => Ok(None),
        };
    };
    if let Some(name) = document.string("data.path")? {
        if let Some(key) = SPLIT_KEYS.into_iter().find(|key| document.has(key)) {
            return Err(document.error_at(key, "data.path names the dataset's files already; remove one of them"));
        }
        return Ok(Some(HubDataset { id, files: HubFiles::Named(name) }));
    }
    let held_out = match document.string("data.eval_split")? {
        Some(split) => {
            if let Some(key) = ["data.eval_path", "data.eval_fraction"].into_iter().find(|key| document.has(key)) {
                return Err(document.error_at(key, "data.eval_split is given too; remove one of them"));
            }
            HubHeldOut::Split(split)
        }
        None if document.has("data.eval_path") || document.has("data.eval_fraction") => HubHeldOut::Elsewhere,
        None => HubHeldOut::Validation,
    };
    let files =
        HubFiles::Splits { config: document.string("data.config")?, split: document.string("data.split")?, held_out };
    Ok(Some(HubDataset { id, files }))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::preset::{DataSource, InstructionData, InstructionFiles, Preset};

    #[test]
    fn a_dataset_of_the_hub_has_splits_or_named_files() {
        let of = |keys: &str| {
            let text = format!("\n[model]\nid = \"org/name\"\n[data]\n{keys}\n[train]\nlearning_rate = 7e-5\n");
            Preset::parse("mine", "mine.toml", &text, &[], Path::new("/cache"))
        };
        let dataset = |keys: &str| match of(keys).unwrap().data.source {
            DataSource::HubTable(table) => table.dataset.files,
            DataSource::Instructions(InstructionData { files: InstructionFiles::Hub(dataset), .. }) => dataset.files,
            other => panic!("{other:?}"),
        };
        let splits = |config: Option<&str>, split: Option<&str>, held_out| HubFiles::Splits {
            config: config.map(str::to_owned),
            split: split.map(str::to_owned),
            held_out,
        };
        assert_eq!(dataset("hub = \"org/name\""), splits(None, None, HubHeldOut::Validation));
        assert_eq!(
            dataset("hub = \"org/name\"\nconfig = \"en\"\nsplit = \"all\"\neval_split = \"dev\""),
            splits(Some("en"), Some("all"), HubHeldOut::Split("dev".into()))
        );
        let elsewhere = "hub = \"org/name\"\nformat = \"text\"\neval_fraction = 0.2";
        assert_eq!(dataset(elsewhere), splits(None, None, HubHeldOut::Elsewhere));
        assert_eq!(dataset("hub = \"org/name\"\npath = \"data/train\""), HubFiles::Named("data/train".into()));
        for (keys, message) in [
            ("path = \"a.csv\"\nsplit = \"dev\"", "mine.toml:6: data.split: only a dataset of data.hub has it"),
            ("hub = \"org/name\"\npath = \"a\"\nconfig = \"en\"", "mine.toml:7: data.config: data.path names"),
            (
                "hub = \"org/name\"\neval_split = \"dev\"\neval_fraction = 0.2",
                "mine.toml:7: data.eval_fraction: data.eval_split is given too",
            ),
            ("task = \"mrpc\"\nhub = \"org/name\"", "mine.toml:6: data.hub: a GLUE task, here mrpc, has its own"),
        ] {
            let error = of(keys).unwrap_err();
            assert!(error.to_string().starts_with(message), "{keys}: {error}");
        }
    }
}
