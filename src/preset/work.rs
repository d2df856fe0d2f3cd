//! Which keys change the work of an optimizer step, and that of an evaluation: presets that agree in them take as long.

use super::document::{Document, parse_value};
use super::keys::KEYS;
use super::types::Preset;

impl Preset {
    /// Whether a step of both is the same work on the same device.
    pub fn same_steps(&self, other: &Preset) -> bool {
        self.agrees(other, changes_steps)
    }

    /// Whether an evaluation of both is the same work, if their steps are.
    pub fn same_evaluations(&self, other: &Preset) -> bool {
        self.agrees(other, changes_evaluations)
    }

    /// Whether both have the same values, defaults included, for these keys.
    fn agrees(&self, other: &Preset, matters: fn(&str) -> bool) -> bool {
        let parse = |preset: &Preset| Document::parse(&preset.name, &preset.toml).ok();
        let Some((ours, theirs)) = parse(self).zip(parse(other)) else { return false };
        KEYS.iter().filter(|key| matters(key.name)).all(|key| {
            let default = || key.default.map(|text| parse_value(key.name, text));
            let value = |document: &Document| document.value(key.name).cloned().or_else(default);
            value(&ours) == value(&theirs)
        })
    }
}

/// How long a preset trains, and at which rates, does not change what a step does.
fn changes_steps(key: &str) -> bool {
    let same = [
        "about",
        "data.max_examples",
        "data.max_bad_rows",
        "sift.select",
        "sift.structure",
        "sift.lift_rank",
        "sift.block_size",
        "sift.budget",
        "sift.batches",
        "sift.decay",
        "lora.alpha",
        "train.epochs",
        "train.learning_rate",
        "train.warmup",
        "train.schedule",
        "train.weight_decay",
        "train.clip",
        "train.seed",
        "train.eval_every",
        "train.patience",
        "train.max_steps",
    ];
    !(same.contains(&key) || changes_evaluations(key) || key.starts_with("keep."))
}

/// The held-out set, and the completions that are sampled with every evaluation.
fn changes_evaluations(key: &str) -> bool {
    ["data.eval_path", "data.eval_fraction", "data.eval_split"].contains(&key) || key.starts_with("sample.")
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use proptest::prelude::*;

    use super::*;
    use crate::preset::{Draft, KeyKind};

    const TEXT: &str = "[model]\nid = \"m\"\n[data]\npath = \"x.csv\"\n[train]\nlearning_rate = 1.0\n";

    fn with(changes: &[(&'static str, &str)]) -> Preset {
        let mut draft = Draft::new("x", "x.toml", TEXT, Path::new("/")).unwrap();
        changes.iter().for_each(|(key, value)| draft.set(key, value));
        draft.preset().unwrap()
    }

    #[test]
    fn rates_and_lengths_of_training_keep_the_work_of_a_step() {
        let ours = with(&[]);
        for (key, value) in [
            ("train.learning_rate", "1e-4"),
            ("train.epochs", "9"),
            ("train.max_steps", "40"),
            ("train.eval_every", "5"),
            ("keep.every_steps", "3"),
            ("about", "another"),
            ("sift.select", "random"),
            ("sift.structure", "columns"),
            ("sift.budget", "global"),
            ("data.eval_fraction", "0.3"),
            // The default, written out.
            ("train.batch", "32"),
        ] {
            assert!(ours.same_steps(&with(&[(key, value)])), "{key}");
        }
        for (key, value) in [
            ("train.batch", "8"),
            ("train.accumulate", "2"),
            ("train.global_batch", "64"),
            ("model.dtype", "bf16"),
            ("model.id", "n"),
            ("data.max_length", "64"),
            ("data.path", "y.csv"),
            ("sift.rate", "0.1"),
            ("sift.modules", "query"),
            ("sift.probe_every", "1"),
            ("sift.reselect_every", "20"),
            ("train.gradient_checkpointing", "true"),
            ("train.offload", "weights"),
            ("train.shard", "true"),
            ("train.matmul", "tf32"),
        ] {
            assert!(!ours.same_steps(&with(&[(key, value)])), "{key}");
        }
        assert!(!ours.same_evaluations(&with(&[("data.eval_fraction", "0.3")])));
        assert!(ours.same_evaluations(&with(&[("train.batch", "8")])));
    }

    proptest! {
        #[test]
        fn similarity_is_symmetric_and_every_preset_is_like_itself(a in 0..KEYS.len(), b in 0..KEYS.len()) {
            let changed = |number: usize| match KEYS[number].kind {
                KeyKind::Integer { to, .. } => with(&[(KEYS[number].name, &(to / 2).to_string())]),
                KeyKind::Number { .. } => with(&[(KEYS[number].name, "0.25")]),
                _ => with(&[]),
            };
            let (a, b) = (changed(a), changed(b));
            prop_assert!(a.same_steps(&a) && a.same_evaluations(&b.clone()) == b.same_evaluations(&a));
            prop_assert_eq!(a.same_steps(&b), b.same_steps(&a));
        }
    }
}
