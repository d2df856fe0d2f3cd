//! Examples become tokens with a loss mask, by the tokenizer and chat template of the model's folder.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use rayon::prelude::*;
use tokenizers::Tokenizer;

use super::encoded::{EncodeError, EncodedExample, EncodedPrompts};
use super::fault::RowFault;
use super::fitting::{fitted, unwritten};
use super::loss_spans::render_chat;
use super::render::{RenderedText, alpaca_prompt, render_plain};
use super::special::SpecialTokens;
use super::template::{ChatTemplate, TemplateError};
use super::truncate::{MaskedTokens, Truncation, without_oldest_turn};
use super::{Conversation, InstructionExample, InstructionFormat, InstructionRow, Message};
use crate::Usage;
use crate::data::guard::guarded;
use crate::data::records::shortened;
use crate::data::tokenize::{FoundTokenizer, open_tokenizer, token_text};
use crate::data::{Sequence, Token};
use crate::protocol::Progress;

/// Examples per progress report.
const CHUNK: usize = 1024;

/// Encodes examples and prompts for one model.
pub struct PromptEncoder {
    path: PathBuf,
    tokenizer: Tokenizer,
    format: InstructionFormat,
    template: Option<ChatTemplate>,
    /// Prepended to texts that no chat template renders.
    bos: Option<u32>,
    eos: u32,
    stop_ids: Vec<i64>,
    /// Texts of the special tokens.
    special: Vec<String>,
    max_length: usize,
    note: Option<String>,
}

impl PromptEncoder {
    /// Opens a model's folder for examples of `format`, truncated to `max_length` tokens.
    ///
    /// # Errors
    /// [`Usage`]: a missing or malformed tokenizer.json, no chat template for a format of conversations, no EOS token.
    pub fn open(folder: &Path, format: InstructionFormat, max_length: usize) -> Result<PromptEncoder> {
        let FoundTokenizer { path, mut tokenizer, note, .. } = open_tokenizer(folder)?;
        tokenizer.with_padding(None);
        guarded(&path, "cannot truncate", || tokenizer.with_truncation(None).map(|_| ()))?;
        if max_length < 2 {
            bail!(Usage(format!("max_length is {max_length}; a language model needs at least 2 tokens per example")));
        }
        let special = SpecialTokens::read(folder)?;
        let template = ChatTemplate::open(folder, &special)?;
        if format.is_chat() && template.is_none() {
            bail!(Usage(no_template(folder)));
        }
        let id = |name: &str| special.text(name).and_then(|text| tokenizer.token_to_id(text));
        let Some(eos) = id("eos_token").or(special.eos_ids.first().copied()) else {
            bail!(Usage(format!("{}: unknown EOS token; set eos_token in tokenizer_config.json", folder.display())));
        };
        // As in transformers 5, tokenizer.json decides about BOS, not add_bos_token of tokenizer_config.json.
        let added = guarded(&path, "cannot tokenize", || tokenizer.encode("", true))?.get_ids().first().copied();
        let bos = added.filter(|added| id("bos_token").is_none_or(|bos| bos == *added));
        let stop_ids = std::iter::once(eos).chain(special.eos_ids.iter().copied()).map(i64::from).collect();
        let decoder = tokenizer.get_added_tokens_decoder();
        let special = decoder.values().filter(|token| token.special).map(|token| token.content.clone()).collect();
        Ok(PromptEncoder { path, tokenizer, format, template, bos, eos, stop_ids, special, max_length, note })
    }

    /// Whether a prompt is the whole conversation, rendered by the chat template; else it is the last message alone.
    pub fn renders_conversations(&self) -> bool {
        self.format.is_chat() && self.template.is_some()
    }

    /// Max length of an example in tokens.
    pub fn max_length(&self) -> usize {
        self.max_length
    }

    /// With another limit on the length, at least 2.
    pub fn with_max_length(self, max_length: usize) -> PromptEncoder {
        PromptEncoder { max_length, ..self }
    }

    /// What was understood of the folder's files, if the tokenizer is made of vocabulary files.
    pub fn note(&self) -> Option<&str> {
        self.note.as_deref()
    }

    /// Checks the tokenizer against the rows of a model's embedding.
    ///
    /// # Errors
    /// [`Usage`]: the tokenizer has a token id that the model lacks.
    pub fn check_vocab_size(&self, vocab_size: i64) -> Result<()> {
        match self.tokenizer.get_vocab(true).into_iter().max_by_key(|(_, id)| *id) {
            Some((token, id)) if i64::from(id) >= vocab_size => bail!(Usage(format!(
                "{}: token {} has the id {id}, but the model's vocab_size is {vocab_size}; use the tokenizer of this model",
                self.path.display(),
                shortened(&token)
            ))),
            _ => Ok(()),
        }
    }

    /// Ids of the tokens that end a generation.
    pub fn stop_ids(&self) -> &[i64] {
        &self.stop_ids
    }

    /// Tokenizes examples on all cores; `name` ("train") is for the progress. An example that has no loss mask is left out.
    ///
    /// # Errors
    /// [`Usage`]: the chat template uses what does not exist, conversations without a chat template, or the tokenizer fails
    /// on a text.
    pub fn encode(&self, name: &str, rows: &[InstructionRow], progress: &dyn Fn(Progress)) -> Result<EncodedPrompts> {
        let mut all = EncodedPrompts::default();
        let mut done = 0;
        for chunk in rows.chunks(CHUNK) {
            let encoded = chunk.par_iter().map(|row| self.encode_one(&row.example)).collect::<Vec<_>>();
            for (number, (row, encoded)) in (done..).zip(chunk.iter().zip(encoded)) {
                match encoded {
                    Ok(example) => all.add(example),
                    Err(EncodeError::Row(RowFault::Template(TemplateError::Unsupported(what)))) => {
                        bail!(Usage(format!("{}: chat template: {what}", self.path.with_file_name("").display())))
                    }
                    Err(EncodeError::Row(fault)) => all.left_out.push((number, fault)),
                    Err(EncodeError::Other(error)) => {
                        bail!(Usage(format!("{}:{}: {error}", row.file.display(), row.line)))
                    }
                }
            }
            done += chunk.len();
            progress(Progress {
                task: format!("tokenizing {name}"),
                done: done as u64,
                total: rows.len() as u64,
                unit: "examples".into(),
            });
        }
        Ok(all)
    }

    /// Token ids of a prompt: the messages followed by the generation prompt. Formats without conversations take the last
    /// message alone.
    ///
    /// # Errors
    /// [`Usage`], as [`PromptEncoder::encode`]; also an empty prompt.
    pub fn prompt_ids(&self, messages: &[Message]) -> Result<Vec<i64>> {
        let last = messages.last().map_or("", Message::text);
        let (text, prepend_bos) = match (&self.template, self.format) {
            (Some(template), format) if format.is_chat() => {
                let conversation = Conversation { messages: messages.to_vec(), tools: None };
                (template.render(&conversation, true).map_err(|error| Usage(error.to_string()))?, false)
            }
            (_, InstructionFormat::Alpaca) => (alpaca_prompt(last, ""), true),
            _ => (last.to_owned(), true),
        };
        let prompt = RenderedText { text, loss_spans: Vec::new(), append_eos: false, prepend_bos };
        let ids = self.tokenize(&prompt)?.ids;
        if ids.is_empty() {
            bail!(Usage("the prompt is empty; give at least one token".into()));
        }
        Ok(ids.into_iter().map(i64::from).collect())
    }

    /// A prompt and a completion without EOS. The completion's tokens are in the loss mask.
    ///
    /// # Errors
    /// [`Usage`]: the tokenizer fails on the text.
    pub fn completion(&self, prompt: &str, completion: &str) -> Result<Sequence> {
        let example =
            InstructionExample::PromptCompletion { prompt: prompt.to_owned(), completion: completion.to_owned() };
        let MaskedTokens { ids, loss_mask } =
            self.tokenize(&RenderedText { append_eos: false, ..render_plain(&example) })?;
        Ok(Sequence { ids, loss_mask, starts: vec![0] })
    }

    /// Tokens as text, special tokens skipped.
    ///
    /// # Errors
    /// [`Usage`]: the tokenizer fails on them.
    pub fn decode(&self, ids: &[i64]) -> Result<String> {
        let ids: Vec<u32> = ids.iter().filter_map(|&id| u32::try_from(id).ok()).collect();
        guarded(&self.path, "cannot decode tokens", || self.tokenizer.decode(&ids, true))
    }

    /// A token as text, for display.
    pub fn token(&self, id: u32) -> Token {
        let special = self.tokenizer.id_to_token(id).is_some_and(|token| self.special.contains(&token));
        Token { text: token_text(&self.tokenizer, id), special }
    }

    fn encode_one(&self, example: &InstructionExample) -> Result<EncodedExample, EncodeError> {
        match (example, &self.template) {
            (InstructionExample::Conversation(conversation), Some(template)) => {
                self.encode_chat(fitted(conversation, template)?, template)
            }
            (InstructionExample::Conversation(_), None) => {
                Err(Usage(no_template(self.path.parent().unwrap_or(&self.path))))?
            }
            (InstructionExample::Text(_), _) => match self.tokenize(&render_plain(example))?.windows(self.max_length) {
                sequences if sequences.is_empty() => Err(RowFault::NoLossTokens)?,
                sequences => Ok(EncodedExample { sequences, ..EncodedExample::default() }),
            },
            (InstructionExample::PromptCompletion { .. }, _) => {
                let tokens = self.tokenize(&render_plain(example))?;
                let (sequence, truncation) = tokens.truncated(self.max_length, self.bos)?;
                Ok(EncodedExample { sequences: vec![sequence], truncation, ..EncodedExample::default() })
            }
        }
    }

    /// A conversation that is too long loses its oldest turns until it fits.
    fn encode_chat(
        &self,
        mut conversation: Conversation,
        template: &ChatTemplate,
    ) -> Result<EncodedExample, EncodeError> {
        let (rendered, mask) = render_chat(template, &conversation, &self.special)?;
        let whole = self.tokenize(&rendered)?;
        let mut example = EncodedExample {
            mask: Some(mask),
            unwritten: unwritten(&conversation, template, &rendered.text),
            ..EncodedExample::default()
        };
        let mut tokens = None;
        while tokens.as_ref().unwrap_or(&whole).len() > self.max_length
            && self.drop_turns(&mut conversation, template)?
        {
            tokens = Some(self.tokenize(&render_chat(template, &conversation, &self.special)?.0)?);
            example.truncation = Some(Truncation::OldestTurns);
        }
        let kept = tokens.map(|tokens| tokens.truncated(self.max_length, self.bos));
        let (sequence, truncation) = match kept {
            Some(Ok(kept)) => kept,
            // The last prompt alone is too long: answers before it may fit.
            None | Some(Err(_)) => whole.truncated(self.max_length, self.bos)?,
        };
        example.sequences.push(sequence);
        example.truncation = truncation.or(example.truncation);
        Ok(example)
    }

    /// Drops the oldest turns of a conversation until its text fits, or only the last turn is left. `false` if it is already.
    fn drop_turns(&self, conversation: &mut Conversation, template: &ChatTemplate) -> Result<bool, EncodeError> {
        let mut dropped = false;
        while let Some(fewer) = without_oldest_turn(&conversation.messages) {
            conversation.messages = fewer;
            dropped = true;
            let text = template.render(conversation, false)?;
            let rendered = RenderedText { text, loss_spans: Vec::new(), append_eos: false, prepend_bos: false };
            if self.tokenize(&rendered)?.len() <= self.max_length {
                break;
            }
        }
        Ok(dropped)
    }

    /// Prompt and completion are tokenized as one text. A token is in the loss mask if any part of it is in a loss span.
    fn tokenize(&self, rendered: &RenderedText) -> Result<MaskedTokens> {
        let encoding = guarded(&self.path, "cannot tokenize", || self.tokenizer.encode(rendered.text.as_str(), false))?;
        let mut ids = encoding.get_ids().to_vec();
        let mut spans = rendered.loss_spans.iter().peekable();
        let mut loss_mask: Vec<bool> = encoding
            .get_offsets()
            .iter()
            .map(|&(start, end)| {
                // Tokens and spans are both in order.
                while spans.next_if(|span| span.end <= start).is_some() {}
                spans.peek().is_some_and(|span| span.start < end && start < span.end)
            })
            .collect();
        if let Some(bos) = self.bos.filter(|bos| rendered.prepend_bos && ids.first() != Some(bos)) {
            ids.insert(0, bos);
            loss_mask.insert(0, false);
        }
        if rendered.append_eos && ids.last() != Some(&self.eos) {
            ids.push(self.eos);
            loss_mask.push(true);
        }
        // Nothing precedes the first token that could predict it.
        if let Some(first) = loss_mask.first_mut() {
            *first = false;
        }
        Ok(MaskedTokens { ids, loss_mask })
    }
}

fn no_template(folder: &Path) -> String {
    format!(
        "{}: no chat template, neither chat_template.jinja nor in tokenizer_config.json; conversations need one: choose a \
         chat model, or another data.format",
        folder.display()
    )
}
