//! Completions of the language model under training, between steps.

use anyhow::{Result, bail};

use crate::Usage;
use crate::data::instruct::{Message, PromptEncoder};
use crate::model::{Generator, Network, Sampling};

/// Generates completions of prompts.
pub struct SampleGenerator {
    pub encoder: PromptEncoder,
    pub sampling: Sampling,
    /// Tokens of a completion at most.
    pub tokens: usize,
    /// The prompts of every evaluation.
    pub prompts: Vec<String>,
}

impl SampleGenerator {
    /// The completion of a prompt. `None` if `proceed` returns false before it is complete, or if the network is a
    /// classifier.
    ///
    /// # Errors
    /// [`Usage`]: a prompt that the tokenizer or the chat template refuses, or that is too long for the model.
    pub fn complete(
        &self,
        network: &Network,
        prompt: &str,
        mut proceed: impl FnMut() -> bool,
    ) -> Result<Option<String>> {
        let Some(decoder) = network.decoder() else { return Ok(None) };
        let ids = self.encoder.prompt_ids(&[Message::plain("user", prompt.to_owned())])?;
        let room = usize::try_from(decoder.config().max_tokens()).unwrap_or(0).saturating_sub(ids.len());
        if room == 0 {
            bail!(Usage(format!(
                "the prompt has {} tokens, which leaves no position for a completion; shorten it",
                ids.len()
            )));
        }
        let mut completion = Vec::new();
        for token in Generator::new(decoder, &ids, self.tokens.min(room), self.encoder.stop_ids(), &self.sampling) {
            if !proceed() {
                return Ok(None);
            }
            completion.push(token);
        }
        Ok(Some(self.encoder.decode(&completion)?))
    }
}
