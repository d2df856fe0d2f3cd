//! Dialogues become tokens, by a model folder's own tokenizer and chat template.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use rayon::prelude::*;
use tokenizers::Tokenizer;

use super::render::{Passage, alpaca_prompt, chat, plain};
use super::special::Special;
use super::template::ChatTemplate;
use super::{Dialogue, InstructionFormat, Message};
use crate::Usage;
use crate::data::records::shortened;
use crate::data::tokenize::{guarded, open_tokenizer, shown};
use crate::data::{Sequence, Token};
use crate::protocol::Progress;

/// Dialogues tokenized between two reports of progress.
const CHUNK: usize = 1024;

/// How a format's examples become tokens.
pub struct PromptEncoder {
    path: PathBuf,
    tokenizer: Tokenizer,
    format: InstructionFormat,
    template: Option<ChatTemplate>,
    /// Put before a text that no template writes.
    bos: Option<u32>,
    eos: u32,
    /// Ids that end a text.
    stop: Vec<i64>,
    /// Texts of the special tokens.
    special: Vec<String>,
    max_length: usize,
}

/// Tokenized dialogues.
pub struct EncodedPrompts {
    /// Each with something to learn.
    pub sequences: Vec<Sequence>,
    /// Dialogues that were cut to the longest allowed.
    pub cut: usize,
    /// Dialogues of which nothing to learn was left.
    pub dropped: usize,
}

impl PromptEncoder {
    /// Opens a model's folder for examples of a format, of `max_length` tokens at most.
    ///
    /// # Errors
    /// [`Usage`]: no tokenizer.json or a malformed one, no chat template where the format needs one, no token that ends a
    /// text.
    pub fn open(folder: &Path, format: InstructionFormat, max_length: usize) -> Result<PromptEncoder> {
        let (path, mut tokenizer, _) = open_tokenizer(folder)?;
        tokenizer.with_padding(None);
        guarded(&path, "cannot truncate", || tokenizer.with_truncation(None).map(|_| ()))?;
        if max_length < 2 {
            bail!(Usage(format!("max_length {max_length} leaves nothing to follow anything; give 2 at least")));
        }
        let special = Special::read(folder)?;
        let template = ChatTemplate::open(folder, &special)?;
        if format.is_chat() && template.is_none() {
            bail!(Usage(format!(
                "{}: no chat template, neither chat_template.jinja nor in tokenizer_config.json; conversations need one",
                folder.display()
            )));
        }
        let id = |name: &str| special.text(name).and_then(|text| tokenizer.token_to_id(text));
        let Some(eos) = id("eos_token").or(special.eos_ids.first().copied()) else {
            bail!(Usage(format!(
                "{}: nothing says which token ends a text; expected eos_token in tokenizer_config.json",
                folder.display()
            )));
        };
        // What tokenizer.json does counts, as in transformers 5, and not add_bos_token beside it.
        let added = guarded(&path, "cannot tokenize", || tokenizer.encode("", true))?.get_ids().first().copied();
        let bos = added.filter(|added| id("bos_token").is_none_or(|bos| bos == *added));
        let stop = std::iter::once(eos).chain(special.eos_ids.iter().copied()).map(i64::from).collect();
        let decoder = tokenizer.get_added_tokens_decoder();
        let special = decoder.values().filter(|token| token.special).map(|token| token.content.clone()).collect();
        Ok(PromptEncoder { path, tokenizer, format, template, bos, eos, stop, special, max_length })
    }

    /// The same for examples of another length at most; at least 2.
    pub fn with_max_length(self, max_length: usize) -> PromptEncoder {
        PromptEncoder { max_length, ..self }
    }

    /// Whether a model with a table of so many rows knows all its tokens.
    ///
    /// # Errors
    /// [`Usage`]: it does not.
    pub fn fits(&self, rows: i64) -> Result<()> {
        match self.tokenizer.get_vocab(true).into_iter().max_by_key(|(_, id)| *id) {
            Some((token, id)) if i64::from(id) >= rows => bail!(Usage(format!(
                "{}: token {} has the id {id}, the model only {rows} of them; they do not belong together",
                self.path.display(),
                shortened(&token)
            ))),
            _ => Ok(()),
        }
    }

    /// Ids that end a text.
    pub fn stop(&self) -> &[i64] {
        &self.stop
    }

    /// Tokenizes dialogues on all cores; `name` ("train") is for the progress.
    ///
    /// # Errors
    /// [`Usage`]: a conversation that the chat template refuses, a text that the tokenizer fails on.
    pub fn encode(&self, name: &str, dialogues: &[Dialogue], progress: &dyn Fn(Progress)) -> Result<EncodedPrompts> {
        let mut phrased = EncodedPrompts { sequences: Vec::new(), cut: 0, dropped: 0 };
        let mut done = 0;
        for chunk in dialogues.chunks(CHUNK) {
            let encoded = chunk.par_iter().map(|dialogue| self.encode_one(dialogue)).collect::<Vec<_>>();
            for (dialogue, encoded) in chunk.iter().zip(encoded) {
                let (sequences, cut) = encoded.map_err(|complaint| {
                    Usage(format!("{name}: the example \"{}\": {complaint}", shortened(dialogue.beginning())))
                })?;
                phrased.cut += usize::from(cut);
                phrased.dropped += usize::from(sequences.is_empty());
                phrased.sequences.extend(sequences);
            }
            done += chunk.len();
            progress(Progress {
                task: format!("tokenizing {name}"),
                done: done as u64,
                total: dialogues.len() as u64,
                unit: "examples".into(),
            });
        }
        Ok(phrased)
    }

    /// The tokens after which the model is to answer the last of the messages. A format without conversations takes that
    /// one alone.
    ///
    /// # Errors
    /// [`Usage`], as [`PromptEncoder::encode`].
    pub fn question(&self, messages: &[Message]) -> Result<Vec<i64>> {
        let last = messages.last().map_or("", |message| message.content.as_str());
        let (text, begins) = match (&self.template, self.format) {
            (Some(template), format) if format.is_chat() => (template.render(messages, true).map_err(Usage)?, false),
            (_, InstructionFormat::Alpaca) => (alpaca_prompt(last, ""), true),
            _ => (last.to_owned(), true),
        };
        let passage = Passage { text, learnt: Vec::new(), ends: false, begins };
        let ids = self.tokens(&passage).map_err(Usage)?.0;
        if ids.is_empty() {
            bail!(Usage("an empty text has nothing to go on from".into()));
        }
        Ok(ids.into_iter().map(i64::from).collect())
    }

    /// A prompt and what may follow it, which alone is marked as learnt; EOS is not added.
    ///
    /// # Errors
    /// [`Usage`]: the tokenizer fails on it.
    pub fn continued(&self, prompt: &str, text: &str) -> Result<Sequence> {
        let dialogue = Dialogue::Prompted { prompt: prompt.to_owned(), response: text.to_owned() };
        let passage = Passage { ends: false, ..plain(&dialogue) };
        let (ids, learnt) = self.tokens(&passage).map_err(Usage)?;
        Ok(Sequence { ids, learnt, starts: vec![0] })
    }

    /// Tokens as text, without special ones.
    ///
    /// # Errors
    /// [`Usage`]: the tokenizer fails on them.
    pub fn text(&self, ids: &[i64]) -> Result<String> {
        let ids: Vec<u32> = ids.iter().filter_map(|&id| u32::try_from(id).ok()).collect();
        guarded(&self.path, "cannot write tokens out", || self.tokenizer.decode(&ids, true))
    }

    /// A token as it can be shown.
    pub fn shown(&self, id: u32) -> Token {
        let special = self.tokenizer.id_to_token(id).is_some_and(|token| self.special.contains(&token));
        Token { text: shown(&self.tokenizer, id), special }
    }

    /// The sequences of a dialogue, and whether something of it was cut off.
    fn encode_one(&self, dialogue: &Dialogue) -> Result<(Vec<Sequence>, bool), String> {
        match (dialogue, &self.template) {
            (Dialogue::Chat(messages), Some(template)) => {
                let mut messages = messages.clone();
                let mut cut = false;
                loop {
                    let passage = chat(template, &messages, &self.special)?;
                    let (ids, learnt) = self.tokens(&passage)?;
                    match without_oldest(&messages) {
                        Some(fewer) if ids.len() > self.max_length => messages = fewer,
                        _ => {
                            let (sequence, shorter) = self.cut(ids, learnt);
                            return Ok((sequence.into_iter().collect(), cut | shorter));
                        }
                    }
                    cut = true;
                }
            }
            (Dialogue::Text(_), _) => {
                let (ids, learnt) = self.tokens(&plain(dialogue))?;
                Ok((windows(&ids, &learnt, self.max_length), false))
            }
            _ => {
                let (ids, learnt) = self.tokens(&plain(dialogue))?;
                let (sequence, cut) = self.cut(ids, learnt);
                Ok((sequence.into_iter().collect(), cut))
            }
        }
    }

    /// Ids, and which of them are to be learnt: those with a part of what is. The prompt and the answer are tokenized
    /// together, so that what is learnt is what follows the prompt in one text.
    fn tokens(&self, passage: &Passage) -> Result<(Vec<u32>, Vec<bool>), String> {
        let encoding = guarded(&self.path, "cannot tokenize", || self.tokenizer.encode(passage.text.as_str(), false))
            .map_err(|error| error.to_string())?;
        let mut ids = encoding.get_ids().to_vec();
        let mut parts = passage.learnt.iter().peekable();
        let mut learnt: Vec<bool> = encoding
            .get_offsets()
            .iter()
            .map(|&(start, end)| {
                // Both go from left to right.
                while parts.next_if(|part| part.end <= start).is_some() {}
                parts.peek().is_some_and(|part| part.start < end && start < part.end)
            })
            .collect();
        if let Some(bos) = self.bos.filter(|bos| passage.begins && ids.first() != Some(bos)) {
            ids.insert(0, bos);
            learnt.insert(0, false);
        }
        if passage.ends && ids.last() != Some(&self.eos) {
            ids.push(self.eos);
            learnt.push(true);
        }
        if let Some(first) = learnt.first_mut() {
            *first = false;
        }
        Ok((ids, learnt))
    }

    /// Shortens a sequence to the longest allowed: the prompt loses its beginning, BOS excepted, so that the last answer
    /// stays. One that is too long by itself loses its end, and has a quarter of the room for its prompt.
    fn cut(&self, mut ids: Vec<u32>, mut learnt: Vec<bool>) -> (Option<Sequence>, bool) {
        let too_long = ids.len() > self.max_length;
        if too_long {
            let end = learnt.iter().rposition(|&learnt| learnt).map_or(0, |last| last + 1);
            let start = learnt[..end].iter().rposition(|&learnt| !learnt).map_or(0, |before| before + 1);
            let answer = end - start;
            let room = if answer < self.max_length { self.max_length - answer } else { self.max_length / 4 };
            let kept = room.max(1).min(start);
            let begin = usize::from(kept > 1 && self.bos == ids.first().copied());
            let tail = start + answer.min(self.max_length - kept);
            let keep = |place: usize| place < begin || (start - (kept - begin)..tail).contains(&place);
            let mut place = 0..;
            ids.retain(|_| place.next().is_some_and(keep));
            let mut place = 0..;
            learnt.retain(|_| place.next().is_some_and(keep));
            if let Some(first) = learnt.first_mut() {
                *first = false;
            }
        }
        let teaches = learnt.contains(&true);
        (teaches.then(|| Sequence { ids, learnt, starts: vec![0] }), too_long)
    }
}

/// A conversation without its oldest question and what answered it; `None` where only one question is left.
fn without_oldest(messages: &[Message]) -> Option<Vec<Message>> {
    let first = messages.iter().position(|message| message.role != "system")?;
    let next = first + 1 + messages[first + 1..].iter().position(|message| message.role == "user")?;
    Some(messages[..first].iter().chain(&messages[next..]).cloned().collect())
}

/// A long text in parts. Each begins with the token that the one before ended with, so that every token is learnt once.
fn windows(ids: &[u32], learnt: &[bool], max_length: usize) -> Vec<Sequence> {
    let mut windows = Vec::new();
    let mut start = 0;
    while start + 1 < ids.len() {
        let end = (start + max_length).min(ids.len());
        let mut learnt = learnt[start..end].to_vec();
        learnt[0] = false;
        windows.push(Sequence { ids: ids[start..end].to_vec(), learnt, starts: vec![0] });
        start = end - 1;
    }
    windows
}
