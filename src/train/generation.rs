//! Has the language model under training answer a prompt, between steps.

use anyhow::{Result, bail};

use crate::Usage;
use crate::data::instruct::{Message, PromptEncoder};
use crate::model::{Generator, Network, Sampling};

/// Asks, and writes down the answer.
pub struct SampleGenerator {
    /// Makes tokens of prompts and text of answers.
    pub phrasing: PromptEncoder,
    /// How tokens are chosen.
    pub sampling: Sampling,
    /// Tokens of an answer at most.
    pub tokens: usize,
    /// What is asked at every evaluation.
    pub prompts: Vec<String>,
}

impl SampleGenerator {
    /// The network's answer to a prompt; nothing if `go_on` says to stop before it is complete, and nothing from a network
    /// that does not write.
    ///
    /// # Errors
    /// [`Usage`]: a prompt that the tokenizer or the chat template refuses, or that is too long for the model.
    pub fn answer(&self, network: &Network, prompt: &str, mut go_on: impl FnMut() -> bool) -> Result<Option<String>> {
        let Some(decoder) = network.decoder() else { return Ok(None) };
        let question = self.phrasing.question(&[Message::plain("user", prompt.to_owned())])?;
        let room = usize::try_from(decoder.config().max_tokens()).unwrap_or(0).saturating_sub(question.len());
        if room == 0 {
            bail!(Usage(format!(
                "the prompt has {} tokens, and the model no place left for an answer",
                question.len()
            )));
        }
        let mut ids = Vec::new();
        for token in Generator::new(decoder, &question, self.tokens.min(room), self.phrasing.stop(), &self.sampling) {
            if !go_on() {
                return Ok(None);
            }
            ids.push(token);
        }
        Ok(Some(self.phrasing.text(&ids)?))
    }
}
