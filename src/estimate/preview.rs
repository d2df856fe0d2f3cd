//! The first batch of a run as the model sees it: tokens, loss mask, padding and labels.

use anyhow::Result;

use super::report::{TokenRole, TokenSpan};
use crate::data::instruct::PromptEncoder;
use crate::data::{BatchSampler, Example, Label, LabelSet, Sequence, TextTokenizer, Token, Tokenized};
use crate::inputs::{ModelTokenizer, OpenedData, OpenedModel};
use crate::preset::Preset;

/// Rows of the first batch that are shown.
const SHOWN: usize = 32;

/// The first rows of the first batch, padded to the batch's length. A classifier's rows end with their label.
pub(super) fn first_batch(preset: &Preset, model: &OpenedModel, data: &OpenedData) -> Result<Vec<Vec<TokenSpan>>> {
    let Some(examples) = &data.tokenized else { return Ok(Vec::new()) };
    let lengths = examples.train.lengths();
    let train = &preset.train;
    let drawn = BatchSampler::new(lengths.clone(), train.drawn(), train.seed).epoch(0);
    let Some(rows) = drawn.first().and_then(|drawn| drawn.chunks(train.batch).next()) else { return Ok(Vec::new()) };
    let length = rows.iter().map(|&row| lengths[row]).max().unwrap_or(0);
    let shown = rows.iter().take(SHOWN);
    match (&model.tokenizer, &examples.train, &data.labelled) {
        (ModelTokenizer::Text(tokenizer), _, Some(dataset)) => {
            let padding = tokenizer.token_text(u32::try_from(model.config.pad_token_id()).unwrap_or(0));
            let row = |&row: &usize| {
                let example = &dataset.train[row];
                let mut spans = text_spans(tokenizer, example)?;
                pad(&mut spans, length, &padding);
                spans.push(TokenSpan { role: TokenRole::Label, text: label(&dataset.labels, example) });
                Ok(spans)
            };
            shown.map(row).collect()
        }
        (ModelTokenizer::Prompts(encoder), Tokenized::LanguageModel(sequences), _) => {
            let row = |&row: &usize| {
                let mut spans = sequence_spans(encoder, &sequences[row]);
                pad(&mut spans, length, "");
                Ok(spans)
            };
            shown.map(row).collect()
        }
        _ => Ok(Vec::new()),
    }
}

fn text_spans(tokenizer: &TextTokenizer, example: &Example) -> Result<Vec<TokenSpan>> {
    let span = |token: Token| TokenSpan {
        role: if token.special { TokenRole::Special } else { TokenRole::Context },
        text: token.text,
    };
    Ok(tokenizer.tokens(example)?.into_iter().map(span).collect())
}

fn sequence_spans(encoder: &PromptEncoder, sequence: &Sequence) -> Vec<TokenSpan> {
    let span = |(&id, &in_loss): (&u32, &bool)| {
        let token = encoder.token(id);
        let role = match (in_loss, token.special) {
            (true, _) => TokenRole::Loss,
            (false, true) => TokenRole::Special,
            (false, false) => TokenRole::Context,
        };
        TokenSpan { text: token.text, role }
    };
    sequence.ids.iter().zip(&sequence.loss_mask).map(span).collect()
}

fn pad(spans: &mut Vec<TokenSpan>, length: usize, padding: &str) {
    spans.resize(length.max(spans.len()), TokenSpan { text: padding.to_owned(), role: TokenRole::Padding });
}

fn label(labels: &LabelSet, example: &Example) -> String {
    match (labels, example.label) {
        (LabelSet::Classes(classes), Label::Class(class)) => {
            classes.names.get(class as usize).cloned().unwrap_or_default()
        }
        (_, Label::Class(class)) => class.to_string(),
        (_, Label::Score(score)) => score.to_string(),
    }
}
