//! What the settings of runs differ in.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use anyhow::{Context, Result};
use toml::{Table, Value};

use crate::preset::KEYS;

/// A preset is a page; a larger file is none.
const LARGEST: u64 = 1 << 20;

/// A setting that is not the same everywhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// `train.learning_rate`
    pub key: String,
    /// For each run, as TOML; `None` where it is not given.
    pub values: Vec<Option<String>>,
}

/// The differences between the presets of runs, in the order in which presets are written.
///
/// # Errors
/// A preset that cannot be read, or is none.
pub fn differences(runs: &[&Path]) -> Result<Vec<Difference>> {
    let settings: Vec<BTreeMap<String, String>> = runs.iter().map(|run| settings(run)).collect::<Result<_>>()?;
    let mut keys: Vec<&String> = settings.iter().flat_map(BTreeMap::keys).collect();
    let place = |key: &str| KEYS.iter().position(|(known, _)| *known == key).unwrap_or(KEYS.len());
    keys.sort_by_key(|key| (place(key), key.to_owned()));
    keys.dedup();
    let difference = |key: &String| Difference {
        key: key.clone(),
        values: settings.iter().map(|settings| settings.get(key).cloned()).collect(),
    };
    let differs = |difference: &Difference| difference.values.windows(2).any(|pair| pair[0] != pair[1]);
    Ok(keys.into_iter().map(difference).filter(differs).collect())
}

fn settings(run: &Path) -> Result<BTreeMap<String, String>> {
    let path = run.join("preset.toml");
    let mut text = String::new();
    File::open(&path)
        .and_then(|file| file.take(LARGEST).read_to_string(&mut text))
        .with_context(|| format!("{}: cannot read", path.display()))?;
    let table: Table = text.parse().with_context(|| format!("{}: no TOML", path.display()))?;
    let mut settings = BTreeMap::new();
    for (name, value) in table {
        match value {
            Value::Table(section) => {
                settings.extend(section.into_iter().map(|(key, value)| (format!("{name}.{key}"), value.to_string())));
            }
            value => drop(settings.insert(name, value.to_string())),
        }
    }
    Ok(settings)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_differs_is_told_in_the_presets_order() {
        let runs = tempfile::tempdir().unwrap();
        let paths = ["a", "b"].map(|name| runs.path().join(name));
        for (path, text) in paths.iter().zip([
            "about = \"x\"\n[train]\nlearning_rate = 1e-3\nepochs = 2\n[sift]\nrate = 0.01\nmodules = [\"query\"]\n",
            "about = \"x\"\nzzz = 1\n[train]\nepochs = 3\n[sift]\nrate = 0.01\nmodules = [\"query\", \"key\"]\n",
        ]) {
            std::fs::create_dir(path).unwrap();
            std::fs::write(path.join("preset.toml"), text).unwrap();
        }
        let found = differences(&[&paths[0], &paths[1]]).unwrap();
        let keys: Vec<&str> = found.iter().map(|difference| difference.key.as_str()).collect();
        assert_eq!(keys, ["sift.modules", "train.epochs", "train.learning_rate", "zzz"]);
        assert_eq!(found[1].values, [Some("2".to_owned()), Some("3".to_owned())]);
        assert_eq!(found[2].values[1], None);
        std::fs::write(paths[0].join("preset.toml"), "a = ").unwrap();
        assert!(differences(&[&paths[0], &paths[1]]).unwrap_err().to_string().contains("a/preset.toml: no TOML"));
    }
}
