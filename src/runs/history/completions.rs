//! Completions: what the model generated on request.

use std::collections::VecDeque;

/// Completions kept.
const KEPT: usize = 50;

/// A completion of a prompt.
pub struct Completion {
    /// Optimizer steps taken before.
    pub step: u64,
    pub prompt: String,
    pub text: String,
}

/// Adds a completion. If there are too many, the oldest one is dropped that is not the first of its prompt.
pub(super) fn add(completions: &mut VecDeque<Completion>, completion: Completion) {
    if completions.len() == KEPT {
        let is_repeated = |place: usize| {
            let prompt = &completions[place].prompt;
            completions.iter().take(place).any(|before| before.prompt == *prompt)
        };
        let dropped = (0..KEPT).find(|place| is_repeated(*place)).unwrap_or(0);
        completions.remove(dropped);
    }
    completions.push_back(completion);
}
