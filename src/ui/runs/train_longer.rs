//! Training a run for longer that has ended for good: asks for what changes.

use std::path::PathBuf;

use super::line_input::LineInput;
use crate::runs::{RunEntry, RunState};
use crate::ui::format::{grouped, plain};
use crate::ui::intent::Intent;

/// A run that ended for good, and the settings that are typed for it.
#[derive(Clone, Debug, PartialEq)]
pub struct TrainLonger {
    run: PathBuf,
    /// Its name.
    pub(super) name: String,
    /// How it ended: `has completed 170 steps`.
    pub(super) ended: String,
    /// `key=value`, separated by spaces.
    pub(super) input: LineInput,
}

impl TrainLonger {
    /// `None` for a run that resumes as it is.
    pub(super) fn of(run: &RunEntry) -> Option<TrainLonger> {
        let steps = grouped(run.summary.step);
        let summary = &run.summary;
        let (how, set) = match run.state {
            // The limit that ended the run is the one that allows more steps.
            RunState::Completed if summary.max_steps > 0 && summary.max_steps <= summary.steps => {
                ("has completed", format!("train.max_steps={}", summary.max_steps.saturating_mul(2)))
            }
            RunState::Completed => ("has completed", format!("train.epochs={}", summary.epochs.ceil() as u64 + 1)),
            RunState::EarlyStopped => ("has stopped early after", "train.patience=0".to_owned()),
            RunState::Running | RunState::Interrupted | RunState::Failed | RunState::Stopped => return None,
        };
        let noun = if run.summary.step == 1 { "step" } else { "steps" };
        let ended = format!("{how} {steps} {noun}");
        let name = plain(&run.name);
        Some(TrainLonger { run: run.path.clone(), name, ended, input: LineInput::new(&set) })
    }

    /// Resumes the run with what was typed.
    pub(super) fn intent(self) -> Intent {
        let set = self.input.text().split_whitespace().map(str::to_owned).collect();
        Intent::Resume { run: self.run, set }
    }
}
