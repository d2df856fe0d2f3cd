//! Has the language model under training answer a prompt, between steps.

use anyhow::Result;

use crate::data::instruct::{Message, Phrasing};
use crate::model::{Network, Sampling, Writer};

/// Asks, and writes down the answer.
pub struct Speaker {
    /// Makes tokens of prompts and text of answers.
    pub phrasing: Phrasing,
    /// How tokens are chosen.
    pub sampling: Sampling,
    /// Tokens of an answer at most.
    pub tokens: usize,
    /// What is asked at every evaluation.
    pub prompts: Vec<String>,
}

impl Speaker {
    /// The network's answer to a prompt; nothing if `go_on` says to stop before it is complete, and nothing from a network
    /// that does not write.
    ///
    /// # Errors
    /// [`Usage`](crate::Usage): a prompt that the tokenizer or the chat template refuses.
    pub fn answer(&self, network: &Network, prompt: &str, mut go_on: impl FnMut() -> bool) -> Result<Option<String>> {
        let Some(decoder) = network.decoder() else { return Ok(None) };
        let question = self.phrasing.question(&[Message::plain("user", prompt.to_owned())])?;
        let mut ids = Vec::new();
        for token in Writer::new(decoder, &question, self.tokens, self.phrasing.stop(), &self.sampling) {
            if !go_on() {
                return Ok(None);
            }
            ids.push(token);
        }
        Ok(Some(self.phrasing.text(&ids)?))
    }
}
