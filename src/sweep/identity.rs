//! The identity of a run: a checksum of all settings that decide its results, by which a sweep finds what is done.

use sha2::{Digest, Sha256};
use toml::{Table, Value};

use crate::preset::{AUTO, KEYS, KeyKind, Preset, PresetKey};

/// Keys without influence on the results.
const INCIDENTAL: [&str; 5] =
    ["about", "keep.checkpoints", "keep.every_minutes", "keep.every_steps", "keep.predictions"];

/// Characters of an identity.
const LENGTH: usize = 12;

/// The identity of a run with this preset, in hexadecimal. A key with its default value counts as not set.
pub fn identity(preset: &Preset) -> String {
    identity_of(&preset.toml.parse().unwrap_or_default())
}

/// Whether a run with this preset is the one of an identity. Its batch may have been chosen since.
pub fn is_run(preset: &Preset, id: &str) -> bool {
    let mut table: Table = preset.toml.parse().unwrap_or_default();
    if identity_of(&table) == id {
        return true;
    }
    let train = table.get_mut("train").and_then(Value::as_table_mut);
    let Some(train) = train.filter(|_| preset.train.global_batch.is_some()) else { return false };
    train.insert("batch".to_owned(), Value::String(AUTO.to_owned()));
    identity_of(&table) == id
}

fn identity_of(table: &Table) -> String {
    let mut digest = Sha256::new();
    for key in KEYS.iter().filter(|key| !INCIDENTAL.contains(&key.name)) {
        let value = match key.section() {
            "" => table.get(key.name),
            section => table.get(section).and_then(|section| section.get(key.short())),
        };
        let default = key.default.map(|text| canonical(key, &typed(text)));
        if let Some(value) = value.map(|value| canonical(key, value)).filter(|value| Some(value) != default.as_ref()) {
            digest.update(format!("{} = {value}\n", key.name));
        }
    }
    let digest = format!("{:x}", digest.finalize());
    digest[..LENGTH].to_owned()
}

/// One text for equal values: 1 and 1.0 are the same learning rate.
fn canonical(key: &PresetKey, value: &Value) -> String {
    match (key.kind, value) {
        (KeyKind::Number { .. }, Value::Integer(whole)) => Value::Float(*whole as f64).to_string(),
        (KeyKind::Choice(_), Value::String(name)) => name.clone(),
        (_, value) => value.to_string(),
    }
}

/// The value of a default; names are not in quotes there.
fn typed(text: &str) -> Value {
    let parsed = format!("value = {text}").parse::<Table>().ok().and_then(|mut table| table.remove("value"));
    parsed.unwrap_or_else(|| Value::String(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn of(settings: &[&str]) -> String {
        let settings: Vec<String> = settings.iter().map(|setting| (*setting).to_owned()).collect();
        identity(&Preset::load("demo", &settings, Path::new("/cache")).unwrap())
    }

    #[test]
    fn settings_that_decide_results_make_another_run_and_others_do_not() {
        let plain = of(&[]);
        for same in ["about=other", "keep.checkpoints=9", "keep.every_steps=1", "train.schedule=linear", "sift.decay=0"]
        {
            assert_eq!(of(&[same]), plain, "{same}");
        }
        for other in
            ["train.seed=1", "train.epochs=9", "train.learning_rate=2e-3", "keep.best=loss", "sift.select=random"]
        {
            assert_ne!(of(&[other]), plain, "{other}");
        }
        assert_eq!(of(&["train.learning_rate=1"]), of(&["train.learning_rate=1.0"]));
        assert_eq!(of(&["train.learning_rate=1e-3"]), plain, "as the preset has it");
    }

    #[test]
    fn a_run_whose_batch_was_chosen_is_still_the_same() {
        let preset = |settings: &[&str]| {
            let settings: Vec<String> = settings.iter().map(|setting| (*setting).to_owned()).collect();
            Preset::load("demo", &settings, Path::new("/cache")).unwrap()
        };
        let auto = preset(&["train.batch=auto", "train.global_batch=32"]);
        let (id, chosen) = (identity(&auto), auto.with_batch(8, Path::new("/cache")).unwrap());
        assert!(is_run(&auto, &id) && is_run(&chosen, &id) && identity(&chosen) != id);
        for other in [preset(&["train.batch=8", "train.global_batch=16"]), preset(&["train.batch=8"]), preset(&[])] {
            assert!(!is_run(&other, &id) && is_run(&other, &identity(&other)));
        }
    }
}
