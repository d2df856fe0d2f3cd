//! The examples of a language model: read, checked, tokenized with their loss mask, and packed.

use anyhow::Result;

use super::opened::{ModelTokenizer, OpenedData, OpenedModel, TokenizedExamples, TokenizedSplit, limit, steps};
use crate::data::Tokenized;
use crate::data::instruct::{self, InstructionSource};
use crate::preset::{InstructionData, Preset};
use crate::protocol::{Event, HeadRows, PERPLEXITY, Progress};

/// Reads the examples; tokenizes them if the model is there.
pub(super) fn open(
    preset: &Preset,
    data: &InstructionData,
    source: &InstructionSource,
    model: Option<&OpenedModel>,
    report: &dyn Fn(Event),
) -> Result<OpenedData> {
    let progress = |progress: Progress| report(Event::Progress(progress));
    let mut instructions = instruct::load(source, preset.read_options(), &progress)?;
    let limited = limit(&mut instructions.train, preset);
    for note in instructions.notes().iter().chain(&limited) {
        report(Event::info(note));
    }
    let (examples, eval_examples) = (instructions.train.len(), instructions.eval.len());
    let mut opened = OpenedData {
        labels: 0,
        head: HeadRows::AsStored,
        head_note: None,
        examples: examples as u64,
        eval_examples: eval_examples as u64,
        steps: steps(preset, examples)?,
        best: preset.keep.best.clone().unwrap_or_else(|| PERPLEXITY.into()),
        labelled: None,
        tokenized: None,
        name: instructions.name.clone(),
        warnings: Vec::new(),
        notes: limited.into_iter().collect(),
    };
    let understood = match model.map(|model| &model.tokenizer) {
        Some(ModelTokenizer::Prompts(encoder)) => {
            let encoded = instructions.encode(encoder, &progress)?;
            (opened.examples, opened.eval_examples) = (encoded.train.len() as u64, encoded.eval.len() as u64);
            let train = match data.packing {
                true => instruct::pack(encoded.train, preset.data.max_length),
                false => encoded.train,
            };
            opened.steps = steps(preset, train.len())?;
            let held_out =
                TokenizedSplit { name: "validation".into(), examples: Tokenized::LanguageModel(encoded.eval) };
            opened.tokenized =
                Some(TokenizedExamples { train: Tokenized::LanguageModel(train), held_out: vec![held_out] });
            opened.warnings = encoded.warnings;
            encoded.understood
        }
        _ => {
            opened.warnings = instructions.warnings();
            instructions.understood()
        }
    };
    report(Event::info(&understood));
    opened.notes.push(understood);
    for warning in &opened.warnings {
        report(Event::warning(warning));
    }
    Ok(opened)
}
