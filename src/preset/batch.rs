//! The examples of an optimizer step and how they are split into micro-batches: `train.batch`, `train.accumulate` and
//! `train.global_batch`. Two of them give the third.

use std::path::Path;

use toml::Value;

use super::document::Document;
use super::read::read;
use super::types::Preset;
use crate::Usage;

/// The fields of [`Train`](super::Train) that these keys give.
pub(super) struct StepExamples {
    pub batch: usize,
    pub auto_batch: bool,
    pub accumulate: usize,
    pub global_batch: Option<usize>,
}

/// Reads the keys.
pub(super) fn step_examples(document: &Document) -> Result<StepExamples, Usage> {
    let batch = document.integer_or_auto("train.batch")?.map(|batch| batch as usize);
    let auto_batch = batch.is_none();
    let accumulate = document.integer("train.accumulate")? as usize;
    let global_batch = document.set_integer("train.global_batch")?.map(|examples| examples as usize);
    let (batch, accumulate) = match (batch, global_batch) {
        (_, Some(_)) if document.has("train.accumulate") => {
            let why = "train.global_batch is given too, and decides it; remove one of them";
            return Err(document.error_at("train.accumulate", why));
        }
        (None, None) => {
            let why = "is \"auto\", which needs the examples of an optimizer step: set train.global_batch, such as 32, in \
                       place of train.accumulate";
            return Err(document.error_at("train.batch", why));
        }
        (Some(batch), Some(examples)) if !examples.is_multiple_of(batch) => {
            let why = format!("{examples} is not a multiple of train.batch = {batch}");
            return Err(document.error_at("train.global_batch", &why));
        }
        (None, Some(examples)) => (examples, 1),
        (Some(batch), Some(examples)) => (batch, examples / batch),
        (Some(batch), None) => (batch, accumulate),
    };
    Ok(StepExamples { batch, auto_batch, accumulate, global_batch })
}

/// `sift.batches`; `None` for the micro-batches of a step, so that a step's split does not decide the selection.
pub(super) fn selecting_batches(document: &Document) -> Result<Option<usize>, Usage> {
    Ok(match document.set_integer("sift.batches")? {
        None if document.has("train.global_batch") => None,
        _ => Some(document.integer("sift.batches")? as usize),
    })
}

impl Preset {
    /// The preset with so many examples per micro-batch, which are chosen for `train.batch = "auto"`. `cache` is as in
    /// [`Preset::parse`].
    ///
    /// # Errors
    /// [`Usage`]: not a divisor of `train.global_batch`.
    pub fn with_batch(&self, batch: u64, cache: &Path) -> Result<Preset, Usage> {
        let mut document = Document::parse_stored(&self.name, &self.toml)?;
        document.put("train.batch", Some(Value::Integer(batch as i64)));
        read(&self.name, &document, cache)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parse(train: &str, set: &[&str]) -> anyhow::Result<Preset> {
        let text = format!("[model]\nid = \"m\"\n[data]\ntask = \"rte\"\n[train]\nlearning_rate = 1.0\n{train}\n");
        let set: Vec<String> = set.iter().map(|one| (*one).to_owned()).collect();
        Preset::parse("mine", "mine.toml", &text, &set, Path::new("/cache"))
    }

    /// batch, accumulate, drawn together, micro-batches that select.
    fn split(preset: &Preset) -> (usize, usize, usize, Option<usize>) {
        (preset.train.batch, preset.train.accumulate, preset.train.drawn(), preset.sift.batches)
    }

    #[test]
    fn two_of_the_keys_give_the_third() {
        for (train, set, expected) in [
            ("", &[][..], (32, 1, 32, Some(1))),
            ("batch = 8\naccumulate = 4", &[], (8, 4, 8, Some(1))),
            ("batch = 8\nglobal_batch = 32", &[], (8, 4, 32, None)),
            ("batch = 8\nglobal_batch = 32", &["sift.batches=1"], (8, 4, 32, Some(1))),
            ("batch = \"auto\"\nglobal_batch = 32", &[], (32, 1, 32, None)),
            // What is set replaces what the file has in its place.
            ("batch = 8\naccumulate = 4", &["train.global_batch=16"], (8, 2, 16, None)),
            ("batch = 8\nglobal_batch = 32", &["train.accumulate=2"], (8, 2, 8, Some(1))),
            ("batch = 8\naccumulate = 4", &["train.batch=auto", "train.global_batch=16"], (16, 1, 16, None)),
            ("batch = \"auto\"\nglobal_batch = 32", &["train.batch=16"], (16, 2, 32, None)),
        ] {
            let preset = parse(train, set).unwrap();
            assert_eq!(split(&preset), expected, "{train} {set:?}");
            assert_eq!(preset.train.auto_batch, preset.toml.contains("\"auto\""), "{train} {set:?}");
            let again = Preset::parse("mine", "", &preset.toml, &[], Path::new("/cache")).unwrap();
            assert_eq!(again, preset);
        }
    }

    #[test]
    fn keys_that_contradict_each_other_are_errors_with_file_line_and_key() {
        for (train, set, message) in [
            (
                "batch = \"auto\"",
                &[][..],
                "mine.toml:7: train.batch: is \"auto\", which needs the examples of an optimizer step",
            ),
            ("batch = \"auto\"\naccumulate = 2", &[], "mine.toml:7: train.batch: is \"auto\", which needs"),
            (
                "batch = \"auto\"\naccumulate = 2\nglobal_batch = 8",
                &[],
                "mine.toml:8: train.accumulate: train.global_batch is given too, and decides it; remove one of them",
            ),
            (
                "batch = 8\nglobal_batch = 12",
                &[],
                "mine.toml:8: train.global_batch: 12 is not a multiple of train.batch = 8",
            ),
            ("global_batch = 12", &[], "mine.toml:7: train.global_batch: 12 is not a multiple of train.batch = 32"),
            (
                "batch = \"most\"",
                &[],
                "mine.toml:7: train.batch is \"most\", expected a whole number from 1 to 1048576, or \"auto\"",
            ),
            ("batch = 0", &[], "mine.toml:7: train.batch is 0, expected a whole number from 1"),
            (
                "global_batch = \"auto\"",
                &[],
                "mine.toml:7: train.global_batch is \"auto\", expected a whole number from 1",
            ),
            ("accumulate = \"auto\"", &[], "mine.toml:7: train.accumulate is \"auto\", expected a whole number from 1"),
            ("", &["train.batch=auto"], "--set: train.batch: is \"auto\", which needs the examples"),
            (
                "",
                &["train.global_batch=8", "train.accumulate=2"],
                "--set: train.accumulate: train.global_batch is given",
            ),
        ] {
            let error = parse(train, set).unwrap_err();
            assert!(error.is::<Usage>() && error.to_string().starts_with(message), "{train} {set:?}: {error}");
        }
    }

    proptest! {
        #[test]
        fn a_chosen_batch_keeps_the_step(batch in 1_usize..200, accumulate in 1_usize..50, examples in 1_usize..100_000) {
            let auto = parse(&format!("batch = \"auto\"\nglobal_batch = {}", batch * accumulate), &[]).unwrap();
            let chosen = auto.with_batch(batch as u64, Path::new("/cache")).unwrap();
            prop_assert_eq!(split(&chosen), (batch, accumulate, batch * accumulate, None));
            prop_assert!(!chosen.train.auto_batch && !chosen.toml.contains("auto"));
            prop_assert_eq!(chosen.train.steps(examples), auto.train.steps(examples));
            let explicit = parse(&format!("batch = {batch}\nglobal_batch = {}", batch * accumulate), &[]).unwrap();
            prop_assert_eq!(&explicit, &chosen);
            prop_assert!(chosen.with_batch((batch * accumulate + 1) as u64, Path::new("/cache")).is_err());
        }
    }
}
