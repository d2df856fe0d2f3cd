//! What sets an entry apart from the others of the same preset, which have the same name in a list.

use std::collections::BTreeMap;

use toml::{Table, Value};

use super::entry::QueueEntry;

/// For each entry the settings in which it differs from others of its preset, such as `sift.rate = 0.02`; empty where there is
/// none.
pub fn settings_apart(entries: &[QueueEntry]) -> Vec<String> {
    let all: Vec<BTreeMap<String, String>> = entries.iter().map(settings).collect();
    let apart = |(entry, own): (&QueueEntry, &BTreeMap<String, String>)| {
        let others: Vec<&BTreeMap<String, String>> = entries
            .iter()
            .zip(&all)
            .filter(|(other, _)| other.preset == entry.preset)
            .map(|(_, other)| other)
            .collect();
        let differs = |(key, value): &(&String, &String)| others.iter().any(|other| other.get(*key) != Some(value));
        let own = own.iter().filter(differs).map(|(key, value)| format!("{key} = {value}"));
        own.collect::<Vec<_>>().join(", ")
    };
    entries.iter().zip(&all).map(apart).collect()
}

/// The keys of an entry's preset with their values. A text that is not TOML, which the start of its run reports, has none.
fn settings(entry: &QueueEntry) -> BTreeMap<String, String> {
    let mut settings = BTreeMap::new();
    for (name, value) in entry.toml.parse::<Table>().unwrap_or_default() {
        match value {
            Value::Table(section) => {
                settings.extend(section.into_iter().map(|(key, value)| (format!("{name}.{key}"), value.to_string())));
            }
            value => drop(settings.insert(name, value.to_string())),
        }
    }
    settings
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::super::EntryState;
    use super::*;

    #[test]
    fn entries_of_one_preset_differ_by_their_settings() {
        let entry = |preset: &str, toml: &str| QueueEntry {
            id: 1,
            preset: preset.into(),
            toml: toml.into(),
            run: None,
            queued: Timestamp::UNIX_EPOCH,
            state: EntryState::Queued,
        };
        let entries = [
            entry("a", "about = \"x\"\n[sift]\nrate = 0.01\n[train]\nseed = 1"),
            entry("a", "about = \"x\"\n[sift]\nrate = 0.02\n[train]\nepochs = 3\nseed = 1"),
            entry("b", "[sift]\nrate = 0.5"),
            entry("c", "not TOML"),
            entry("c", "about = \"y\""),
        ];
        let expected = ["sift.rate = 0.01", "sift.rate = 0.02, train.epochs = 3", "", "", "about = \"y\""];
        assert_eq!(settings_apart(&entries), expected);
    }
}
