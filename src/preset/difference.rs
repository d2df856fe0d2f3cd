//! What differs between two presets, and what that means for resuming a run.

use anyhow::Result;

use super::document::Document;
use super::keys::KEYS;

/// A key with different values in two presets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// Such as `train.epochs`.
    pub key: &'static str,
    /// The value before, as TOML; `None` if the key was not set.
    pub before: Option<String>,
    /// The value after, as TOML; `None` if the key is not set.
    pub after: Option<String>,
    /// What the change means for a run.
    pub impact: Impact,
}

/// What a changed key means for a run that is resumed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Impact {
    /// The results stay the same.
    None,
    /// The remaining steps change, which may be intended.
    FutureSteps,
    /// Steps already taken, or the selection, would have been different: it is another run.
    DifferentRun,
}

/// The keys that differ between two stored texts, in the order of [`KEYS`].
///
/// # Errors
/// [`Usage`](crate::Usage): a text has a syntax error or an unknown key.
pub fn differences(before: &str, after: &str) -> Result<Vec<Difference>> {
    let (before, after) = (Document::parse_stored("before", before)?, Document::parse_stored("after", after)?);
    let global_batch = "train.global_batch";
    let same_steps = before.value(global_batch).is_some() && before.value(global_batch) == after.value(global_batch);
    let pairs = KEYS.iter().map(|key| (key.name, before.value_toml(key.name), after.value_toml(key.name)));
    Ok(pairs
        .filter(|(_, before, after)| before != after)
        .map(|(key, before, after)| Difference { key, before, after, impact: impact(key, same_steps) })
        .collect())
}

/// `same_steps`: whether the examples of each step are the same, however they are split.
fn impact(key: &str, same_steps: bool) -> Impact {
    match key {
        // Dropout and the order of sums follow from the micro-batches.
        "train.batch" if same_steps => Impact::FutureSteps,
        // Model and examples may move: their contents are compared by checksums.
        "about" | "model.id" | "data.path" | "data.eval_path" | "keep.checkpoints" | "keep.every_minutes"
        | "keep.every_steps" | "keep.predictions" | "data.max_bad_rows" => Impact::None,
        "sift.probe_every"
        | "sift.decay"
        | "lora.dropout"
        | "sift.reselect_every"
        | "train.epochs"
        | "train.learning_rate"
        | "train.warmup"
        | "train.schedule"
        | "train.weight_decay"
        | "train.clip"
        | "train.eval_every"
        | "train.patience"
        | "train.max_steps"
        | "train.matmul"
        | "train.gradient_checkpointing"
        | "train.offload"
        | "train.shard"
        | "keep.best" => Impact::FutureSteps,
        _ => Impact::DifferentRun,
    }
}

impl std::fmt::Display for Difference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let shown = |value: &Option<String>| match value {
            None => "the default".to_owned(),
            Some(value) => value.chars().take(60).collect(),
        };
        write!(f, "{} was {} and is {}", self.key, shown(&self.before), shown(&self.after))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differences_have_values_and_an_impact() {
        let before = "[train]\nepochs = 3\nseed = 1\n[keep]\ncheckpoints = 2\n[sift]\nmodules = [\"query\"]\n";
        let after =
            "[keep]\ncheckpoints = 2\n[sift]\nmodules = [\"query\"]\nrate = 0.1\n[train]\nseed = 1\nepochs = 4\n";
        let found = differences(before, after).unwrap();
        let texts: Vec<String> = found.iter().map(Difference::to_string).collect();
        assert_eq!(texts, ["sift.rate was the default and is 0.1", "train.epochs was 3 and is 4"]);
        assert_eq!(
            found.iter().map(|difference| difference.impact).collect::<Vec<_>>(),
            [Impact::DifferentRun, Impact::FutureSteps]
        );
        assert!(differences(before, before).unwrap().is_empty());
        // The split of a step may change as long as the step does not.
        let split = |text: &str| format!("[train]\n{text}\n");
        for (before, after, impact) in [
            ("batch = 8\nglobal_batch = 32", "batch = 16\nglobal_batch = 32", Impact::FutureSteps),
            ("batch = 8\nglobal_batch = 32", "batch = 8\nglobal_batch = 16", Impact::DifferentRun),
            ("batch = 8\naccumulate = 2", "batch = 16\naccumulate = 1", Impact::DifferentRun),
        ] {
            let found = differences(&split(before), &split(after)).unwrap();
            assert!(found.iter().all(|difference| difference.impact == impact), "{found:?}");
        }
        // The same by its name in an earlier release.
        let matmul = |text: &str| format!("[train]\n{text}\n");
        let renamed = differences(&matmul("tf32 = true"), &matmul("matmul = \"bf16\"")).unwrap();
        assert_eq!(renamed[0].to_string(), "train.matmul was \"tf32\" and is \"bf16\"");
        assert_eq!(renamed[0].impact, Impact::FutureSteps);
        assert!(differences(&matmul("tf32 = true"), &matmul("matmul = \"tf32\"")).unwrap().is_empty());
    }
}
