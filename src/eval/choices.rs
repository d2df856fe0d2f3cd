//! Questions with any number of answers, each weighed as a text of its own.

use anyhow::{Result, bail};

use crate::Usage;
use crate::data::ChoiceQuestion;
use crate::data::instruct::PromptEncoder;
use crate::model::Network;
use crate::protocol::Progress;

use super::perplexity;

/// What came of it.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct ChoiceScore {
    /// Questions asked.
    pub asked: usize,
    /// Questions whose right answer is the likeliest.
    pub right: usize,
    /// Questions whose right answer is the likeliest for its length in bytes, which does not favour short ones.
    pub right_by_length: usize,
    /// For each question the index of the likeliest answer.
    pub chosen: Vec<usize>,
    /// For each question the index of the likeliest answer for its length.
    pub chosen_by_length: Vec<usize>,
}

/// Weighs all answers of all questions: ln p of a space and the answer, behind the question.
///
/// # Errors
/// [`Usage`]: a question and answer that the model has no room for.
pub fn choices(
    network: &Network,
    phrasing: &PromptEncoder,
    questions: &[ChoiceQuestion],
    progress: &dyn Fn(Progress),
) -> Result<ChoiceScore> {
    let mut score = ChoiceScore {
        asked: questions.len(),
        right: 0,
        right_by_length: 0,
        chosen: Vec::new(),
        chosen_by_length: Vec::new(),
    };
    for (number, question) in (1..).zip(questions) {
        let (mut likely, mut by_length) = (Vec::new(), Vec::new());
        for choice in &question.choices {
            let sequence = phrasing.continued(&question.text, &format!(" {choice}"))?;
            if sequence.ids.len() as i64 > network.config.max_tokens() {
                bail!(Usage(format!(
                    "question {number}: {} tokens, and the model has places for {}",
                    sequence.ids.len(),
                    network.config.max_tokens()
                )));
            }
            let foreseen = perplexity(network, std::slice::from_ref(&sequence), 1, &|_| {});
            let logarithm = -foreseen.loss * foreseen.tokens as f64;
            likely.push(logarithm);
            by_length.push(logarithm / choice.len().max(1) as f64);
        }
        let (chosen, chosen_by_length) = (largest(&likely), largest(&by_length));
        score.right += usize::from(chosen == question.answer);
        score.right_by_length += usize::from(chosen_by_length == question.answer);
        score.chosen.push(chosen);
        score.chosen_by_length.push(chosen_by_length);
        let total = questions.len() as u64;
        progress(Progress { task: "choices".into(), done: number, total, unit: "questions".into() });
    }
    Ok(score)
}

/// The first of the largest.
fn largest(numbers: &[f64]) -> usize {
    let mut best = 0;
    for (index, number) in numbers.iter().enumerate() {
        if *number > numbers[best] {
            best = index;
        }
    }
    best
}
