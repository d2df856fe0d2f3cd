//! The keys of a document become a validated preset: defaults, ranges, keys that exclude each other.

use std::path::Path;

use anyhow::Result;

use super::batch::{StepExamples, selecting_batches, step_examples};
use super::data_source::data_source;
use super::document::Document;
use super::paths::expand;
use super::selection::{budget, criterion, structure};
use super::types::{Data, Dtype, HeadRule, Keep, Lora, Matmul, Model, Offload, Preset, Sample, Schedule, Sift, Train};
use crate::Usage;
use crate::protocol::TrainingMethod;

impl Preset {
    /// Parses a preset's text and applies `key=value` overrides. `file` is its name in errors; `cache` is finesift's cache
    /// folder, which `cache:` at the beginning of a path stands for.
    ///
    /// # Errors
    /// [`Usage`] with file, line and key: malformed TOML, an unknown key, an invalid value.
    pub fn parse(name: &str, file: &str, text: &str, overrides: &[String], cache: &Path) -> Result<Preset> {
        Preset::with_overrides(name, Document::parse(file, text)?, overrides, cache)
    }

    /// As [`Preset::parse`], for a preset that finesift has stored: that of a run, a checkpoint or a queue. Keys of earlier
    /// releases mean what they meant.
    ///
    /// # Errors
    /// As [`Preset::parse`].
    pub fn parse_stored(name: &str, file: &str, text: &str, overrides: &[String], cache: &Path) -> Result<Preset> {
        Preset::with_overrides(name, Document::parse_stored(file, text)?, overrides, cache)
    }

    fn with_overrides(name: &str, mut document: Document, overrides: &[String], cache: &Path) -> Result<Preset> {
        for assignment in overrides {
            document.set(assignment)?;
        }
        Ok(read(name, &document, cache)?)
    }
}

pub(super) fn read(name: &str, document: &Document, cache: &Path) -> Result<Preset, Usage> {
    let StepExamples { batch, auto_batch, accumulate, global_batch } = step_examples(document)?;
    let offload = document.one_of("train.offload", &Offload::NAMES)?.unwrap_or_default();
    let shard = document.boolean("train.shard")?.unwrap_or(false);
    let gradient_checkpointing = gradient_checkpointing(document, offload, shard)?;
    Ok(Preset {
        name: name.to_owned(),
        about: document.string("about")?.unwrap_or_default(),
        method: document
            .one_of("method", &TrainingMethod::ALL.map(|method| (method.name(), method)))?
            .unwrap_or_default(),
        model: Model {
            id: expand(&document.required("model.id")?, cache),
            dtype: document.one_of("model.dtype", &[("f32", Dtype::F32), ("bf16", Dtype::Bf16)])?.unwrap_or(Dtype::F32),
            head: document.one_of("model.head", &[("new", HeadRule::New), ("keep", HeadRule::Keep)])?,
        },
        data: Data {
            source: data_source(document, cache)?,
            max_length: document.integer("data.max_length")? as usize,
            max_examples: document.integer("data.max_examples")? as usize,
            max_bad_rows: document.number("data.max_bad_rows")?,
        },
        sift: Sift {
            rate: document.number("sift.rate")?,
            modules: document.strings("sift.modules")?.unwrap_or_default(),
            dense: document.strings("sift.dense")?.unwrap_or_default(),
            biases: document.boolean("sift.biases")?.unwrap_or(true),
            select: criterion(document)?,
            structure: structure(document)?,
            budget: budget(document)?,
            reselect_every: document.integer("sift.reselect_every")?,
            batches: selecting_batches(document)?,
            probe_every: document.integer("sift.probe_every")?,
            decay: document.number("sift.decay")?,
        },
        lora: Lora {
            r: document.integer("lora.r")? as i64,
            alpha: document.number("lora.alpha")?,
            dropout: document.number("lora.dropout")?,
            target_modules: document.strings("lora.target_modules")?.unwrap_or_default(),
        },
        train: Train {
            epochs: document.integer("train.epochs")?,
            batch,
            auto_batch,
            accumulate,
            global_batch,
            learning_rate: document.number("train.learning_rate")?,
            warmup: document.number("train.warmup")?,
            schedule: document.one_of("train.schedule", &Schedule::NAMES)?.unwrap_or(Schedule::Linear),
            weight_decay: document.number("train.weight_decay")?,
            clip: document.number("train.clip")?,
            seed: document.integer("train.seed")?,
            eval_every: document.integer("train.eval_every")?,
            patience: document.integer("train.patience")?,
            max_steps: document.integer("train.max_steps")?,
            matmul: document
                .one_of("train.matmul", &Matmul::ALL.map(|matmul| (matmul.name(), matmul)))?
                .unwrap_or_default(),
            gradient_checkpointing,
            offload,
            shard,
        },
        sample: Sample {
            prompts: document.strings("sample.prompts")?.unwrap_or_default(),
            tokens: document.integer("sample.tokens")? as usize,
            temperature: document.number("sample.temperature")?,
            top_k: document.integer("sample.top_k")? as usize,
            top_p: document.number("sample.top_p")?,
        },
        keep: Keep {
            checkpoints: document.integer("keep.checkpoints")? as usize,
            every_minutes: document.number("keep.every_minutes")?,
            every_steps: document.integer("keep.every_steps")?,
            best: document.string("keep.best")?,
            predictions: document.boolean("keep.predictions")?.unwrap_or(false),
        },
        toml: document.to_toml(),
    })
}

/// Weights that are off the GPU, or on other ranks, come once for the forward pass and once more to compute a block again with its
/// backward pass.
fn gradient_checkpointing(document: &Document, offload: Offload, shard: bool) -> Result<bool, Usage> {
    let asked = document.boolean("train.gradient_checkpointing")?;
    let setting = match (offload, shard) {
        (Offload::Weights, true) => {
            let why =
                "is true, but train.offload = \"weights\" keeps the same weights in host memory; remove one of them";
            return Err(document.error_at("train.shard", why));
        }
        (Offload::Weights, false) => "train.offload = \"weights\"",
        (Offload::None, true) => "train.shard = true",
        (Offload::None, false) => return Ok(asked.unwrap_or(false)),
    };
    if asked == Some(false) {
        let why = format!("is false, but {setting} goes with gradient checkpointing; remove one of them");
        return Err(document.error_at("train.gradient_checkpointing", &why));
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::data::{HeldOut, LabelledSource};
    use crate::preset::{DataSource, built_in};

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
            // The copy in a run's folder parses to the same preset.
            let again = Preset::parse(preset.name, "", &loaded.toml, &[], Path::new("/cache")).unwrap();
            assert_eq!(again, loaded);
        }
    }

    #[test]
    fn keys_of_another_method_are_read() {
        let lora = ["lora.r=4", "lora.alpha=6", "lora.dropout=0.1", "lora.target_modules=query, value"];
        for method in TrainingMethod::ALL {
            let preset = parse(SMALL, &[&lora[..], &[&format!("method={}", method.name())]].concat()).unwrap();
            assert_eq!((preset.method, preset.lora.r, preset.lora.alpha, preset.lora.dropout), (method, 4, 6.0, 0.1));
            assert_eq!(
                (&preset.lora.target_modules[..], preset.sift.modules.len()),
                (&["query", "value"].map(str::to_owned)[..], 1)
            );
            assert_eq!(parse(&preset.toml, &[]).unwrap(), preset);
        }
        let default = parse(SMALL, &[]).unwrap();
        assert_eq!((default.method, default.lora.r, default.lora.alpha), (TrainingMethod::Sift, 8, 16.0));
    }

    #[test]
    fn overrides_replace_values_and_are_stored() {
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
    fn an_overridden_held_out_set_replaces_that_of_the_file() {
        let text = SMALL.replace("task = \"mrpc\"", "path = \"a.csv\"\neval_fraction = 0.2");
        let preset = parse(&text, &["data.eval_path=b.csv"]).unwrap();
        assert!(!preset.toml.contains("eval_fraction"), "{}", preset.toml);
        let error = parse(&text, &["data.eval_path=b.csv", "data.eval_fraction=0.1"]).unwrap_err().to_string();
        assert!(error.contains("data.eval_path is given too"), "{error}");
    }

    #[test]
    fn data_is_one_path_or_several() {
        let text = SMALL.replace("task = \"mrpc\"", "path = \"cache:a.csv\"");
        for (assignments, train, held_out) in [
            (&[][..], &["/cache/a.csv"][..], None),
            (&["data.path=b/*.csv", "data.eval_path=c"], &["b/*.csv"], Some(&["c"][..])),
            (&["data.path=[\"a.csv\", \"b\"]", "data.eval_path=[\"c\", \"d\"]"], &["a.csv", "b"], Some(&["c", "d"])),
        ] {
            let preset = parse(&text, assignments).unwrap();
            let paths = |paths: &[&str]| paths.iter().map(PathBuf::from).collect::<Vec<_>>();
            let DataSource::Local(LabelledSource::Table { train: read, held_out: set, .. }) = &preset.data.source
            else {
                panic!("{:?}", preset.data.source)
            };
            let expected = held_out.map_or(HeldOut::Fraction(0.1), |named| HeldOut::Files(paths(named)));
            assert_eq!((read, set), (&paths(train), &expected));
            assert_eq!(Preset::parse("mine", "", &preset.toml, &[], Path::new("/cache")).unwrap(), preset);
        }
        for value in ["[]", "[1]", "3", "\"\""] {
            let error = parse(&text, &[&format!("data.path={value}")]).unwrap_err().to_string();
            assert_eq!(error, format!("--set: data.path is {value}, expected a string or a list of strings"));
        }
    }

    #[test]
    fn columns_are_a_table_that_is_stored() {
        let text = SMALL.replace("task = \"mrpc\"", "format = \"alpaca\"\npath = \"a.json\"");
        let columns = "data.columns={ output = \"antwort\", instruction = 'frage' }";
        let preset = parse(&text, &[columns]).unwrap();
        let DataSource::Instructions(data) = &preset.data.source else { panic!("{preset:?}") };
        let pairs: Vec<(&str, &str)> = data.columns.iter().map(|(key, name)| (key.as_str(), name.as_str())).collect();
        assert_eq!(pairs, [("instruction", "frage"), ("output", "antwort")]);
        assert_eq!(parse(&preset.toml, &[]).unwrap(), preset);
        // As a table of its own, too.
        let table = text.clone() + "[data.columns]\ninstruction = \"frage\"\noutput = \"antwort\"\n";
        assert_eq!(parse(&table, &[]).unwrap().data, preset.data);
    }

    #[test]
    fn invalid_presets_are_errors_with_file_line_and_key() {
        for (line, instead, message) in [
            (7, "rat = 0.1", "mine.toml:7: unknown key \"sift.rat\"; did you mean \"sift.rate\"?"),
            (7, "rate = 0", "mine.toml:7: sift.rate is 0, expected a number above 0 and at most 1"),
            (7, "rate = 1.01", "mine.toml:7: sift.rate is 1.01, expected a number above 0 and at most 1"),
            (7, "rate = nan", "mine.toml:7: sift.rate is nan, expected a number above 0 and at most 1"),
            (
                7,
                "select = \"best\"",
                "mine.toml:7: sift.select is \"best\", expected gradient, gradient_times_weight, fisher, gallop, magnitude, lift or random",
            ),
            (7, "modules = \"query\"", "mine.toml:7: sift.modules is \"query\", expected a list of strings"),
            (9, "epochs = 0", "mine.toml:9: train.epochs is 0, expected a whole number from 1"),
            (9, "epochs = \"3\"", "mine.toml:9: train.epochs is \"3\", expected a whole number"),
            (9, "epochs = 3", "mine.toml: train.learning_rate is missing"),
            (9, "epochs =", "mine.toml:9: "),
            (8, "[tarin]", "mine.toml:9: unknown key \"tarin.learning_rate\"; did you mean \"train.learning_rate\"?"),
            (1, "method = \"adapter\"", "mine.toml:1: method is \"adapter\", expected sift, full, head or lora"),
            (7, "[lora]\nr = 0", "mine.toml:8: lora.r is 0, expected a whole number from 1 to 65536"),
            (7, "[lora]\nalpha = 0", "mine.toml:8: lora.alpha is 0, expected a number above 0"),
            (7, "[lora]\ndropout = 1", "mine.toml:8: lora.dropout is 1, expected a number from 0 to below 1"),
            (7, "[lora]\ntarget_modules = \"query\"", "mine.toml:8: lora.target_modules is \"query\", expected a list"),
            (7, "[lora]\nlora_r = 4", "mine.toml:8: unknown key \"lora.lora_r\""),
            (1, "epochs = 3", "mine.toml:1: unknown key \"epochs\"; did you mean \"train.epochs\"?"),
            (5, "task = \"mrcp\"", "mine.toml:5: data.task: no GLUE task \"mrcp\"; did you mean \"mrpc\"?"),
            (5, "task = \"mrpc\"\ntext = \"a\"", "mine.toml:6: data.text: a GLUE task, here mrpc, has its own columns"),
            (5, "format = \"alpaka\"", "mine.toml:5: data.format is \"alpaka\", expected alpaca, sharegpt, messages, "),
            (5, "format = \"alpaca\"", "mine.toml: data.path is missing"),
            (
                5,
                "format = \"alpaca\"\npath = \"a.json\"\nlabel = \"a\"",
                "mine.toml:7: data.label: language-model data has no labels",
            ),
            (
                5,
                "task = \"mrpc\"\npacking = true",
                "mine.toml:6: data.packing: only language-model data, with a data.format",
            ),
            (
                5,
                "task = \"mrpc\"\ncolumns = { text = \"t\" }",
                "mine.toml:6: data.columns: only language-model data, with a data.format",
            ),
            (
                5,
                "format = \"alpaca\"\npath = \"a.json\"\ncolumns = { instructon = \"q\" }",
                "mine.toml:7: data.columns: \"instructon\" is not a key of this data.format, whose keys are instruction, input, output; did you mean \"instruction\"?",
            ),
            (
                5,
                "format = \"alpaca\"\npath = \"a.json\"\ncolumns = { output = 3 }",
                "mine.toml:7: data.columns is { output = 3 }, expected a table of strings, such as { instruction = \"question\" }",
            ),
            (5, "max_length = 64", "mine.toml: data.task, data.format, data.hub or data.path is missing"),
        ] {
            let mut lines: Vec<&str> = SMALL.lines().collect();
            lines[line - 1] = instead;
            let error = parse(&lines.join("\n"), &[]).unwrap_err();
            assert!(error.is::<Usage>());
            assert!(error.to_string().starts_with(message), "{instead}: {error}");
        }
    }

    #[test]
    fn invalid_overrides_are_errors_that_name_the_option() {
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
