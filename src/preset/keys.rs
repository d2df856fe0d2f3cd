//! The keys of a preset: help, type and default of each. Reading, writing, `--set` and the editors on screen follow this table.

use std::ops::Bound::{Excluded, Included, Unbounded};

use super::key_kind::{Choice, KeyKind, NumberStep};
use KeyKind::{Boolean, Integer, Modules, Names, Paths, Table, Text, Texts};
use NumberStep::{By, OneTwoFive};

/// A key of a preset.
#[derive(Clone, Copy, Debug)]
pub struct PresetKey {
    /// Such as `train.epochs`.
    pub name: &'static str,
    /// A line about it.
    pub help: &'static str,
    /// The type of its value.
    pub kind: KeyKind,
    /// As typed text; `None` for a key that is required or may be absent.
    pub default: Option<&'static str>,
}

impl PresetKey {
    /// The key of this name.
    pub fn of(name: &str) -> Option<&'static PresetKey> {
        KEYS.iter().find(|key| key.name == name)
    }

    /// The name within its section: `epochs`.
    pub fn short(&self) -> &'static str {
        self.name.split_once('.').map_or(self.name, |(_, short)| short)
    }

    /// The section of the file: `train`; empty for a key above all sections.
    pub fn section(&self) -> &'static str {
        self.name.split_once('.').map_or("", |(section, _)| section)
    }

    const fn default(self, default: &'static str) -> PresetKey {
        PresetKey { default: Some(default), ..self }
    }
}

const fn key(name: &'static str, kind: KeyKind, help: &'static str) -> PresetKey {
    PresetKey { name, help, kind, default: None }
}

const fn choice(name: &'static str, help: &'static str) -> Choice {
    Choice { name, help }
}

/// Integers of at least 1.
const POSITIVE: KeyKind = Integer { from: 1, to: 1 << 40 };
const COUNT: KeyKind = Integer { from: 0, to: 1 << 40 };
const SIZE: KeyKind = Integer { from: 1, to: 1 << 20 };

const fn at_least_0(step: NumberStep) -> KeyKind {
    KeyKind::Number { from: Included(0.0), to: Unbounded, step }
}

const DTYPES: &[Choice] = &[
    choice("f32", "full precision; on a GPU the slower of the two"),
    choice("bf16", "half the memory; trained components keep f32 master values"),
];
const HEADS: &[Choice] =
    &[choice("new", "a newly initialised head"), choice("keep", "the base model's head, which has to fit the data")];
const TASKS: &[Choice] = &[
    choice("cola", "CoLA: is a sentence acceptable English?"),
    choice("sst2", "SST-2: sentiment of a sentence"),
    choice("mrpc", "MRPC: are two sentences paraphrases?"),
    choice("qqp", "QQP: do two questions ask the same?"),
    choice("stsb", "STS-B: how similar are two sentences? (regression)"),
    choice("mnli", "MNLI: entailment, neutral or contradiction"),
    choice("qnli", "QNLI: does a sentence answer the question?"),
    choice("rte", "RTE: does one sentence entail the other?"),
    choice("wnli", "WNLI: entailment that needs a pronoun resolved"),
];
const FORMATS: &[Choice] = &[
    choice("alpaca", "instruction, input and output"),
    choice("sharegpt", "conversations of turns with from and value"),
    choice("messages", "conversations of messages with role and content"),
    choice("prompt_completion", "a prompt and its completion"),
    choice("text", "plain text: every token is a loss token"),
];
const METHODS: &[Choice] = &[
    choice("sift", "selected components of the targets, and dense parameters: SIFT"),
    choice("full", "every parameter: full fine-tuning"),
    choice("head", "the dense parameters alone, such as the head"),
    choice("lora", "low-rank adapters of linear layers, and dense parameters: LoRA"),
];
const SELECTIONS: &[Choice] = &[
    choice("gradient", "the largest gradients: SIFT"),
    choice("gradient_times_weight", "the largest products of gradient and weight: SNIP"),
    choice("fisher", "the largest mean squared gradients over sift.batches: FISH mask"),
    choice("gallop", "the largest ratios of gradient and weight: GaLLoP"),
    choice("magnitude", "the largest weights"),
    choice("lift", "the largest weights of a low-rank approximation: LIFT"),
    choice("random", "uniformly at random, for comparison"),
];
const STRUCTURES: &[Choice] = &[
    choice("entries", "single components: SIFT"),
    choice("per_row", "the same number of components in every row: NeuroAda"),
    choice("columns", "whole columns: all weights of an input"),
    choice("rows", "whole rows: all weights of an output"),
    choice("rows_columns", "where chosen rows and columns cross: LoSiA"),
    choice("blocks", "blocks of sift.block_size: SMT"),
];
const BUDGETS: &[Choice] = &[
    choice("per_tensor", "the same share of every target"),
    choice("global", "the largest scores of all targets together, as many in all"),
];
const MATMULS: &[Choice] = &[
    choice("f32", "full precision"),
    choice("tf32", "TF32: 10 bits of mantissa, faster on a GPU"),
    choice("bf16", "bf16: 7 bits of mantissa, faster on a CPU with AMX"),
];
const OFFLOADS: &[Choice] = &[
    choice("none", "all of the model is on the GPU"),
    choice("weights", "weights of blocks in host memory, with gradient checkpointing"),
];
const SCHEDULES: &[Choice] = &[
    choice("linear", "linear decay to 0"),
    choice("cosine", "cosine decay to 0"),
    choice("constant", "the peak learning rate throughout"),
];

/// All keys, in the order in which a preset is written.
pub const KEYS: &[PresetKey] = &[
    key("about", Text, "one line of description"),
    key("method", KeyKind::Choice(METHODS), "what is trained: sift, full, head or lora").default("sift"),
    key("model.id", Text, "hub id, such as org/name or org/name@revision, or folder of the model"),
    key("model.dtype", KeyKind::Choice(DTYPES), "dtype of the weights: f32 or bf16").default("f32"),
    key(
        "model.head",
        KeyKind::Choice(HEADS),
        "classification head: new or keep; default: kept if it has the classes of the data, by name",
    ),
    key("data.task", KeyKind::Choice(TASKS), "GLUE task: cola, sst2, mrpc, qqp, stsb, mnli, qnli, rte, wnli"),
    key(
        "data.format",
        KeyKind::Choice(FORMATS),
        "format of language-model data: alpaca, sharegpt, messages, prompt_completion, text",
    ),
    key("data.columns", Table, "names of the columns of language-model data, such as { instruction = \"question\" }"),
    key("data.hub", Text, "hub id of a dataset, such as org/name or org/name@revision; data.path then names its files"),
    key(
        "data.path",
        Paths,
        "training files: a file, folder or glob pattern, or a list of them; folder of the GLUE task's files",
    ),
    key("data.eval_path", Paths, "held-out files to evaluate on, named as in data.path"),
    key(
        "data.eval_fraction",
        KeyKind::Number { from: Excluded(0.0), to: Excluded(1.0), step: By(0.05) },
        "fraction of the training files to hold out instead",
    )
    .default("0.1"),
    key("data.config", Text, "config of the hub's dataset; default: its default one"),
    key("data.split", Text, "split of the hub's dataset to train on; default: train"),
    key("data.eval_split", Text, "split of the hub's dataset to evaluate on; default: validation, if it has one"),
    key("data.text", Text, "column of the text").default("text"),
    key("data.text_pair", Text, "column of the second text of a pair"),
    key("data.label", Text, "column of the label").default("label"),
    key("data.labels", Names, "class names in order; default: those in the file, sorted"),
    key("data.regression", Boolean, "whether labels are numbers (regression)").default("false"),
    key("data.max_length", SIZE, "max length in tokens").default("128"),
    key("data.max_examples", COUNT, "train on the first examples only, this many; 0 for all").default("0"),
    key(
        "data.max_bad_rows",
        KeyKind::Number { from: Included(0.0), to: Included(1.0), step: OneTwoFive { least: -3 } },
        "fraction of the rows that may be left out, such as those without a label",
    )
    .default("0.1"),
    key("data.packing", Boolean, "whether several examples share a row; attention keeps them apart"),
    key(
        "sift.rate",
        KeyKind::Number { from: Excluded(0.0), to: Included(1.0), step: OneTwoFive { least: -6 } },
        "fraction of each target's components to train",
    )
    .default("0.008"),
    key("sift.modules", Modules, "parts of the names of the target matrices").default("[]"),
    key("sift.dense", Modules, "parts of the names of dense trainable parameters").default("[]"),
    key("sift.biases", Boolean, "whether biases are targets too").default("true"),
    key(
        "sift.select",
        KeyKind::Choice(SELECTIONS),
        "selection criterion: gradient, gradient_times_weight, fisher, gallop, magnitude, lift or random",
    )
    .default("gradient"),
    key(
        "sift.structure",
        KeyKind::Choice(STRUCTURES),
        "sets of components to select: entries, per_row, columns, rows, rows_columns or blocks",
    )
    .default("entries"),
    key(
        "sift.lift_rank",
        Integer { from: 1, to: 1 << 16 },
        "rank of the approximated weights, for sift.select = \"lift\"",
    )
    .default("128"),
    key(
        "sift.block_size",
        Integer { from: 1, to: 1 << 16 },
        "max rows and columns of a block, for sift.structure = \"blocks\"",
    )
    .default("64"),
    key(
        "sift.budget",
        KeyKind::Choice(BUDGETS),
        "what sift.rate is a share of: each target (per_tensor), or all (global)",
    )
    .default("per_tensor"),
    key("sift.reselect_every", COUNT, "steps after which components are selected again; 0 never does").default("0"),
    key(
        "sift.batches",
        POSITIVE,
        "micro-batches whose gradient decides the selection; with train.global_batch by default those of a step",
    )
    .default("1"),
    key("sift.probe_every", POSITIVE, "steps within which each target's gradient mass is measured once").default("10"),
    key(
        "sift.decay",
        at_least_0(OneTwoFive { least: -4 }),
        "decay of the selected components towards their pre-trained values",
    )
    .default("0"),
    key("lora.r", Integer { from: 1, to: 1 << 16 }, "rank of the adapters, for method = \"lora\"").default("8"),
    key(
        "lora.alpha",
        KeyKind::Number { from: Excluded(0.0), to: Unbounded, step: OneTwoFive { least: -2 } },
        "lora_alpha: adapters are scaled by alpha / r",
    )
    .default("16"),
    key(
        "lora.dropout",
        KeyKind::Number { from: Included(0.0), to: Excluded(1.0), step: By(0.05) },
        "lora_dropout: dropout of the adapters' input",
    )
    .default("0"),
    key(
        "lora.target_modules",
        Modules,
        "names of the linear layers with an adapter, or their ends; default: those that sift.modules matches",
    )
    .default("[]"),
    key("train.epochs", POSITIVE, "passes over the examples").default("3"),
    key(
        "train.batch",
        KeyKind::IntegerOrAuto { from: 1, to: 1 << 20 },
        "examples per micro-batch; auto: the most that fit the device, with train.global_batch",
    )
    .default("32"),
    key("train.accumulate", SIZE, "micro-batches per optimizer step").default("1"),
    key("train.global_batch", SIZE, "examples per optimizer step, in place of train.accumulate"),
    key("train.learning_rate", at_least_0(OneTwoFive { least: -8 }), "peak learning rate"),
    key(
        "train.warmup",
        KeyKind::Number { from: Included(0.0), to: Excluded(1.0), step: OneTwoFive { least: -3 } },
        "fraction of the steps to warm up the learning rate",
    )
    .default("0.06"),
    key("train.schedule", KeyKind::Choice(SCHEDULES), "learning rate after warm-up: linear, cosine or constant")
        .default("linear"),
    key("train.weight_decay", at_least_0(OneTwoFive { least: -4 }), "weight decay of dense trainable parameters")
        .default("0"),
    key("train.clip", at_least_0(OneTwoFive { least: -2 }), "max gradient norm; 0 disables clipping").default("1"),
    key(
        "train.seed",
        Integer { from: 0, to: i64::MAX as u64 },
        "random seed of a new head, the order of examples and dropout",
    )
    .default("42"),
    key("train.eval_every", COUNT, "steps between evaluations; 0 evaluates after each epoch").default("0"),
    key("train.patience", COUNT, "evaluations without improvement before the run stops early; 0 never stops early")
        .default("0"),
    key("train.max_steps", COUNT, "max optimizer steps; 0 for no limit").default("0"),
    key("train.matmul", KeyKind::Choice(MATMULS), "precision of products of f32 matrices: f32, tf32 or bf16")
        .default("f32"),
    key("train.gradient_checkpointing", Boolean, "whether to recompute activations to save memory").default("false"),
    key("train.offload", KeyKind::Choice(OFFLOADS), "what to keep off the GPU: none, or the weights of blocks")
        .default("none"),
    key("train.shard", Boolean, "whether each of several ranks keeps a part of the weights of blocks").default("false"),
    key("sample.prompts", Texts, "prompts to sample completions for at every evaluation").default("[]"),
    key("sample.tokens", Integer { from: 1, to: 1 << 16 }, "max new tokens of a completion").default("64"),
    key("sample.temperature", at_least_0(By(0.1)), "sampling temperature; 0 is greedy decoding").default("0"),
    key(
        "sample.top_k",
        Integer { from: 0, to: 1 << 24 },
        "sample from this many of the most likely tokens; 0 disables it",
    )
    .default("0"),
    key(
        "sample.top_p",
        KeyKind::Number { from: Excluded(0.0), to: Included(1.0), step: By(0.05) },
        "sample from the most likely tokens with this probability mass",
    )
    .default("1"),
    key("keep.checkpoints", SIZE, "number of latest checkpoints to keep, besides the best").default("2"),
    key("keep.every_minutes", at_least_0(By(1.0)), "minutes between checkpoints; 0 disables them").default("15"),
    key("keep.every_steps", COUNT, "steps between checkpoints; 0 disables them").default("0"),
    key("keep.best", Text, "score that decides which checkpoint is best, or loss"),
    key("keep.predictions", Boolean, "whether to write the best evaluation's predictions to predictions.json")
        .default("false"),
];

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::preset::{Draft, Preset};

    /// A preset with everything that `key` needs, and this value for it.
    fn with(key: &str, value: &str) -> Result<Preset, crate::Usage> {
        let labelled = "[model]\nid = \"m\"\n[data]\npath = \"x.csv\"\n[train]\nlearning_rate = 1.0\n";
        let language = labelled.replace("[train]", "format = \"text\"\n[train]");
        let fisher = labelled.to_owned() + "[sift]\nbatches = 2\n";
        let single = labelled.to_owned() + "batch = 1\n";
        let text = match key {
            "data.packing" | "data.columns" => &language,
            "sift.select" => &fisher,
            // Any number is a multiple of 1.
            "train.global_batch" => &single,
            _ => labelled,
        };
        let mut draft = Draft::new("x", "x.toml", text, Path::new("/")).unwrap();
        draft.set(PresetKey::of(key).unwrap().name, value);
        draft.preset()
    }

    #[test]
    fn every_choice_is_read_and_nothing_else() {
        for key in KEYS {
            let KeyKind::Choice(choices) = key.kind else { continue };
            for choice in choices {
                let read = with(key.name, choice.name);
                assert!(read.is_ok(), "{}: {:?}", key.name, read);
            }
            let error = with(key.name, "neither").unwrap_err().to_string();
            assert!(choices.iter().all(|choice| error.contains(choice.name)), "{}: {error}", key.name);
        }
    }

    #[test]
    fn bounds_are_those_of_reading() {
        for key in KEYS {
            let (inside, outside) = match key.kind {
                Integer { from, to } | KeyKind::IntegerOrAuto { from, to } => {
                    (vec![from.to_string(), to.to_string()], vec![(to + 1).to_string(), "-1".into()])
                }
                KeyKind::Number { from, .. } => {
                    let least = if from == Included(0.0) { "0" } else { "0.0001" };
                    (vec![least.to_owned()], vec!["-0.1".to_owned()])
                }
                Boolean => (vec!["true".into(), "false".into()], vec!["1".into()]),
                _ => continue,
            };
            for value in inside {
                assert!(with(key.name, &value).is_ok(), "{} = {value}", key.name);
            }
            for value in outside {
                let error = with(key.name, &value).unwrap_err().to_string();
                assert!(error.contains(&format!("expected {}", key.kind)), "{error}");
            }
        }
    }
}
