//! Checks of a preset against its model's config and tokenizer. None of them needs the weights.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::{Result, bail};

use crate::Usage;
use crate::data::{LabelledSource, TextTokenizer};
use crate::model::{ModelConfig, ParameterSpec};
use crate::preset::{DataSource, Preset, Select, SelectBudget, SelectStructure};
use crate::protocol::{LOSS, PERPLEXITY};
use crate::sift::select::{Budget, Criterion, Structure};
use crate::sift::{Role, Rules};
use crate::suggest;

/// The structure of a preset's name for it.
pub(super) fn structure_of(structure: SelectStructure) -> Structure {
    match structure {
        SelectStructure::Entries => Structure::Entries,
        SelectStructure::PerRow => Structure::PerRow,
        SelectStructure::Columns => Structure::Columns,
        SelectStructure::Rows => Structure::Rows,
        SelectStructure::RowsColumns => Structure::RowsColumns,
        SelectStructure::Blocks { side } => Structure::Blocks { side },
    }
}

/// All structures with their names; blocks have the size of the preset's.
pub fn structures(preset: &Preset) -> Vec<(&'static str, Structure)> {
    let all = SelectStructure::all(preset.sift.structure);
    all.into_iter().map(|structure| (structure.name(), structure_of(structure))).collect()
}

/// The preset's budget of the selection.
pub fn target_budget(preset: &Preset) -> Budget {
    match preset.sift.budget {
        SelectBudget::PerTensor => Budget::PerTensor,
        SelectBudget::Global => Budget::Global,
    }
}

/// The preset's criterion of the selection.
pub fn target_criterion(preset: &Preset) -> Criterion {
    match preset.sift.select {
        Select::Gradient => Criterion::Gradient,
        Select::GradientTimesWeight => Criterion::GradientTimesWeight,
        Select::Fisher => Criterion::Fisher,
        Select::Gallop => Criterion::Gallop,
        Select::Magnitude => Criterion::Magnitude,
        Select::Lift { rank } => Criterion::Lift { rank },
        Select::Random => Criterion::Random,
    }
}

/// Checks that every rule matches a parameter, and that at least one parameter is trained.
///
/// # Errors
/// [`Usage`], with the key, the pattern and the names most like it.
pub fn check_targets(rules: &Rules, specs: &[ParameterSpec]) -> Result<()> {
    for (key, patterns) in [("sift.modules", &rules.modules), ("sift.dense", &rules.dense)] {
        let unmatched = patterns.iter().find(|pattern| !specs.iter().any(|spec| spec.name.contains(pattern.as_str())));
        if let Some(pattern) = unmatched {
            let nearest = suggest::nearest_of_all(pattern, &module_names(specs)).join(", ");
            let number = specs.len();
            bail!(Usage(format!(
                "{key}: \"{pattern}\" matches none of the model's {number} parameter names; did you mean one of {nearest}?"
            )));
        }
    }
    if specs.iter().all(|spec| rules.role(&spec.name) == Role::Frozen) {
        bail!(Usage("sift.modules and sift.dense match no parameter, so there is nothing to train".into()));
    }
    Ok(())
}

/// Checks `keep.best` where the preset alone determines the scores. Those of a user's own file depend on its labels.
pub(super) fn check_known_scores(preset: &Preset) -> Result<()> {
    match &preset.data.source {
        DataSource::Instructions(_) => check_best(preset, "a language model", &[PERPLEXITY]),
        DataSource::Hub(task) | DataSource::Local(LabelledSource::Glue { task, .. }) => {
            check_best(preset, &task.to_string(), task.metrics().names())
        }
        DataSource::Local(LabelledSource::Table { .. }) | DataSource::HubTable(_) => Ok(()),
    }
}

/// Checks that `keep.best` is one of a dataset's scores, or the loss.
pub(super) fn check_best(preset: &Preset, dataset: &str, scores: &[&str]) -> Result<()> {
    match preset.keep.best.as_deref() {
        Some(name) if name != LOSS && !scores.contains(&name) => {
            bail!(Usage(format!(
                "keep.best is \"{name}\", but {dataset} is scored by {} and {LOSS}",
                scores.join(", ")
            )))
        }
        _ => Ok(()),
    }
}

/// An encoder takes labelled texts, a decoder takes instructions.
pub(super) fn check_kind(preset: &Preset, config: &ModelConfig) -> Result<()> {
    let id = &preset.model.id;
    match (&preset.data.source, config) {
        (DataSource::Instructions(_), ModelConfig::Encoder(_)) => bail!(Usage(format!(
            "data.format: {id} is an encoder and cannot generate text; set data.task, or data.path to labelled texts"
        ))),
        (DataSource::Local(_) | DataSource::Hub(_) | DataSource::HubTable(_), ModelConfig::Decoder(_)) => {
            bail!(Usage(format!(
                "data.format is missing: {id} is a language model and cannot train on labelled texts; set data.format"
            )))
        }
        _ => Ok(()),
    }
}

pub(super) fn check_max_length(preset: &Preset, config: &ModelConfig) -> Result<()> {
    if preset.data.max_length as i64 > config.max_tokens() {
        bail!(Usage(format!(
            "data.max_length is {}, but {} has positions for {} tokens",
            preset.data.max_length,
            preset.model.id,
            config.max_tokens()
        )));
    }
    Ok(())
}

pub(super) fn check_vocabulary(folder: &Path, tokenizer: &TextTokenizer, config: &ModelConfig) -> Result<()> {
    let (tokens, rows) = (tokenizer.vocab_size(), config.vocab_size());
    if tokens as i64 > rows {
        bail!(Usage(format!(
            "{}: its tokenizer has {tokens} tokens, but the model has {rows} embeddings; use the model's own tokenizer",
            folder.display()
        )));
    }
    Ok(())
}

/// Patterns a user may have meant: `query`, `self.query`, `attention.self.query`, for every parameter name.
pub(super) fn module_names(specs: &[ParameterSpec]) -> Vec<String> {
    let mut names = BTreeSet::new();
    for spec in specs {
        let module = spec.name.rsplit_once('.').map_or(spec.name.as_str(), |(module, _)| module);
        let after_number = module.rfind(|c: char| c.is_ascii_digit()).map_or(0, |at| at + 1);
        let mut rest = module[after_number..].trim_start_matches('.');
        while !rest.is_empty() {
            names.insert(rest.to_owned());
            rest = rest.split_once('.').map_or("", |(_, rest)| rest);
        }
    }
    names.into_iter().collect()
}
