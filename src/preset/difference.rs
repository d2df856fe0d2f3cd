//! What differs between two presets, and what that means for a run that is taken up again.

use anyhow::Result;

use super::document::Document;
use super::keys::KEYS;

/// A key with two values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The key.
    pub key: &'static str,
    /// What it was, as TOML; `None` where it was not given.
    pub before: Option<String>,
    /// What it is.
    pub now: Option<String>,
    /// What it changes.
    pub weight: Weight,
}

/// What a changed key changes in a run under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Weight {
    /// No number.
    None,
    /// The steps to come: it can be wanted.
    Numbers,
    /// What was chosen or done already, so that it would be another run.
    Run,
}

/// What differs, in the order of [`KEYS`].
///
/// # Errors
/// A text that is no preset.
pub fn differences(before: &str, now: &str) -> Result<Vec<Difference>> {
    let (before, now) = (Document::parse("before", before)?, Document::parse("now", now)?);
    let pairs = KEYS.iter().map(|(key, _)| (*key, before.written(key), now.written(key)));
    Ok(pairs
        .filter(|(_, before, now)| before != now)
        .map(|(key, before, now)| Difference { key, before, now, weight: weight(key) })
        .collect())
}

fn weight(key: &str) -> Weight {
    match key {
        // Where the model and the examples lie says nothing; what they are is compared itself.
        "about" | "model.id" | "data.path" | "data.eval_path" | "keep.checkpoints" | "keep.every_minutes"
        | "keep.every_steps" => Weight::None,
        "sift.probe_every"
        | "sift.decay"
        | "train.epochs"
        | "train.learning_rate"
        | "train.warmup"
        | "train.schedule"
        | "train.weight_decay"
        | "train.clip"
        | "train.eval_every"
        | "train.max_steps"
        | "train.tf32"
        | "train.gradient_checkpointing"
        | "keep.best" => Weight::Numbers,
        _ => Weight::Run,
    }
}

impl std::fmt::Display for Difference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let shown = |value: &Option<String>| match value {
            None => "the default".to_owned(),
            Some(value) => value.chars().take(60).collect(),
        };
        write!(f, "{} was {} and is {}", self.key, shown(&self.before), shown(&self.now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_differs_is_named_with_its_weight() {
        let before = "[train]\nepochs = 3\nseed = 1\n[keep]\ncheckpoints = 2\n[sift]\nmodules = [\"query\"]\n";
        let now = "[keep]\ncheckpoints = 2\n[sift]\nmodules = [\"query\"]\nrate = 0.1\n[train]\nseed = 1\nepochs = 4\n";
        let found = differences(before, now).unwrap();
        let told: Vec<String> = found.iter().map(Difference::to_string).collect();
        assert_eq!(told, ["sift.rate was the default and is 0.1", "train.epochs was 3 and is 4"]);
        assert_eq!(
            found.iter().map(|difference| difference.weight).collect::<Vec<_>>(),
            [Weight::Run, Weight::Numbers]
        );
        assert!(differences(before, before).unwrap().is_empty());
    }
}
