//! Comparing the settings of runs.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use anyhow::{Context, Result};
use toml::{Table, Value};

use crate::preset::{KEYS, renamed_key};

/// A larger file is not a preset.
const LARGEST: u64 = 1 << 20;

/// A setting that differs between runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SettingDifference {
    /// `train.learning_rate`
    pub key: String,
    /// The value in each run as TOML; `None` where it is not set.
    pub values: Vec<Option<String>>,
}

/// The settings that differ between runs, in the order of a preset file.
///
/// # Errors
/// A preset cannot be read.
pub fn setting_differences(runs: &[&Path]) -> Result<Vec<SettingDifference>> {
    let settings: Vec<BTreeMap<String, String>> = runs.iter().map(|run| settings(run)).collect::<Result<_>>()?;
    let mut keys: Vec<&String> = settings.iter().flat_map(BTreeMap::keys).collect();
    let place = |key: &str| KEYS.iter().position(|known| known.name == key).unwrap_or(KEYS.len());
    keys.sort_by_key(|key| (place(key), key.to_owned()));
    keys.dedup();
    let difference = |key: &String| SettingDifference {
        key: key.clone(),
        values: settings.iter().map(|settings| settings.get(key).cloned()).collect(),
    };
    let differs = |difference: &SettingDifference| difference.values.windows(2).any(|pair| pair[0] != pair[1]);
    Ok(keys.into_iter().map(difference).filter(differs).collect())
}

fn settings(run: &Path) -> Result<BTreeMap<String, String>> {
    let path = run.join("preset.toml");
    let mut text = String::new();
    File::open(&path)
        .and_then(|file| file.take(LARGEST).read_to_string(&mut text))
        .with_context(|| format!("{}: cannot read", path.display()))?;
    let table: Table = text.parse().with_context(|| format!("{}: not valid TOML", path.display()))?;
    let mut settings = BTreeMap::new();
    let setting = |key: String, value: Value| match renamed_key(&key, &value) {
        Some((key, value)) => (key.to_owned(), value.to_string()),
        None => (key, value.to_string()),
    };
    for (name, value) in table {
        match value {
            Value::Table(section) => {
                settings.extend(section.into_iter().map(|(key, value)| setting(format!("{name}.{key}"), value)));
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
    fn only_differing_settings_are_listed_in_the_order_of_a_preset() {
        let runs = tempfile::tempdir().unwrap();
        let paths = ["a", "b"].map(|name| runs.path().join(name));
        for (path, text) in paths.iter().zip([
            "about = \"x\"\n[train]\nlearning_rate = 1e-3\nepochs = 2\n[sift]\nrate = 0.01\nmodules = [\"query\"]\n",
            "about = \"x\"\nzzz = 1\n[train]\nepochs = 3\n[sift]\nrate = 0.01\nmodules = [\"query\", \"key\"]\n",
        ]) {
            std::fs::create_dir(path).unwrap();
            std::fs::write(path.join("preset.toml"), text).unwrap();
        }
        let found = setting_differences(&[&paths[0], &paths[1]]).unwrap();
        let keys: Vec<&str> = found.iter().map(|difference| difference.key.as_str()).collect();
        assert_eq!(keys, ["sift.modules", "train.epochs", "train.learning_rate", "zzz"]);
        assert_eq!(found[1].values, [Some("2".to_owned()), Some("3".to_owned())]);
        assert_eq!(found[2].values[1], None);
        std::fs::write(paths[0].join("preset.toml"), "a = ").unwrap();
        assert!(
            setting_differences(&[&paths[0], &paths[1]])
                .unwrap_err()
                .to_string()
                .contains("a/preset.toml: not valid TOML")
        );
    }
}
