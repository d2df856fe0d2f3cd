//! Truncation to `max_length` that keeps completions: prompts lose their beginning, conversations their oldest turns, plain
//! text is split into windows.

use std::fmt;

use super::Message;
use super::fault::RowFault;
use super::roles::{ASSISTANT, SYSTEM};
use crate::data::Sequence;

/// What an example lost to fit `max_length`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Truncation {
    /// The beginning of the prompt.
    Prompt,
    /// The oldest turns of the conversation.
    OldestTurns,
    /// Answers after those that fit.
    LaterAnswers,
    /// The end of the answer.
    Answer,
}

impl fmt::Display for Truncation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Truncation::Prompt => "the beginning of the prompt",
            Truncation::OldestTurns => "the oldest turns",
            Truncation::LaterAnswers => "the last answers",
            Truncation::Answer => "the end of the answer",
        })
    }
}

/// Tokens with their loss mask.
pub(super) struct MaskedTokens {
    pub ids: Vec<u32>,
    pub loss_mask: Vec<bool>,
}

impl MaskedTokens {
    pub fn len(&self) -> usize {
        self.ids.len()
    }

    /// Truncates to `max_length` tokens so that answers stay whole where they can: the prompt loses its beginning, but not `bos`.
    /// Of several answers that are too long together, those that fit behind the whole prompt are kept. An answer that is
    /// too long on its own loses its end, and leaves a quarter of the length to its prompt.
    ///
    /// # Errors
    /// The prompt alone fills the length, or no token is in the loss.
    pub fn truncated(
        mut self,
        max_length: usize,
        bos: Option<u32>,
    ) -> Result<(Sequence, Option<Truncation>), RowFault> {
        let Some(start) = self.loss_mask.iter().position(|&in_loss| in_loss) else {
            return Err(RowFault::NoLossTokens);
        };
        let mut truncation = None;
        if self.len() > max_length {
            if start >= max_length {
                return Err(RowFault::PromptTooLong { max_length });
            }
            let ends: Vec<usize> =
                (start..self.len()).filter(|&index| self.ends_answer(index)).map(|index| index + 1).collect();
            let last = ends.last().copied().unwrap_or(self.len());
            let end = match last - start < max_length {
                true => last,
                false => ends.iter().rev().find(|&&end| end <= max_length).or(ends.first()).copied().unwrap_or(last),
            };
            truncation = match end < last {
                true => Some(Truncation::LaterAnswers),
                // Nothing is lost with what follows the last answer.
                false if last <= max_length => None,
                false if end - start < max_length => Some(Truncation::Prompt),
                false => Some(Truncation::Answer),
            };
            let answer = end - start;
            let room = if answer < max_length { max_length - answer } else { max_length / 4 };
            let prompt = room.max(1).min(start);
            let head = usize::from(prompt > 1 && bos == self.ids.first().copied());
            let tail = start + answer.min(max_length - prompt);
            let keep = |index: usize| index < head || (start - (prompt - head)..tail).contains(&index);
            let mut index = 0..;
            self.ids.retain(|_| index.next().is_some_and(keep));
            let mut index = 0..;
            self.loss_mask.retain(|_| index.next().is_some_and(keep));
            // Nothing precedes the first token that could predict it.
            if let Some(first) = self.loss_mask.first_mut() {
                *first = false;
            }
        }
        let MaskedTokens { ids, loss_mask } = self;
        match loss_mask.contains(&true) {
            true => Ok((Sequence { ids, loss_mask, starts: vec![0] }, truncation)),
            false => Err(RowFault::NoLossTokens),
        }
    }

    fn ends_answer(&self, index: usize) -> bool {
        self.loss_mask[index] && !self.loss_mask.get(index + 1).copied().unwrap_or(false)
    }

    /// Splits a long text into windows. Each begins with the last token of the one before, so that every token is in the
    /// loss once.
    pub fn windows(&self, max_length: usize) -> Vec<Sequence> {
        let mut windows = Vec::new();
        let mut start = 0;
        while start + 1 < self.len() {
            let end = (start + max_length).min(self.len());
            let mut loss_mask = self.loss_mask[start..end].to_vec();
            loss_mask[0] = false;
            windows.push(Sequence { ids: self.ids[start..end].to_vec(), loss_mask, starts: vec![0] });
            start = end - 1;
        }
        windows
    }
}

/// A conversation without its oldest user turn and the replies to it; `None` if nothing would be left for the loss.
pub(super) fn without_oldest_turn(messages: &[Message]) -> Option<Vec<Message>> {
    let first = messages.iter().position(|message| message.role != SYSTEM)?;
    let next = first + 1 + messages[first + 1..].iter().position(|message| message.role == "user")?;
    let counts =
        messages[next..].iter().any(|message| message.role == ASSISTANT && message.in_loss && !message.is_blank());
    counts.then(|| messages[..first].iter().chain(&messages[next..]).cloned().collect())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_kept_fits_and_answers_stay_whole(
            parts in prop::collection::vec((1_usize..30, 1_usize..20), 1..4), max_length in 2_usize..60, after in 0_usize..3,
        ) {
            let mut loss_mask = Vec::new();
            for (prompt, answer) in &parts {
                loss_mask.extend(vec![false; *prompt]);
                loss_mask.extend(vec![true; *answer]);
            }
            loss_mask.extend(vec![false; after]);
            let ids: Vec<u32> = (0..loss_mask.len() as u32).collect();
            let (start, first) = parts[0];
            let tokens = MaskedTokens { ids: ids.clone(), loss_mask: loss_mask.clone() };
            match tokens.truncated(max_length, Some(0)) {
                Err(fault) => {
                    prop_assert_eq!(fault, RowFault::PromptTooLong { max_length });
                    prop_assert!(start >= max_length);
                }
                Ok((sequence, truncation)) => {
                    prop_assert!(sequence.ids.len() <= max_length && sequence.ids.is_sorted());
                    let kept = |id: usize| sequence.ids.binary_search(&(id as u32)).is_ok();
                    for (id, in_loss) in sequence.ids.iter().zip(&sequence.loss_mask) {
                        prop_assert_eq!(*in_loss, loss_mask[*id as usize]);
                    }
                    // The first answer is whole unless it is too long on its own.
                    if first < max_length {
                        prop_assert!((start..start + first).all(kept), "{:?}", sequence.ids);
                    }
                    if truncation.is_none() {
                        prop_assert!((0..ids.len() - after).all(kept));
                    }
                }
            }
        }
    }
}
