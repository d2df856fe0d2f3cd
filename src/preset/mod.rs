//! A preset: one runnable experiment as TOML, parsed once into values that nothing downstream has to check again.
//!
//! [`Preset::load`] finds it among the built-in ones and in the user's [`Library`], [`document`] reads its keys with their
//! places, and [`read`] says what each key means. A [`Draft`] is one that is being changed.

mod builtin;
mod difference;
mod document;
mod draft;
mod keys;
mod library;
mod read;

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::Usage;
use crate::data::instruct::InstructionFormat;
use crate::data::{HeldOut, Source, Task};
pub use crate::paths::cache_folder;
pub use builtin::{BuiltIn, built_in};
pub use difference::{Difference, Weight, differences};
use document::Document;
pub use draft::{Draft, Field, FieldOrigin};
pub use keys::KEYS;
pub use library::{Library, PresetEntry};

/// A preset has some hundred bytes; the labels of a large task make it some hundred thousand.
const LARGEST: u64 = 4 << 20;

/// A validated preset.
#[derive(Clone, Debug, PartialEq)]
pub struct Preset {
    /// `demo`, `glue/mrpc`, or the stem of a file.
    pub name: String,
    /// One line about it.
    pub about: String,
    /// `[model]`
    pub model: Model,
    /// `[data]`
    pub data: Data,
    /// `[sift]`
    pub sift: Sift,
    /// `[train]`
    pub train: Train,
    /// `[sample]`
    pub sample: Sample,
    /// `[keep]`
    pub keep: Keep,
    /// The whole of it as TOML, overrides included and comments left out.
    pub toml: String,
}

/// Which model.
#[derive(Clone, Debug, PartialEq)]
pub struct Model {
    /// Hub id or folder.
    pub id: String,
    /// Type of the weights.
    pub dtype: Dtype,
}

/// Type of the weights in memory. What is trained of them has fp32 masters in any case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Dtype {
    F32,
    Bf16,
}

/// Which examples.
#[derive(Clone, Debug, PartialEq)]
pub struct Data {
    /// Where they are.
    pub source: DataSource,
    /// Tokens of an example at most, special ones included.
    pub max_length: usize,
}

/// Where examples are.
#[derive(Clone, Debug, PartialEq)]
pub enum DataSource {
    /// In files.
    Local(Source),
    /// A GLUE task from the hub.
    Hub(Task),
    /// Texts that a language model should learn to write.
    Instructions(InstructionData),
}

/// Texts that a language model should learn to write.
#[derive(Clone, Debug, PartialEq)]
pub struct InstructionData {
    /// How they are written down.
    pub format: InstructionFormat,
    /// Where they are.
    pub place: InstructionPlace,
    /// What to evaluate on.
    pub held_out: HeldOut,
    /// Whether several share a row.
    pub packing: bool,
}

/// Where texts to learn are.
#[derive(Clone, Debug, PartialEq)]
pub enum InstructionPlace {
    /// In files.
    Files(Vec<PathBuf>),
    /// In a dataset of the hub.
    Hub {
        /// Its id.
        id: String,
        /// What its files' names begin with.
        prefix: String,
    },
}

/// What a language model is asked while it is trained, and how it answers.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// What it is asked at every evaluation.
    pub prompts: Vec<String>,
    /// Tokens of an answer at most.
    pub tokens: usize,
    /// 0 takes the likeliest token each time.
    pub temperature: f64,
    /// How many of the likeliest tokens are drawn from; 0 for any.
    pub top_k: usize,
    /// The probability that those drawn from have together.
    pub top_p: f64,
}

/// What is trained of the model.
#[derive(Clone, Debug, PartialEq)]
pub struct Sift {
    /// Share of each target's components, above 0 and up to 1.
    pub rate: f64,
    /// Parts of the targets' names.
    pub modules: Vec<String>,
    /// Parts of the names of what is trained in full.
    pub dense: Vec<String>,
    /// Whether biases are targets too.
    pub biases: bool,
    /// How components are chosen.
    pub select: Select,
    /// Micro-batches whose gradient chooses.
    pub batches: usize,
    /// Steps in which each target's gradient mass is measured once.
    pub probe_every: u64,
    /// Decay of the components towards their pre-trained values, per unit of learning rate.
    pub decay: f64,
}

/// How components are chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Select {
    /// By the largest gradients: SIFT.
    Gradient,
    /// By the largest weights.
    Magnitude,
    /// By chance.
    Random,
}

/// How it is trained.
#[derive(Clone, Debug, PartialEq)]
pub struct Train {
    /// Passes over the examples.
    pub epochs: u64,
    /// Examples per micro-batch.
    pub batch: usize,
    /// Micro-batches per optimizer step.
    pub accumulate: usize,
    /// Peak learning rate.
    pub learning_rate: f64,
    /// Share of the steps in which the learning rate rises to its peak, below 1.
    pub warmup: f64,
    /// How it falls afterwards.
    pub schedule: Schedule,
    /// Decay of what is trained in full, per unit of learning rate; biases and norms excepted.
    pub weight_decay: f64,
    /// Largest norm of the gradient; 0 for any.
    pub clip: f64,
    /// Decides the new head, the order of the examples and what is dropped.
    pub seed: u64,
    /// Steps between evaluations; 0 for one after each epoch.
    pub eval_every: u64,
    /// Steps at most; 0 for all.
    pub max_steps: u64,
    /// Whether a GPU may multiply f32 in TF32.
    pub tf32: bool,
    /// Whether to compute activations twice instead of keeping them.
    pub gradient_checkpointing: bool,
}

/// How the learning rate falls after warm-up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Schedule {
    /// In a line, to 0.
    Linear,
    /// In half a cosine, to 0.
    Cosine,
    /// Not at all.
    Constant,
}

/// What is kept.
#[derive(Clone, Debug, PartialEq)]
pub struct Keep {
    /// Newest checkpoints to keep.
    pub checkpoints: usize,
    /// Minutes between checkpoints; 0 for none by the clock.
    pub every_minutes: f64,
    /// Steps between checkpoints; 0 for none by their number.
    pub every_steps: u64,
    /// The score that decides which evaluation is best; `None` for the task's first.
    pub best: Option<String>,
}

impl Preset {
    /// Finds a preset by its name, among the built-in ones and the user's own, or by the path of a `.toml` file, and applies
    /// `key=value` overrides.
    /// `cache` is finesift's own cache, which paths may begin with as `cache:`.
    ///
    /// # Errors
    /// [`Usage`], naming file, line and key: no such preset, not TOML, an unknown key, a value that cannot be.
    pub fn load(name: &str, overrides: &[String], cache: &Path) -> Result<Preset> {
        let found = Library::of_environment().find(name)?;
        Preset::parse(&found.name, &found.place, &found.text, overrides, cache)
    }

    /// Reads a preset's text; `place` is the file to name in errors.
    ///
    /// # Errors
    /// As [`Preset::load`].
    pub fn parse(name: &str, place: &str, text: &str, overrides: &[String], cache: &Path) -> Result<Preset> {
        let mut document = Document::parse(place, text)?;
        for assignment in overrides {
            document.set(assignment)?;
        }
        read::read(name, &document, cache).map_err(|error| Usage(error).into())
    }
}

impl Train {
    /// Optimizer steps of a run over so many examples; `None` if they cannot be counted.
    pub fn steps(&self, examples: usize) -> Option<u64> {
        let per_epoch = examples.div_ceil(self.batch).div_ceil(self.accumulate) as u64;
        let steps = per_epoch.checked_mul(self.epochs)?;
        Some(if self.max_steps > 0 { steps.min(self.max_steps) } else { steps })
    }
}

/// A preset's text, from a file that may be anything.
///
/// # Errors
/// [`Usage`]: no such file, not UTF-8, larger than any preset.
pub fn read_file(path: &Path) -> Result<String> {
    let place = path.display();
    if path.metadata().is_ok_and(|metadata| !metadata.is_file()) {
        bail!(Usage(format!("{place}: not a file")));
    }
    let mut text = String::new();
    let read = File::open(path).and_then(|file| file.take(LARGEST + 1).read_to_string(&mut text));
    match read {
        Err(error) if error.kind() == ErrorKind::NotFound => bail!(Usage(format!("{place}: no such file"))),
        Err(error) if error.kind() == ErrorKind::InvalidData => bail!(Usage(format!("{place}: not UTF-8"))),
        Ok(bytes) if bytes as u64 > LARGEST => {
            bail!(Usage(format!("{place}: larger than {} MiB, so it is no preset", LARGEST >> 20)))
        }
        read => read.with_context(|| format!("{place}: cannot read"))?,
    };
    Ok(text)
}

impl Dtype {
    /// As in a preset.
    pub fn name(self) -> &'static str {
        match self {
            Dtype::F32 => "f32",
            Dtype::Bf16 => "bf16",
        }
    }
}

impl Select {
    const NAMES: [(&str, Select); 3] =
        [("gradient", Select::Gradient), ("magnitude", Select::Magnitude), ("random", Select::Random)];

    /// As in a preset.
    pub fn name(self) -> &'static str {
        match self {
            Select::Gradient => "gradient",
            Select::Magnitude => "magnitude",
            Select::Random => "random",
        }
    }
}

impl Schedule {
    const NAMES: [(&str, Schedule); 3] =
        [("linear", Schedule::Linear), ("cosine", Schedule::Cosine), ("constant", Schedule::Constant)];
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str, overrides: &[&str]) -> Result<Preset> {
        let overrides: Vec<String> = overrides.iter().map(|o| o.to_string()).collect();
        Preset::parse("mine", "mine.toml", text, &overrides, Path::new("/cache"))
    }

    const SMALL: &str = r#"about = "a"
[model]
id = "org/name"
[data]
task = "mrpc"
[sift]
modules = ["query"]
[train]
learning_rate = 7e-5
"#;

    #[test]
    fn every_built_in_preset_is_valid() {
        for preset in built_in() {
            let loaded = Preset::load(preset.name, &[], Path::new("/cache")).unwrap();
            assert!(!loaded.about.is_empty(), "{}", preset.name);
            // What a run's folder keeps says the same.
            let again = Preset::parse(preset.name, "", &loaded.toml, &[], Path::new("/cache")).unwrap();
            assert_eq!(again, loaded);
        }
    }

    #[test]
    fn overrides_win_and_are_kept() {
        let preset = parse(
            SMALL,
            &["train.epochs=7", "model.id=cache:demo/minilm", "sift.modules=[\"key\"]", "train.learning_rate = 1"],
        )
        .unwrap();
        assert_eq!((preset.train.epochs, preset.model.id.as_str()), (7, "/cache/demo/minilm"));
        assert_eq!((preset.sift.modules[0].as_str(), preset.train.learning_rate), ("key", 1.0));
        assert!(preset.toml.contains("epochs = 7"), "{}", preset.toml);
    }

    #[test]
    fn what_cannot_be_is_told_with_its_place() {
        for (line, instead, message) in [
            (7, "rat = 0.1", "mine.toml:7: unknown key \"sift.rat\"; did you mean \"sift.rate\"?"),
            (7, "rate = 0", "mine.toml:7: sift.rate is 0, expected a number above 0 and at most 1"),
            (7, "rate = 1.01", "mine.toml:7: sift.rate is 1.01, expected a number above 0 and at most 1"),
            (7, "rate = nan", "mine.toml:7: sift.rate is nan, expected a number above 0 and at most 1"),
            (7, "select = \"best\"", "mine.toml:7: sift.select is \"best\", expected gradient, magnitude or random"),
            (7, "modules = \"query\"", "mine.toml:7: sift.modules is \"query\", expected a list of strings"),
            (9, "epochs = 0", "mine.toml:9: train.epochs is 0, expected a whole number from 1"),
            (9, "epochs = \"3\"", "mine.toml:9: train.epochs is \"3\", expected a whole number"),
            (9, "epochs = 3", "mine.toml: train.learning_rate is missing"),
            (9, "epochs =", "mine.toml:9: "),
            (8, "[tarin]", "mine.toml:9: unknown key \"tarin.learning_rate\"; did you mean \"train.learning_rate\"?"),
            (1, "epochs = 3", "mine.toml:1: unknown key \"epochs\"; did you mean \"train.epochs\"?"),
            (5, "task = \"mrcp\"", "mine.toml:5: data.task: no GLUE task \"mrcp\"; did you mean \"mrpc\"?"),
            (5, "task = \"mrpc\"\ntext = \"a\"", "mine.toml:6: data.text: a GLUE task, here mrpc, has its own columns"),
            (5, "format = \"alpaka\"", "mine.toml:5: data.format is \"alpaka\", expected alpaca, sharegpt, messages, "),
            (5, "format = \"alpaca\"", "mine.toml: data.path is missing"),
            (
                5,
                "format = \"alpaca\"\npath = \"a.json\"\nlabel = \"a\"",
                "mine.toml:7: data.label: texts to learn have no labels",
            ),
            (5, "task = \"mrpc\"\npacking = true", "mine.toml:6: data.packing: only texts to learn, of a data.format"),
            (5, "max_length = 64", "mine.toml: data.task, data.format or data.path is missing"),
        ] {
            let mut lines: Vec<&str> = SMALL.lines().collect();
            lines[line - 1] = instead;
            let error = parse(&lines.join("\n"), &[]).unwrap_err();
            assert!(error.is::<Usage>());
            assert!(error.to_string().starts_with(message), "{instead}: {error}");
        }
    }

    #[test]
    fn a_wrong_override_is_told_as_one() {
        for (assignment, message) in [
            ("train.epoch=3", "--set train.epoch=3: unknown key \"train.epoch\"; did you mean \"train.epochs\"?"),
            ("train.epochs=0", "--set: train.epochs is 0, expected"),
            ("train.epochs", "--set train.epochs: expected key=value"),
        ] {
            let error = parse(SMALL, &[assignment]).unwrap_err();
            assert!(error.to_string().contains(message), "{assignment}: {error}");
        }
        let error = Preset::load("demi", &[], Path::new("/")).unwrap_err();
        assert!(error.to_string().contains("did you mean \"demo\"?"), "{error}");
    }
}
