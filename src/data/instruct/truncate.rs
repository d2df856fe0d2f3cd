//! Truncation to `max_length` that keeps completions: prompts lose their beginning, conversations their oldest turns, plain
//! text is split into windows.

use super::Message;
use crate::data::Sequence;

/// Tokens with their loss mask.
pub(super) struct MaskedTokens {
    pub ids: Vec<u32>,
    pub loss_mask: Vec<bool>,
}

impl MaskedTokens {
    pub fn len(&self) -> usize {
        self.ids.len()
    }

    /// Truncates to `max_length` tokens: the prompt loses its beginning, but not `bos`, so that the last completion stays.
    /// A completion that is too long on its own loses its end, and leaves a quarter of the length to its prompt. `None` if
    /// no token is left in the loss.
    pub fn truncated(mut self, max_length: usize, bos: Option<u32>) -> Option<Sequence> {
        if self.len() > max_length {
            let end = self.loss_mask.iter().rposition(|&in_loss| in_loss).map_or(0, |last| last + 1);
            let start = self.loss_mask[..end].iter().rposition(|&in_loss| !in_loss).map_or(0, |before| before + 1);
            let completion = end - start;
            let room = if completion < max_length { max_length - completion } else { max_length / 4 };
            let prompt = room.max(1).min(start);
            let head = usize::from(prompt > 1 && bos == self.ids.first().copied());
            let tail = start + completion.min(max_length - prompt);
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
        loss_mask.contains(&true).then(|| Sequence { ids, loss_mask, starts: vec![0] })
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

/// A conversation without its oldest user turn and the replies to it; `None` if only one user turn is left.
pub(super) fn without_oldest_turn(messages: &[Message]) -> Option<Vec<Message>> {
    let first = messages.iter().position(|message| message.role != "system")?;
    let next = first + 1 + messages[first + 1..].iter().position(|message| message.role == "user")?;
    Some(messages[..first].iter().chain(&messages[next..]).cloned().collect())
}
