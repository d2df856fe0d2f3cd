//! The labelled texts of a classifier: read, checked and tokenized.

use anyhow::Result;

use super::access::Access;
use super::checks::check_best;
use super::head::{self, ChosenHead, HeadNote};
use super::opened::{ModelTokenizer, OpenedData, OpenedModel, TokenizedExamples, TokenizedSplit, limit, steps};
use crate::data::{self, Example, LabelledSource, Tokenized};
use crate::preset::Preset;
use crate::protocol::{Event, HeadRows, Progress};

/// Reads the examples; tokenizes them if the model is there.
pub(super) fn open(
    preset: &Preset,
    source: &LabelledSource,
    model: Option<&OpenedModel>,
    access: &Access,
    report: &dyn Fn(Event),
) -> Result<OpenedData> {
    let progress = |progress: Progress| report(Event::Progress(progress));
    let mut dataset = data::load(source, preset.read_options(), &progress)?;
    dataset.notes.extend(limit(&mut dataset.train, preset));
    let ChosenHead { rows, note } = match model {
        Some(model) => head::choose(preset, model, &dataset.labels)?,
        None => ChosenHead::silent(HeadRows::AsStored),
    };
    let (mut notes, mut warnings) = (dataset.notes.clone(), dataset.warnings.clone());
    notes.iter().map(Event::info).chain(warnings.iter().map(Event::warning)).for_each(report);
    let head_note = note.as_ref().map(HeadNote::event);
    match note {
        Some(HeadNote::Kept(note)) => notes.push(note),
        Some(HeadNote::Replaced(warning)) => warnings.push(warning),
        None => {}
    }
    check_best(preset, &dataset.name, dataset.metrics.names())?;
    let best = preset.keep.best.clone().unwrap_or_else(|| dataset.metrics.primary().to_owned());
    let steps = steps(preset, dataset.train.len())?;
    let tokenized = match model.map(|model| &model.tokenizer) {
        Some(ModelTokenizer::Text(tokenizer)) => {
            // Home fills this cache, and the run starts sooner.
            let cache = access.cache.join("tokens");
            let encode = |name: &str, examples: &[Example]| {
                tokenizer.encode(name, examples, Some(&cache), &progress).map(Tokenized::Labelled)
            };
            let train = encode("train", &dataset.train)?;
            let held_out = dataset.eval.iter().map(|split| {
                Ok(TokenizedSplit { name: split.name.clone(), examples: encode(&split.name, &split.examples)? })
            });
            Some(TokenizedExamples { train, held_out: held_out.collect::<Result<_>>()? })
        }
        _ => None,
    };
    Ok(OpenedData {
        name: dataset.name.clone(),
        labels: dataset.labels.count() as i64,
        head: rows,
        head_note,
        examples: dataset.train.len() as u64,
        eval_examples: dataset.eval.iter().map(|split| split.examples.len() as u64).sum(),
        steps,
        best,
        warnings,
        notes,
        labelled: Some(dataset),
        tokenized,
    })
}
