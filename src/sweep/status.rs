//! What the run folders of a sweep say of each of its runs. Nothing else decides what is done.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use super::identity::is_run;
use super::plan::{PlanRun, SweepPlan};
use crate::preset::Preset;
use crate::protocol::{Event, Selected};
use crate::runs::{EventRange, Lister, RunEntry, RunState};

/// The state of a run of the sweep.
#[derive(Clone, Debug, PartialEq)]
pub enum RunStatus {
    /// It has no folder, or none in which it has started.
    Pending,
    /// A process trains it.
    Active(RunProgress),
    /// It was stopped or its process has ended: it is resumed.
    Unfinished(RunProgress),
    Done(RunResult),
    Failed {
        error: String,
    },
}

/// How far a run is.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RunProgress {
    /// Optimizer steps taken.
    pub step: u64,
    /// Optimizer steps of the whole run; 0 before it is known.
    pub steps: u64,
    /// Its best score so far.
    pub score: Option<f64>,
}

/// What a run has come to.
#[derive(Clone, Debug, PartialEq)]
pub struct RunResult {
    /// Name of the run's folder.
    pub run: String,
    /// Name of the score.
    pub metric: String,
    /// The score of the best evaluation.
    pub score: f64,
    /// Optimizer steps taken before that evaluation.
    pub best_step: u64,
    /// Training time in seconds.
    pub seconds: f64,
    pub trainable: Option<Trainable>,
}

/// Numbers of trainable parameters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trainable {
    /// Selected components.
    pub sparse: u64,
    /// Dense parameters: the head.
    pub dense: u64,
}

/// Reads the runs of a sweep repeatedly.
pub struct StatusReader {
    folder: PathBuf,
    cache: PathBuf,
    lister: Lister,
    listed: Vec<RunEntry>,
    /// By name of the folder: what does not change, read once.
    known: HashMap<String, KnownRun>,
}

#[derive(Clone, Default)]
struct KnownRun {
    /// The preset in the folder, once the run has started.
    preset: Option<Preset>,
    trainable: Option<Trainable>,
}

impl StatusReader {
    /// For the runs in the folder of a sweep. `cache` is finesift's cache folder.
    pub fn new(folder: &Path, cache: &Path) -> StatusReader {
        let (folder, cache) = (folder.to_owned(), cache.to_owned());
        StatusReader { lister: Lister::new(&folder), folder, cache, listed: Vec::new(), known: HashMap::new() }
    }

    /// The status of each run of the plan.
    ///
    /// # Errors
    /// The folder cannot be read.
    pub fn read(&mut self, plan: &SweepPlan) -> Result<Vec<RunStatus>> {
        let listed = self.lister.refresh(SystemTime::now());
        if let Some(listed) = listed.with_context(|| format!("{}: cannot read", self.folder.display()))? {
            self.listed = listed;
        }
        let by_id: HashMap<String, RunEntry> =
            self.listed.iter().filter_map(|entry| Some((id_in(&entry.name)?.to_owned(), entry.clone()))).collect();
        Ok(plan
            .runs
            .iter()
            .map(|run| by_id.get(&run.id).map_or(RunStatus::Pending, |entry| self.status(run, entry)))
            .collect())
    }

    /// The name of a run's folder, where it has one.
    pub fn folder_of(&self, run: &PlanRun) -> Option<&str> {
        self.listed.iter().map(|entry| entry.name.as_str()).find(|name| id_in(name) == Some(run.id.as_str()))
    }

    /// Names of the runs in the folder that do not belong to the plan: those of an earlier version of the sweep file.
    pub fn stale(&self, plan: &SweepPlan) -> Vec<String> {
        let planned = |name: &str| id_in(name).is_some_and(|id| plan.runs.iter().any(|run| run.id == id));
        self.listed.iter().map(|entry| entry.name.clone()).filter(|name| !planned(name)).collect()
    }

    fn status(&mut self, run: &PlanRun, entry: &RunEntry) -> RunStatus {
        let summary = &entry.summary;
        let score = summary.best();
        let progress =
            RunProgress { step: summary.step, steps: summary.steps, score: score.as_ref().map(|best| best.score) };
        if entry.state == RunState::Running {
            return RunStatus::Active(progress);
        }
        // Until a run has started, its folder has nothing to keep.
        if summary.preset.is_empty() {
            return RunStatus::Pending;
        }
        let known = self.known(&entry.name, &entry.path);
        if known.preset.as_ref().is_some_and(|preset| !is_run(preset, &run.id)) {
            let error = format!(
                "{}: its preset.toml has changed since (--set?), so it is not the run of the sweep; rename or delete it",
                entry.path.display()
            );
            return RunStatus::Failed { error };
        }
        match entry.state {
            RunState::Running | RunState::Interrupted | RunState::Stopped => RunStatus::Unfinished(progress),
            RunState::Failed => {
                let error = match &summary.end {
                    // In a line, as lists show it.
                    Some(crate::runs::RunEnd::Failed { error, .. }) => error.replace('\n', " "),
                    _ => "failed".to_owned(),
                };
                RunStatus::Failed { error }
            }
            RunState::Completed | RunState::EarlyStopped => match score {
                Some(best) => RunStatus::Done(RunResult {
                    run: entry.name.clone(),
                    metric: best.name.to_owned(),
                    score: best.score,
                    best_step: best.step,
                    seconds: summary.elapsed,
                    trainable: known.trainable,
                }),
                None => RunStatus::Failed { error: "no evaluation has a finite score".to_owned() },
            },
        }
    }

    fn known(&mut self, name: &str, folder: &Path) -> KnownRun {
        let known = self.known.entry(name.to_owned()).or_default();
        if known.preset.is_none() {
            let text = fs::read_to_string(folder.join("preset.toml")).ok();
            known.preset = text.and_then(|text| Preset::parse_stored(name, name, &text, &[], &self.cache).ok());
        }
        if known.trainable.is_none() {
            known.trainable = trainable(&folder.join("events.jsonl"));
        }
        known.clone()
    }
}

/// The identity at the end of a run's name.
fn id_in(name: &str) -> Option<&str> {
    Some(name.rsplit_once('-')?.1)
}

/// What the selection of a run has selected. Its event is among the first ones.
fn trainable(events: &Path) -> Option<Trainable> {
    EventRange::open(events, 0..u64::MAX).ok()?.find_map(|event| match event {
        Event::Selected(Selected { total, dense, .. }) => Some(Trainable { sparse: total, dense }),
        _ => None,
    })
}
