//! The examples of a language model: read, checked, tokenized with their loss mask, and packed.

use anyhow::{Result, bail};

use super::opened::{ModelTokenizer, OpenedData, OpenedModel, TokenizedExamples, TokenizedSplit, steps};
use crate::Usage;
use crate::data::instruct::{self, InstructionExample, InstructionSource, PromptEncoder};
use crate::data::{Sequence, Tokenized};
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
    let instructions = instruct::load(source, preset.read_options(), &progress)?;
    for warning in &instructions.warnings {
        report(Event::warning(warning));
    }
    let mut opened = OpenedData {
        labels: 0,
        head: HeadRows::AsStored,
        examples: instructions.train.len() as u64,
        eval_examples: instructions.eval.len() as u64,
        steps: steps(preset, instructions.train.len())?,
        best: preset.keep.best.clone().unwrap_or_else(|| PERPLEXITY.into()),
        labelled: None,
        tokenized: None,
        name: instructions.name,
    };
    if let Some(ModelTokenizer::Prompts(encoder)) = model.map(|model| &model.tokenizer) {
        let encode = |split: &str, dialogues: &[InstructionExample]| {
            encode(encoder, &opened.name, split, dialogues, preset.data.max_length, report)
        };
        let (mut train, eval) = (encode("train", &instructions.train)?, encode("validation", &instructions.eval)?);
        (opened.examples, opened.eval_examples) = (train.len() as u64, eval.len() as u64);
        if data.packing {
            train = instruct::pack(train, preset.data.max_length);
        }
        opened.steps = steps(preset, train.len())?;
        let held_out = TokenizedSplit { name: "validation".into(), examples: Tokenized::LanguageModel(eval) };
        opened.tokenized = Some(TokenizedExamples { train: Tokenized::LanguageModel(train), held_out: vec![held_out] });
    }
    Ok(opened)
}

/// Tokenizes a split. Examples without a token in their loss mask are left out.
fn encode(
    encoder: &PromptEncoder,
    dataset: &str,
    split: &str,
    dialogues: &[InstructionExample],
    max_length: usize,
    report: &dyn Fn(Event),
) -> Result<Vec<Sequence>> {
    let encoded = encoder.encode(split, dialogues, &|progress| report(Event::Progress(progress)))?;
    if encoded.truncated > 0 {
        report(Event::warning(format!("{split}: {} examples truncated to {max_length} tokens", encoded.truncated)));
    }
    if encoded.dropped > 0 {
        report(Event::warning(format!("{split}: {} examples left out: their loss mask is empty", encoded.dropped)));
    }
    if encoded.sequences.is_empty() {
        bail!(Usage(format!("{dataset}: every {split} example has an empty loss mask, so there is nothing to learn")));
    }
    Ok(encoded.sequences)
}
