//! Multiple-choice questions as JSON: `question`, `choices`, and `answer` as an index, a letter or the text of a choice.

use std::path::Path;

use anyhow::{Result, bail};
use serde_json::{Map, Value};

use super::records::{Objects, RowError, expect_file};
use crate::Usage;

/// Choices per question: one per letter.
const MAX_CHOICES: usize = 26;

/// A multiple-choice question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChoiceQuestion {
    /// The prompt: what comes before an answer.
    pub text: String,
    /// At least two.
    pub choices: Vec<String>,
    /// Index of the correct choice.
    pub answer: usize,
}

impl ChoiceQuestion {
    /// Reads all questions of a .json, .jsonl or .parquet file.
    ///
    /// # Errors
    /// [`Usage`] with file and row: a missing file, a malformed row, no rows.
    pub fn read(path: &Path) -> Result<Vec<ChoiceQuestion>> {
        expect_file(path)?;
        let mut questions = Vec::new();
        let _notes = Objects::open(path)?.for_each(&|_| {}, |object| {
            questions
                .push(object.fields.and_then(|fields| question(&fields)).map_err(|error| error.at(path, object.row))?);
            Ok(())
        })?;
        if questions.is_empty() {
            bail!(Usage(format!(
                "{}: no questions; expected objects with question, choices and answer",
                path.display()
            )));
        }
        Ok(questions)
    }
}

fn question(fields: &Map<String, Value>) -> Result<ChoiceQuestion, RowError> {
    let text = fields
        .get("question")
        .and_then(Value::as_str)
        .ok_or_else(|| RowError::new("\"question\" is missing or not a string"))?;
    let choices = fields
        .get("choices")
        .and_then(Value::as_array)
        .ok_or_else(|| RowError::new("\"choices\" is missing or not a list"))?;
    let choices: Option<Vec<String>> = choices.iter().map(|choice| choice.as_str().map(str::to_owned)).collect();
    let choices = choices.ok_or_else(|| RowError::new("\"choices\" are not all strings"))?;
    if !(2..=MAX_CHOICES).contains(&choices.len()) {
        return Err(RowError::new(format!("{} choices, expected 2 to {MAX_CHOICES}", choices.len())));
    }
    let answer = match fields.get("answer") {
        Some(Value::Number(index)) => index.as_u64().and_then(|index| usize::try_from(index).ok()),
        Some(Value::String(answer)) => choices.iter().position(|choice| choice == answer).or_else(|| letter(answer)),
        _ => None,
    };
    match answer.filter(|answer| *answer < choices.len()) {
        Some(answer) => Ok(ChoiceQuestion { text: text.to_owned(), choices, answer }),
        None => Err(RowError::new(format!(
            "\"answer\" is neither an index below {}, a letter, nor one of the choices",
            choices.len()
        ))),
    }
}

/// `A` is 0.
fn letter(text: &str) -> Option<usize> {
    match text.as_bytes() {
        [letter @ b'A'..=b'Z'] => Some(usize::from(letter - b'A')),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(row: &str) -> Result<ChoiceQuestion, RowError> {
        question(&serde_json::from_str(row).unwrap())
    }

    #[test]
    fn the_answer_is_an_index_a_letter_or_the_text() {
        for answer in ["1", "\"B\"", "\"no\""] {
            let row = format!(r#"{{"question": "q", "choices": ["yes", "no"], "answer": {answer}}}"#);
            assert_eq!(read(&row).unwrap().answer, 1);
        }
        for (row, message) in [
            (r#"{"choices": ["a", "b"], "answer": 0}"#, "\"question\" is missing"),
            (r#"{"question": "q", "choices": ["a"], "answer": 0}"#, "1 choices, expected 2 to 26"),
            (r#"{"question": "q", "choices": ["a", 2], "answer": 0}"#, "not all strings"),
            (r#"{"question": "q", "choices": ["a", "b"], "answer": "C"}"#, "\"answer\" is neither an index below 2"),
            (r#"{"question": "q", "choices": ["a", "b"], "answer": -1}"#, "\"answer\" is neither"),
        ] {
            assert!(read(row).unwrap_err().to_string().contains(message), "{row}");
        }
    }
}
