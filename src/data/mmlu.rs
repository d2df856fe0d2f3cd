//! Questions of MMLU (Hendrycks et al., arXiv 2009.03300) in the layout of the original download: `dev/SUBJECT_dev.csv`
//! and `test/SUBJECT_test.csv` of question, four choices and a letter, without a header.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};

use crate::Usage;
use crate::suggest::did_you_mean;

/// Limit on a file, in bytes. A subject has some hundred questions of some hundred bytes.
const MAX_FILE: u64 = 64 << 20;

/// The letters of the choices.
pub const LETTERS: [&str; 4] = ["A", "B", "C", "D"];

/// A question with four choices.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MmluQuestion {
    pub text: String,
    pub choices: [String; 4],
    /// Index of the correct choice.
    pub answer: usize,
}

/// The questions of a subject.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MmluSubject {
    /// As in the file names: `high_school_statistics`.
    pub name: String,
    /// The questions that are scored.
    pub test: Vec<MmluQuestion>,
    /// The few-shot examples, shown with their answers before a question.
    pub dev: Vec<MmluQuestion>,
}

impl MmluSubject {
    /// Reads all subjects of a folder sorted by name, or those named in `selected`. With 0 `shots`, dev files are not needed.
    ///
    /// # Errors
    /// [`Usage`] with file and line: a folder without subjects, an unknown subject, a malformed row.
    pub fn read(folder: &Path, selected: &[String], shots: usize) -> Result<Vec<MmluSubject>> {
        let test = folder.join("test");
        let entries = fs::read_dir(&test).map_err(|error| {
            Usage(format!("{}: {error}; expected a folder with SUBJECT_test.csv files", test.display()))
        })?;
        let mut names = Vec::new();
        for entry in entries {
            let file = entry.with_context(|| format!("{}: cannot list", test.display()))?.file_name();
            names.extend(file.to_string_lossy().strip_suffix("_test.csv").map(str::to_owned));
        }
        names.sort();
        if let Some(name) = selected.iter().find(|name| !names.contains(name)) {
            let hint = did_you_mean(name, names.iter().map(String::as_str));
            bail!(Usage(format!("{}: no subject \"{name}\"{hint}", test.display())));
        }
        names.retain(|name| selected.is_empty() || selected.contains(name));
        if names.is_empty() {
            bail!(Usage(format!("{}: no file named SUBJECT_test.csv", test.display())));
        }
        let read = |name: String| {
            let test = read_questions(&test.join(format!("{name}_test.csv")))?;
            let dev = folder.join("dev").join(format!("{name}_dev.csv"));
            let dev = if shots > 0 { read_questions(&dev)?.into_iter().take(shots).collect() } else { Vec::new() };
            Ok(MmluSubject { name, test, dev })
        };
        names.into_iter().map(read).collect()
    }

    /// The prompt that the model continues with a space and a letter, after `shots` of the dev questions with their
    /// answers. The wording is that of lm-evaluation-harness.
    pub fn prompt(&self, question: &MmluQuestion, shots: usize) -> String {
        let subject = self.name.replace('_', " ");
        let mut prompt = format!("The following are multiple choice questions (with answers) about {subject}.\n\n");
        for shot in &self.dev[..shots.min(self.dev.len())] {
            prompt += &format!("{} {}\n\n", shot.prompt(), LETTERS[shot.answer]);
        }
        prompt + &question.prompt()
    }
}

impl MmluQuestion {
    fn prompt(&self) -> String {
        let choices = LETTERS.iter().zip(&self.choices).map(|(letter, choice)| format!("{letter}. {choice}\n"));
        format!("{}\n{}Answer:", self.text.trim(), choices.collect::<String>())
    }
}

fn read_questions(path: &Path) -> Result<Vec<MmluQuestion>> {
    let metadata = path.metadata().map_err(|error| Usage(format!("{}: {error}", path.display())))?;
    if metadata.len() > MAX_FILE {
        bail!(Usage(format!(
            "{}: larger than {} MiB, which is too large for a subject",
            path.display(),
            MAX_FILE >> 20
        )));
    }
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .from_path(path)
        .with_context(|| format!("{}: cannot open", path.display()))?;
    let mut questions = Vec::new();
    for row in reader.records() {
        let row = row.map_err(|error| Usage(format!("{}: {error}", path.display())))?;
        let line = row.position().map_or(0, csv::Position::line);
        let cells: Vec<&str> = row.iter().collect();
        let [text, a, b, c, d, letter] = cells[..] else {
            bail!(Usage(format!(
                "{}:{line}: {} columns, expected question, A, B, C, D, answer",
                path.display(),
                cells.len()
            )));
        };
        let Some(answer) = LETTERS.iter().position(|known| *known == letter.trim()) else {
            bail!(Usage(format!(
                "{}:{line}: the answer is \"{}\", expected A, B, C or D",
                path.display(),
                letter.trim()
            )));
        };
        questions.push(MmluQuestion { text: text.into(), choices: [a, b, c, d].map(str::to_owned), answer });
    }
    if questions.is_empty() {
        bail!(Usage(format!("{}: no questions; expected rows of question, A, B, C, D, answer", path.display())));
    }
    Ok(questions)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(test: &str) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (split, text) in [("test", test), ("dev", "Two?,1,2,3,4,B\n\"A \"\"quoted\"\", one\",w,x,y,z,D\n")] {
            fs::create_dir(folder.path().join(split)).unwrap();
            fs::write(folder.path().join(split).join(format!("plain_sums_{split}.csv")), text).unwrap();
        }
        folder
    }

    #[test]
    fn the_prompt_has_the_shots_before_the_question() {
        let folder = folder("Three? ,3,4,5,6,A\n");
        let subject = &MmluSubject::read(folder.path(), &[], 2).unwrap()[0];
        assert_eq!(
            subject.prompt(&subject.test[0], 2),
            "The following are multiple choice questions (with answers) about plain sums.\n\n\
             Two?\nA. 1\nB. 2\nC. 3\nD. 4\nAnswer: B\n\n\
             A \"quoted\", one\nA. w\nB. x\nC. y\nD. z\nAnswer: D\n\n\
             Three?\nA. 3\nB. 4\nC. 5\nD. 6\nAnswer:"
        );
        assert_eq!(MmluSubject::read(folder.path(), &[], 0).unwrap()[0].dev, []);
    }

    #[test]
    fn a_malformed_row_is_an_error_with_its_line() {
        for (text, message) in [
            ("a,b\n", "plain_sums_test.csv:1: 2 columns"),
            ("q,1,2,3,4,A\nq,1,2,3,4,E\n", "plain_sums_test.csv:2: the answer is \"E\""),
            ("", "plain_sums_test.csv: no questions"),
        ] {
            let error = MmluSubject::read(folder(text).path(), &[], 0).unwrap_err();
            assert!(error.is::<Usage>() && error.to_string().contains(message), "{error}");
        }
        let error = MmluSubject::read(folder("").path(), &["plain_sum".into()], 0).unwrap_err();
        assert!(error.to_string().contains("did you mean \"plain_sums\"?"), "{error}");
    }
}
