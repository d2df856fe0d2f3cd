//! A prompt and its answers, as they come.

use crate::chat::{Completion, CompletionEnd, Rate, Weights};

/// A prompt, the answer of the model, and of its base model if it was asked for.
#[derive(Clone, Debug, PartialEq)]
pub struct Exchange {
    pub prompt: String,
    pub answer: Answer,
    pub base: Option<Answer>,
    /// The system prompt that the answers are given.
    pub system: Option<String>,
    /// Both answers are drawn with it, and differ for their weights alone.
    pub seed: u64,
}

/// An answer.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Answer {
    /// As generated; it may hold control characters.
    pub text: String,
    pub rate: Rate,
    pub state: AnswerState,
}

/// How far an answer is.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum AnswerState {
    /// The prompt is read.
    #[default]
    Waiting,
    Streaming,
    Ended(CompletionEnd),
    Failed(String),
}

impl Exchange {
    pub fn new(prompt: String, system: Option<String>, seed: u64) -> Exchange {
        Exchange { prompt, answer: Answer::default(), base: None, system, seed }
    }

    /// The answer that these weights generate.
    pub fn answer_of(&mut self, weights: Weights) -> &mut Answer {
        match weights {
            Weights::FineTuned => &mut self.answer,
            Weights::Base => self.base.get_or_insert_default(),
        }
    }

    /// Whether it is part of the conversation: a prompt that the model could not answer is not.
    pub fn counts(&self) -> bool {
        !matches!(self.answer.state, AnswerState::Failed(_))
    }
}

impl Answer {
    pub fn push(&mut self, text: &str, rate: Rate) {
        self.text.push_str(text);
        (self.rate, self.state) = (rate, AnswerState::Streaming);
    }

    pub fn end(&mut self, completion: Completion) {
        let Completion { text, rate, end } = completion;
        *self = Answer { text, rate, state: AnswerState::Ended(end) };
    }
}
