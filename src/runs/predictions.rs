//! `predictions.json`: what a classifier predicts for each held-out example at its best evaluation.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

use serde::{Deserialize, Serialize};

/// File of the predictions in the folder of a run.
const FILE: &str = "predictions.json";

/// The predictions of an evaluation for the first held-out split, in the order of its examples.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Predictions {
    /// Optimizer steps taken before the evaluation.
    pub step: u64,
    /// Checksum of the tokenized held-out examples: predictions with the same one are paired.
    pub held_out: String,
    /// Names of the classes; empty for regression.
    pub classes: Vec<String>,
    /// Index of the predicted class, or the predicted number.
    pub predictions: Vec<f64>,
    /// Index of the expected class, or the expected number.
    pub labels: Vec<f64>,
}

impl Predictions {
    /// Replaces the file: written beside, synced, renamed.
    ///
    /// # Errors
    /// The disk cannot be written.
    pub fn write(&self, run: &Path) -> io::Result<()> {
        let (path, new) = (run.join(FILE), run.join("predictions.json.new"));
        let mut file = File::create(&new)?;
        file.write_all(&serde_json::to_vec(self)?)?;
        file.sync_all()?;
        fs::rename(&new, &path)
    }

    /// The predictions of a run for its evaluation at this step. `None` if it has none: they were not asked for, or those in
    /// the file are of another evaluation.
    pub fn read(run: &Path, step: u64) -> Option<Predictions> {
        let read: Predictions = serde_json::from_slice(&fs::read(run.join(FILE)).ok()?).ok()?;
        (read.step == step && read.predictions.len() == read.labels.len()).then_some(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn predictions_are_read_back_for_their_evaluation_only() {
        let run = tempfile::tempdir().unwrap();
        assert_eq!(Predictions::read(run.path(), 3), None);
        let mut written = Predictions { step: 3, held_out: "a".into(), ..Predictions::default() };
        (written.predictions, written.labels) = (vec![1.0, 0.25], vec![1.0, 0.0]);
        written.write(run.path()).unwrap();
        assert_eq!(Predictions::read(run.path(), 3), Some(written));
        assert_eq!(Predictions::read(run.path(), 4), None, "of an evaluation that a resume has dropped");
    }
}
