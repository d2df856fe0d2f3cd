//! Multiple choice: the answer with the highest likelihood after the question.

use anyhow::{Result, bail};

use crate::Usage;
use crate::data::ChoiceQuestion;
use crate::data::instruct::PromptEncoder;
use crate::model::Network;
use crate::protocol::Progress;

use super::perplexity::perplexity;

/// Accuracy on multiple-choice questions.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct ChoiceScore {
    pub asked: usize,
    /// Questions whose right answer has the highest likelihood.
    pub right: usize,
    /// The same with the likelihood divided by the answer's length in bytes, which does not favour short answers.
    pub right_by_length: usize,
    /// The chosen answer of each question.
    pub chosen: Vec<usize>,
    /// The same with the likelihood divided by the length.
    pub chosen_by_length: Vec<usize>,
}

/// Scores all questions. The likelihood of an answer is ln p of a space and the answer, after the question.
///
/// # Errors
/// [`Usage`]: a question and answer that are too long for the model.
pub fn choices(
    network: &Network,
    encoder: &PromptEncoder,
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
        let (mut likelihoods, mut by_length) = (Vec::new(), Vec::new());
        for choice in &question.choices {
            let sequence = encoder.completion(&question.text, &format!(" {choice}"))?;
            if sequence.ids.len() as i64 > network.config.max_tokens() {
                bail!(Usage(format!(
                    "question {number} has {} tokens, but the model has positions for {}",
                    sequence.ids.len(),
                    network.config.max_tokens()
                )));
            }
            let perplexity = perplexity(network, std::slice::from_ref(&sequence), 1, &|_| {});
            let likelihood = -perplexity.loss * perplexity.tokens as f64;
            likelihoods.push(likelihood);
            by_length.push(likelihood / choice.len().max(1) as f64);
        }
        let (chosen, chosen_by_length) = (largest(&likelihoods), largest(&by_length));
        score.right += usize::from(chosen == question.answer);
        score.right_by_length += usize::from(chosen_by_length == question.answer);
        score.chosen.push(chosen);
        score.chosen_by_length.push(chosen_by_length);
        let total = questions.len() as u64;
        progress(Progress { task: "choices".into(), done: number, total, unit: "questions".into() });
    }
    Ok(score)
}

/// The index of the largest number, the first of equals.
fn largest(numbers: &[f64]) -> usize {
    let mut best = 0;
    for (index, number) in numbers.iter().enumerate() {
        if *number > numbers[best] {
            best = index;
        }
    }
    best
}
