//! Questions of MMLU (Hendrycks et al., arXiv 2009.03300) in the layout of the original download: `dev/SUBJECT_dev.csv`
//! and `test/SUBJECT_test.csv` of question, four choices and a letter, without a header.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};

use crate::Usage;

/// A subject has some hundred questions of some hundred bytes.
const LARGEST: u64 = 64 << 20;

/// The letters of the choices.
pub const LETTERS: [&str; 4] = ["A", "B", "C", "D"];

/// A question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// What is asked.
    pub text: String,
    /// What may be answered.
    pub choices: [String; 4],
    /// Index of the right one.
    pub answer: usize,
}

/// The questions of a subject.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subject {
    /// As the files have it: `high_school_statistics`.
    pub name: String,
    /// To be asked.
    pub test: Vec<Question>,
    /// To be shown before, with their answers.
    pub dev: Vec<Question>,
}

impl Subject {
    /// All subjects of a folder in order of their names, or those `wanted` of them. Without shots, dev files are not needed.
    ///
    /// # Errors
    /// [`Usage`], naming file and line: a folder without subjects, a subject that is not there, a row that is no question.
    pub fn read(folder: &Path, wanted: &[String], shots: usize) -> Result<Vec<Subject>> {
        let test = folder.join("test");
        let entries = fs::read_dir(&test).map_err(|error| {
            Usage(format!("{}: {error}; expected is a folder with SUBJECT_test.csv files", test.display()))
        })?;
        let mut names = Vec::new();
        for entry in entries {
            let file = entry.with_context(|| format!("{}: cannot list", test.display()))?.file_name();
            names.extend(file.to_string_lossy().strip_suffix("_test.csv").map(str::to_owned));
        }
        names.sort();
        if let Some(name) = wanted.iter().find(|name| !names.contains(name)) {
            let near = crate::suggest::nearest(name, names.iter().map(String::as_str));
            let near = near.map(|near| format!("; did you mean \"{near}\"?")).unwrap_or_default();
            bail!(Usage(format!("{}: no subject \"{name}\"{near}", test.display())));
        }
        names.retain(|name| wanted.is_empty() || wanted.contains(name));
        if names.is_empty() {
            bail!(Usage(format!("{}: no file named SUBJECT_test.csv", test.display())));
        }
        let read = |name: String| {
            let test = questions(&test.join(format!("{name}_test.csv")))?;
            let dev = folder.join("dev").join(format!("{name}_dev.csv"));
            let dev = if shots > 0 { questions(&dev)?.into_iter().take(shots).collect() } else { Vec::new() };
            Ok(Subject { name, test, dev })
        };
        names.into_iter().map(read).collect()
    }

    /// What a model is to go on from with a letter, after a space; `shown` of the dev questions come before, answered. The
    /// words are those of lm-evaluation-harness.
    pub fn prompt(&self, question: &Question, shown: usize) -> String {
        let subject = self.name.replace('_', " ");
        let mut prompt = format!("The following are multiple choice questions (with answers) about {subject}.\n\n");
        for shot in &self.dev[..shown.min(self.dev.len())] {
            prompt += &format!("{} {}\n\n", shot.asked(), LETTERS[shot.answer]);
        }
        prompt + &question.asked()
    }
}

impl Question {
    fn asked(&self) -> String {
        let choices = LETTERS.iter().zip(&self.choices).map(|(letter, choice)| format!("{letter}. {choice}\n"));
        format!("{}\n{}Answer:", self.text.trim(), choices.collect::<String>())
    }
}

fn questions(path: &Path) -> Result<Vec<Question>> {
    let metadata = path.metadata().map_err(|error| Usage(format!("{}: {error}", path.display())))?;
    if metadata.len() > LARGEST {
        bail!(Usage(format!("{}: larger than {} MiB, so it is no subject", path.display(), LARGEST >> 20)));
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
        questions.push(Question { text: text.into(), choices: [a, b, c, d].map(str::to_owned), answer });
    }
    if questions.is_empty() {
        bail!(Usage(format!("{}: no questions", path.display())));
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
    fn a_question_is_asked_after_those_shown() {
        let folder = folder("Three? ,3,4,5,6,A\n");
        let subject = &Subject::read(folder.path(), &[], 2).unwrap()[0];
        assert_eq!(
            subject.prompt(&subject.test[0], 2),
            "The following are multiple choice questions (with answers) about plain sums.\n\n\
             Two?\nA. 1\nB. 2\nC. 3\nD. 4\nAnswer: B\n\n\
             A \"quoted\", one\nA. w\nB. x\nC. y\nD. z\nAnswer: D\n\n\
             Three?\nA. 3\nB. 4\nC. 5\nD. 6\nAnswer:"
        );
        assert_eq!(Subject::read(folder.path(), &[], 0).unwrap()[0].dev, []);
    }

    #[test]
    fn what_is_no_question_is_named() {
        for (text, message) in [
            ("a,b\n", "plain_sums_test.csv:1: 2 columns"),
            ("q,1,2,3,4,A\nq,1,2,3,4,E\n", "plain_sums_test.csv:2: the answer is \"E\""),
            ("", "plain_sums_test.csv: no questions"),
        ] {
            let error = Subject::read(folder(text).path(), &[], 0).unwrap_err();
            assert!(error.is::<Usage>() && error.to_string().contains(message), "{error}");
        }
        let error = Subject::read(folder("").path(), &["plain_sum".into()], 0).unwrap_err();
        assert!(error.to_string().contains("did you mean \"plain_sums\"?"), "{error}");
    }
}
