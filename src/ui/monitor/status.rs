//! The state of a run in a few words and numbers, for the header, the run pill and the strip.

use super::{Files, Monitor};
use crate::protocol::{Finished, Phase, Reason};
use crate::runs::{History, RunEnd};
use crate::ui::format::plain;
use crate::ui::theme::{Hue, Look};

/// The state of a run.
pub struct RunStatus {
    /// `▶`
    pub sign: &'static str,
    /// The state that the trainer last confirmed, or the command it has yet to confirm: `training`.
    pub word: String,
    pub hue: Hue,
    /// Empty before it is known.
    pub name: String,
    /// Share that is done of the steps, or before the first step of the task under way.
    pub share: Option<f64>,
    /// Steps taken, and steps of the whole run.
    pub steps: Option<(u64, u64)>,
    /// Whether the run has ended.
    pub over: bool,
    /// Seconds left, of a run that has not ended.
    pub left: Option<f64>,
}

impl RunStatus {
    pub(super) fn of(monitor: &Monitor, look: &Look) -> RunStatus {
        let run = &monitor.run;
        let (sign, word, hue) = state(monitor, look);
        let steps = (run.steps > 0).then_some((run.taken, run.steps));
        let task = run.task.as_ref().filter(|task| run.step.is_none() && run.end.is_none() && task.total > 0);
        let share = match (task, steps) {
            (Some(task), _) => Some(task.done as f64 / task.total as f64),
            (None, Some((taken, of))) => Some(taken as f64 / of as f64),
            (None, None) => None,
        };
        RunStatus {
            sign,
            word,
            hue,
            name: monitor.name(),
            share: share.map(|share| share.clamp(0.0, 1.0)),
            steps,
            over: run.end.is_some(),
            left: run.step.as_ref().filter(|_| run.end.is_none()).and_then(|step| step.eta),
        }
    }
}

impl Monitor {
    /// The run's name: that of its folder, since it may have been renamed. Empty before it is known.
    pub fn name(&self) -> String {
        name_of(&self.run, self.files.as_ref())
    }

    /// How the run ended, in a sentence: `demo completed, best accuracy 0.8800 at step 140`. `None` if it has not ended.
    pub fn ending(&self) -> Option<String> {
        let what = match self.run.end.as_ref()? {
            RunEnd::Finished(finished) => finished.reason.name().to_owned(),
            RunEnd::Failed { error, .. } => format!("failed: {}", plain(error)),
        };
        let best = super::card::best(&self.run).map(|best| format!(", best {best}"));
        Some(format!("{} {what}{}", self.name(), best.unwrap_or_default()))
    }

    /// The state of the run.
    pub fn status(&self, look: &Look) -> RunStatus {
        RunStatus::of(self, look)
    }
}

/// The name of a run's folder, or before that is known the one it was started with.
pub(super) fn name_of(run: &History, files: Option<&Files>) -> String {
    let folder = files.and_then(|files| files.folder.file_name()).map(|name| name.to_string_lossy().into_owned());
    let started = || run.started.as_ref().map(|started| started.run.clone());
    plain(&folder.or_else(started).unwrap_or_default())
}

/// Sign, word and colour of the state.
fn state(monitor: &Monitor, look: &Look) -> (&'static str, String, Hue) {
    let (run, theme) = (&monitor.run, &look.theme);
    let sign = |sign, ascii| if look.ascii { ascii } else { sign };
    match &run.end {
        Some(RunEnd::Finished(Finished { reason: Reason::Stopped, .. })) => {
            return (sign("■", "="), Reason::Stopped.name().into(), theme.paused);
        }
        Some(RunEnd::Finished(Finished { reason, .. })) => {
            return (sign("✔", "+"), reason.name().into(), theme.good);
        }
        Some(RunEnd::Failed { .. }) => return (sign("✖", "x"), "failed".into(), theme.error),
        None => {}
    }
    let sign = if run.held { sign("⏸", "|") } else { sign("▶", ">") };
    if let Some(asked) = monitor.asked {
        return (sign, if look.ascii { asked.replace('…', "...") } else { asked.into() }, theme.paused);
    }
    let (word, hue) = match run.phase {
        None | Some(Phase::Preparing) => ("preparing", theme.accent),
        Some(Phase::Selecting) => ("selecting components", theme.accent),
        Some(Phase::Training) => ("training", theme.good),
        Some(Phase::Evaluating) => ("evaluating", theme.accent),
        Some(Phase::Sampling) => ("generating", theme.accent),
        Some(Phase::Checkpointing) => ("saving checkpoint", theme.accent),
        Some(Phase::Paused) => ("paused", theme.paused),
    };
    (sign, word.into(), hue)
}
