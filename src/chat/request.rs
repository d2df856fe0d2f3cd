//! What a front end asks a loaded language model for, and what comes back. Plain data, without libtorch.

use std::path::PathBuf;

use crate::data::instruct::Message;
use crate::protocol::Progress;

/// Which weights generate a completion.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weights {
    /// The run's checkpoint, or the model as loaded where there is no run.
    FineTuned,
    /// The pre-trained weights.
    Base,
}

/// How a completion is generated, by the names of `generate` in transformers.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// 0 is greedy: the most likely token each time.
    pub temperature: f64,
    /// Only this many of the most likely tokens may be drawn; 0 for any.
    pub top_k: usize,
    /// Only the most likely tokens whose probabilities add up to this may be drawn; 1 for any.
    pub top_p: f64,
    /// Tokens of a completion at most.
    pub max_new_tokens: usize,
    /// Seed of the draws.
    pub seed: u64,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings { temperature: 0.7, top_k: 0, top_p: 0.9, max_new_tokens: 256, seed: 42 }
    }
}

/// A request for one completion.
#[derive(Clone, Debug, PartialEq)]
pub struct ChatRequest {
    /// Its replies carry the same number. Later requests have larger numbers.
    pub number: u64,
    pub weights: Weights,
    /// The conversation, up to the message to answer.
    pub messages: Vec<Message>,
    pub settings: Settings,
}

/// A loaded model.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Loaded {
    /// Hub id or folder of the base model.
    pub model: String,
    /// The run folder, if a run was loaded.
    pub run: Option<PathBuf>,
    /// Optimizer steps of the run's checkpoint.
    pub step: Option<u64>,
    /// Tokens of prompt and completion at most.
    pub max_length: usize,
    /// Whether the model sees the whole conversation; else the last message alone, and no system prompt.
    pub conversations: bool,
    /// Damaged checkpoints that were skipped, and a run that is still training.
    pub warnings: Vec<String>,
}

/// How fast tokens come.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Rate {
    /// Tokens generated so far.
    pub tokens: usize,
    /// Seconds from the first token to the latest: reading the prompt does not count.
    pub seconds: f64,
}

impl Rate {
    /// Tokens per second; `None` before the second token.
    pub fn per_second(self) -> Option<f64> {
        (self.tokens > 1 && self.seconds > 0.0).then(|| (self.tokens - 1) as f64 / self.seconds)
    }
}

/// A finished completion.
#[derive(Clone, Debug, PartialEq)]
pub struct Completion {
    /// All of it, also what was held back as an incomplete character.
    pub text: String,
    pub rate: Rate,
    pub end: CompletionEnd,
}

/// Why a completion ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CompletionEnd {
    /// The model generated a stop token.
    StopToken,
    /// It has as many tokens as were allowed.
    MaxNewTokens,
    /// The user stopped it.
    Stopped,
}

/// What comes back.
#[derive(Clone, Debug, PartialEq)]
pub enum ChatReply {
    /// The memory that the model takes, in bytes, before it is loaded.
    Memory {
        weights: u64,
        kv_cache: u64,
    },
    Loading(Progress),
    Loaded(Loaded),
    /// The prompt is encoded. `dropped` messages at the start of the conversation left no room for the completion.
    Encoded {
        number: u64,
        prompt_tokens: usize,
        dropped: usize,
    },
    /// The text of the next tokens. An incomplete character is held back.
    Text {
        number: u64,
        text: String,
        rate: Rate,
    },
    Done {
        number: u64,
        completion: Completion,
    },
    /// A request that cannot be answered.
    Failed {
        number: u64,
        error: String,
    },
    /// Last: the model could not be loaded, or its thread has failed.
    Closed(String),
}
