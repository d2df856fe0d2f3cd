//! One completion of a conversation, by the fine-tuned or the base weights of the model in memory.

use std::time::Instant;

use anyhow::{Result, bail};

use super::model::LoadedChatModel;
use super::request::{Completion, CompletionEnd, Rate, Settings, Weights};
use crate::Usage;
use crate::data::instruct::Message;
use crate::model::{Generator, Sampling};

/// A conversation as token ids.
pub struct EncodedChat {
    pub ids: Vec<i64>,
    /// Messages at its start that left no room for the completion.
    pub dropped: usize,
}

impl LoadedChatModel {
    /// The conversation as token ids. Drops the oldest turns that leave no room for the completion.
    ///
    /// # Errors
    /// [`Usage`]: a prompt too long for the model, or one that the chat template rejects.
    pub fn encode(&self, messages: &[Message], max_new_tokens: usize) -> Result<EncodedChat> {
        let mut messages = messages.to_vec();
        let mut dropped = 0;
        loop {
            let ids = self.encoder.prompt_ids(&messages)?;
            if ids.len() + max_new_tokens <= self.max_length() {
                return Ok(EncodedChat { ids, dropped });
            }
            let first = messages.iter().position(|message| message.role != "system").unwrap_or(0);
            if messages.len() < first + 3 {
                bail!(Usage(format!(
                    "the prompt has {} tokens, which with {max_new_tokens} new tokens exceeds the model's {} positions",
                    ids.len(),
                    self.max_length()
                )));
            }
            messages.drain(first..first + 2);
            dropped += 2;
        }
    }

    /// Generates a completion of an encoded conversation. `on_text` receives the text of each token, empty while a character
    /// is incomplete, and returns whether to continue.
    ///
    /// # Errors
    /// [`Usage`]: the tokenizer fails on the tokens.
    pub fn complete(
        &mut self,
        prompt: &[i64],
        weights: Weights,
        settings: &Settings,
        on_text: &mut dyn FnMut(&str, Rate) -> bool,
    ) -> Result<Completion> {
        self.exchange(weights);
        let completion = self.generate(prompt, settings, on_text);
        self.exchange(weights);
        completion
    }

    /// Swaps the base weights in, and out again the second time.
    fn exchange(&mut self, weights: Weights) {
        if let (Weights::Base, Some(delta)) = (weights, &mut self.delta) {
            delta.exchange(&self.network);
        }
    }

    fn generate(
        &self,
        prompt: &[i64],
        settings: &Settings,
        on_text: &mut dyn FnMut(&str, Rate) -> bool,
    ) -> Result<Completion> {
        let Some(decoder) = self.network.decoder() else { bail!(Usage("an encoder generates no text".into())) };
        let &Settings { temperature, top_k, top_p, max_new_tokens, seed } = settings;
        let sampling = Sampling { temperature, top_k, top_p, seed };
        let (mut ids, mut shown, mut rate, mut first) = (Vec::new(), 0, Rate::default(), None);
        let mut end = None;
        for token in Generator::new(decoder, prompt, max_new_tokens, self.encoder.stop_ids(), &sampling) {
            ids.push(token);
            let first = *first.get_or_insert_with(Instant::now);
            rate = Rate { tokens: ids.len(), seconds: first.elapsed().as_secs_f64() };
            let text = self.encoder.decode(&ids)?;
            // A character can span several tokens.
            let piece = if text.ends_with('\u{fffd}') { "" } else { text.get(shown..).unwrap_or_default() };
            if !on_text(piece, rate) {
                end = Some(CompletionEnd::Stopped);
                break;
            }
            if !text.ends_with('\u{fffd}') {
                shown = text.len();
            }
        }
        let whole = if ids.len() == max_new_tokens { CompletionEnd::MaxNewTokens } else { CompletionEnd::StopToken };
        Ok(Completion { text: self.encoder.decode(&ids)?, rate, end: end.unwrap_or(whole) })
    }
}
