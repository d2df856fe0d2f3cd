//! Questions with any number of answers, as JSON: `question`, `choices`, and `answer` as an index, a letter or the text.

use std::path::Path;

use anyhow::{Result, bail};
use serde_json::{Map, Value};

use super::records::{Objects, expect_file};
use crate::Usage;

/// Choices of a question.
const MOST: usize = 26;

/// A question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChoiceQuestion {
    /// What comes before an answer.
    pub text: String,
    /// What may be answered: two at least.
    pub choices: Vec<String>,
    /// Index of the right one.
    pub answer: usize,
}

impl ChoiceQuestion {
    /// All questions of a .json, .jsonl or .parquet file.
    ///
    /// # Errors
    /// [`Usage`], naming file and row: a file that is not there, a row that is no question, no row at all.
    pub fn read(path: &Path) -> Result<Vec<ChoiceQuestion>> {
        expect_file(path)?;
        let mut questions = Vec::new();
        Objects::open(path)?.for_each(&|_| {}, |object| {
            let question = question(&object.fields);
            questions.push(question.map_err(|error| Usage(format!("{}:{}: {error}", path.display(), object.place)))?);
            Ok(())
        })?;
        if questions.is_empty() {
            bail!(Usage(format!("{}: no questions", path.display())));
        }
        Ok(questions)
    }
}

fn question(fields: &Map<String, Value>) -> Result<ChoiceQuestion, String> {
    let text = fields.get("question").and_then(Value::as_str).ok_or("\"question\" is missing or no text")?;
    let choices = fields.get("choices").and_then(Value::as_array).ok_or("\"choices\" is missing or no list")?;
    let choices: Option<Vec<String>> = choices.iter().map(|choice| choice.as_str().map(str::to_owned)).collect();
    let choices = choices.ok_or("\"choices\" are not all texts")?;
    if !(2..=MOST).contains(&choices.len()) {
        return Err(format!("{} choices, expected 2 to {MOST}", choices.len()));
    }
    let answer = match fields.get("answer") {
        Some(Value::Number(index)) => index.as_u64().and_then(|index| usize::try_from(index).ok()),
        Some(Value::String(answer)) => choices.iter().position(|choice| choice == answer).or_else(|| letter(answer)),
        _ => None,
    };
    match answer.filter(|answer| *answer < choices.len()) {
        Some(answer) => Ok(ChoiceQuestion { text: text.to_owned(), choices, answer }),
        None => {
            Err(format!("\"answer\" is neither an index below {}, a letter, nor one of the choices", choices.len()))
        }
    }
}

/// A is 0.
fn letter(text: &str) -> Option<usize> {
    match text.as_bytes() {
        [letter @ b'A'..=b'Z'] => Some(usize::from(letter - b'A')),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(row: &str) -> Result<ChoiceQuestion, String> {
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
            (r#"{"question": "q", "choices": ["a", 2], "answer": 0}"#, "not all texts"),
            (r#"{"question": "q", "choices": ["a", "b"], "answer": "C"}"#, "\"answer\" is neither an index below 2"),
            (r#"{"question": "q", "choices": ["a", "b"], "answer": -1}"#, "\"answer\" is neither"),
        ] {
            assert!(read(row).unwrap_err().contains(message), "{row}");
        }
    }
}
