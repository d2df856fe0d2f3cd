//! MMLU: questions with four answers. The model's answer is the likeliest letter.

use anyhow::{Result, bail};
use tch::{Kind, Tensor};

use super::device_batch::DeviceBatch;
use crate::Usage;
use crate::data::instruct::{Message, PromptEncoder};
use crate::data::{LETTERS, MmluSubject, Sequence, collate_sequences};
use crate::model::Network;
use crate::protocol::Progress;

/// Accuracy on a subject.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct SubjectScore {
    pub subject: String,
    pub right: usize,
    pub asked: usize,
    /// The chosen letter of each question, as an index.
    pub chosen: Vec<usize>,
    /// Questions with fewer examples in their prompt, because all of them are too long for the model.
    pub shortened: usize,
}

/// Scores all questions, `batch` at a time, with `shots` answered examples before each. `encoder` needs a format that does
/// not change prompts.
///
/// # Errors
/// [`Usage`]: a tokenizer without a single token for a letter after a space, a question that is too long for the model.
pub fn mmlu(
    network: &Network,
    encoder: &PromptEncoder,
    subjects: &[MmluSubject],
    shots: usize,
    batch: usize,
    progress: &dyn Fn(Progress),
) -> Result<Vec<SubjectScore>> {
    let letters = letters(encoder)?;
    let total = subjects.iter().map(|subject| subject.test.len() as u64).sum();
    let mut done = 0;
    let mut scores = Vec::new();
    for subject in subjects {
        let mut score = SubjectScore {
            subject: subject.name.clone(),
            right: 0,
            asked: subject.test.len(),
            chosen: vec![0; subject.test.len()],
            shortened: 0,
        };
        let mut prompts = Vec::new();
        for question in &subject.test {
            let longest = network.config.max_tokens() as usize;
            let mut shown = shots.min(subject.dev.len());
            let ids = loop {
                let ids = tokens(encoder, &subject.prompt(question, shown))?;
                match shown.checked_sub(1) {
                    _ if ids.len() <= longest => break ids,
                    Some(fewer) => shown = fewer,
                    None => bail!(Usage(format!(
                        "{}: a question has {} tokens, but the model has positions for {longest}",
                        subject.name,
                        ids.len()
                    ))),
                }
            };
            score.shortened += usize::from(shown < shots.min(subject.dev.len()));
            prompts.push(Sequence { loss_mask: vec![false; ids.len()], ids, starts: vec![0] });
        }
        // Sorted by length, which saves padding.
        let mut order: Vec<usize> = (0..prompts.len()).collect();
        order.sort_by_key(|&number| std::cmp::Reverse(prompts[number].ids.len()));
        for rows in order.chunks(batch.max(1)) {
            for (&number, chosen) in rows.iter().zip(choose(network, &prompts, rows, &letters)) {
                score.chosen[number] = chosen;
                score.right += usize::from(chosen == subject.test[number].answer);
            }
            done += rows.len() as u64;
            progress(Progress { task: subject.name.clone(), done, total, unit: "questions".into() });
        }
        scores.push(score);
    }
    Ok(scores)
}

/// The token of each letter after a space, as it follows a prompt.
fn letters(encoder: &PromptEncoder) -> Result<[i64; 4]> {
    let before = tokens(encoder, "Answer:")?;
    let mut found = [0; 4];
    for (letter, id) in LETTERS.iter().zip(&mut found) {
        let with = tokens(encoder, &format!("Answer: {letter}"))?;
        match with.strip_prefix(before.as_slice()) {
            Some([one]) => *id = i64::from(*one),
            _ => bail!(Usage(format!(
                "the tokenizer has no single token for \"{letter}\" after \"Answer:\" and a space"
            ))),
        }
    }
    Ok(found)
}

fn tokens(encoder: &PromptEncoder, text: &str) -> Result<Vec<u32>> {
    let ids = encoder.prompt_ids(&[Message::plain("user", text.to_owned())])?;
    Ok(ids.into_iter().filter_map(|id| u32::try_from(id).ok()).collect())
}

/// The likeliest of four tokens after each prompt, the first of equals.
fn choose(network: &Network, prompts: &[Sequence], rows: &[usize], letters: &[i64; 4]) -> Vec<usize> {
    let Some(decoder) = network.decoder() else { return vec![0; rows.len()] };
    let device = network.parameters.device();
    let loaded = DeviceBatch::new(&collate_sequences(prompts, rows, 0), device);
    let hidden = network.output(&loaded.inputs);
    let length = hidden.size()[1];
    let ends = (0..).zip(rows).map(|(row, &number)| row * length + prompts[number].ids.len() as i64 - 1);
    let ends = Tensor::from_slice(&ends.collect::<Vec<_>>()).to_device(device);
    let last = hidden.flatten(0, 1).index_select(0, &ends);
    let logits = tch::no_grad(|| decoder.logits(&last)).to_kind(Kind::Float);
    let of_letters = logits.index_select(1, &Tensor::from_slice(letters).to_device(device));
    let chosen = Vec::<i64>::try_from(of_letters.argmax(-1, false)).unwrap_or_default();
    chosen.into_iter().map(|index| index as usize).collect()
}
