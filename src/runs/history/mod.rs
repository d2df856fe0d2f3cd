//! The one fold of a run's events: what the monitor, lists, reports, exports and `--plain` know of a run.
//!
//! ```text
//! mod          History: apply
//! rewind       going back to an earlier step
//! clock        the time axis
//! reader       reads a history from a growing events.jsonl
//! smoothed     a curve with its moving averages
//! machine      curves of the machine and its GPU
//! ranks        samples and curves of the ranks of a run
//! stragglers   which of them the others wait for
//! targets      curves of each target
//! mean_curve   the loss curve of a list
//! rows         every step, for csv and tensorboard
//! log          the latest lines
//! completions  the latest completions
//! ```
//!
//! Two rules hold for all of them. A resume drops what came after the step resumed from. Time never decreases: training
//! time continues from the checkpoint's, and the machine's samples, whose clock starts at 0 in each process, continue
//! from the last sample kept.

mod clock;
mod completions;
mod log;
mod machine;
mod mean_curve;
mod ranks;
mod reader;
mod rewind;
mod rows;
mod smoothed;
mod stragglers;
mod targets;

use std::collections::{BTreeMap, VecDeque};
use std::path::PathBuf;

use crate::protocol::{
    Eval, Event, Examples, Finished, Level, Mass, Memory, Patience, Phase, Progress, Ranks, Reselected, Resumed,
    Selected, Started, Step, Structures, System,
};
use crate::quantity::bytes;
use crate::series::{At, Series};
use clock::Clock;
pub use completions::Completion;
pub use log::LogLine;
pub use machine::MachineCurves;
pub use mean_curve::MeanCurve;
pub use ranks::{RankHistory, responds};
pub use reader::HistoryReader;
pub use rows::{Row, Rows};
pub use smoothed::SmoothedSeries;
pub use stragglers::{RankTimes, Straggler};
pub use targets::{TargetHistories, TargetHistory, places};

/// A run as its events tell it, in bounded memory.
#[derive(Default)]
pub struct History {
    detail: Detail,
    pub started: Option<Started>,
    pub phase: Option<Phase>,
    /// Whether the run is paused, also while it evaluates or writes a checkpoint meanwhile.
    pub held: bool,
    /// The long task under way.
    pub task: Option<Progress>,
    /// Optimizer steps of the whole run; 0 before it is known.
    pub steps: u64,
    /// Optimizer steps taken.
    pub taken: u64,
    /// The latest step, where one was seen.
    pub step: Option<Step>,
    pub loss: SmoothedSeries,
    /// The loss for lists of runs.
    pub mean_loss: MeanCurve,
    pub grad_norm: SmoothedSeries,
    pub throughput: SmoothedSeries,
    pub learning_rate: Series,
    pub eval_loss: Series,
    /// By name of the score.
    pub scores: BTreeMap<String, Series>,
    /// Evaluations that were the best so far when they were made, in order.
    best: Vec<Eval>,
    /// Where the run stops early: its patience after the latest evaluation.
    pub patience: Option<Patience>,
    /// Examples of the latest evaluation.
    pub examples: Option<Examples>,
    /// The latest last.
    pub completions: VecDeque<Completion>,
    pub selected: Option<Selected>,
    pub targets: TargetHistories,
    /// What other structures would cover.
    pub structures: Option<Structures>,
    /// Where components were selected again: the share that was selected before as well, in percent.
    pub overlap: Series,
    /// Components that differ from the base model, where components were selected again.
    pub changed: Series,
    pub mass: Series,
    /// Mean relative update of the targets, in percent.
    pub update: Series,
    /// The latest gradient mass of each target.
    pub latest_mass: Option<Mass>,
    pub account: Option<Memory>,
    /// GPU memory where there is a GPU, else the resident set of the process.
    pub memory: Series,
    pub machine: MachineCurves,
    /// The latest sample.
    pub system: Option<System>,
    /// The ranks of the latest process, where there are several.
    pub ranks: RankHistory,
    pub log: VecDeque<LogLine>,
    /// Sizes of the checkpoints in bytes.
    pub checkpointed: Series,
    pub end: Option<RunEnd>,
    /// Where the latest process has resumed the run: the step, and the time on the axis of the machine's samples.
    pub resumed: Option<At>,
    /// Every step, where [`History::every_step`] asks for it.
    pub rows: Rows,
    clock: Clock,
}

/// What a history keeps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Detail {
    #[default]
    Charts,
    Summary,
    EveryStep,
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq)]
pub enum RunEnd {
    Finished(Finished),
    Failed { error: String, checkpoint: Option<PathBuf> },
}

impl History {
    /// A history for a list: facts, the best evaluations and the mean loss, in a few KiB.
    pub fn summary() -> History {
        History { detail: Detail::Summary, ..History::default() }
    }

    /// A history of every step for exports, in memory that grows with the run.
    pub fn every_step() -> History {
        History { detail: Detail::EveryStep, ..History::default() }
    }

    /// A history of the same kind without events.
    fn emptied(&self) -> History {
        History { detail: self.detail, ..History::default() }
    }

    /// Adds an event.
    pub fn apply(&mut self, event: Event) {
        match event {
            Event::Started(started) => self.on_started(started),
            Event::Resumed(resumed) => self.on_resumed(&resumed),
            Event::Phase { phase } => self.on_phase(phase),
            Event::Progress(progress) => self.task = Some(progress),
            Event::Step(step) => self.on_step(step),
            Event::Selected(selected) if self.has_charts() => {
                self.targets = TargetHistories::of(&selected);
                (self.structures, self.overlap, self.changed) = (None, Series::default(), Series::default());
                self.selected = Some(selected);
            }
            Event::Structures(structures) if self.has_charts() => self.structures = Some(structures),
            Event::Reselected(reselected) if self.has_charts() => self.on_reselected(&reselected),
            Event::Mass(mass) => self.on_mass(mass),
            Event::Eval(eval) => self.on_eval(eval),
            Event::Examples(examples) if self.has_charts() => self.examples = Some(examples),
            Event::Memory(memory) => self.account = Some(memory),
            Event::System(system) => self.on_sample(system),
            Event::Ranks(ranks) if self.has_charts() => self.on_ranks(ranks),
            Event::Sample { step, prompt, text } if self.has_charts() => {
                self.write(Level::Info, &format!("{prompt} -> {text}"));
                completions::add(&mut self.completions, Completion { step, prompt, text });
            }
            Event::Checkpointed { step, bytes: size, .. } if self.has_charts() => {
                self.checkpointed.push(self.at(step), size as f64);
                self.write(Level::Info, &format!("saved checkpoint at step {step} ({})", bytes(size as f64)));
            }
            Event::Log { level, message } => self.write(level, &message),
            Event::Finished(finished) => {
                (self.task, self.taken) = (None, finished.step);
                if let Some(best) = &finished.best {
                    self.add_best(best.clone());
                }
                self.end = Some(RunEnd::Finished(finished));
            }
            Event::Failed { error, checkpoint } => {
                self.task = None;
                self.write(Level::Error, &error);
                self.end = Some(RunEnd::Failed { error, checkpoint });
            }
            Event::Selected(_) | Event::Structures(_) | Event::Reselected(_) | Event::Ranks(_) => {}
            Event::Examples(_) | Event::Sample { .. } | Event::Checkpointed { .. } => {}
        }
    }

    /// Name of the run; empty before it is known.
    pub fn name(&self) -> &str {
        self.started.as_ref().map_or("", |started| started.run.as_str())
    }

    /// Training time in seconds, pauses excluded.
    pub fn elapsed(&self) -> f64 {
        match &self.end {
            Some(RunEnd::Finished(finished)) => finished.elapsed,
            _ => self.clock.trained,
        }
    }

    /// The best evaluation so far.
    pub fn best(&self) -> Option<&Eval> {
        self.best.last()
    }

    /// The number of ranks that train it; 1 before it is known.
    pub fn rank_count(&self) -> u64 {
        match self.ranks.samples.len() {
            0 => self.started.as_ref().map_or(1, |started| started.ranks),
            several => several as u64,
        }
    }

    /// Whether the model generates text, so that it can be prompted.
    pub fn writes(&self) -> bool {
        self.started.as_ref().is_some_and(|started| started.writes)
    }

    fn has_charts(&self) -> bool {
        self.detail == Detail::Charts
    }

    fn on_started(&mut self, started: Started) {
        if self.started.is_some() {
            // A run without a checkpoint begins again from step 0.
            let clock = self.clock.restarted();
            let (log, phase, held) = (std::mem::take(&mut self.log), self.phase, self.held);
            *self = History { log, phase, held, clock, ..self.emptied() };
        }
        (self.task, self.end) = (None, None);
        (self.steps, self.patience) = (started.steps, started.patience);
        self.started = Some(started);
    }

    fn on_resumed(&mut self, resumed: &Resumed) {
        self.rewind(resumed.step);
        self.taken = resumed.step;
        // Whoever resumes a run does not pause it, and an earlier end no longer counts.
        (self.task, self.end, self.held) = (None, None, false);
        (self.steps, self.patience) = (resumed.steps, resumed.patience);
        if let Some(started) = &mut self.started {
            // More epochs than the run was started for, for example.
            started.epochs *= resumed.steps as f64 / started.steps.max(1) as f64;
            started.steps = resumed.steps;
            (started.clip, started.ranks) = (resumed.clip, resumed.ranks);
            (started.device, started.device_note) = (resumed.device.clone(), resumed.device_note.clone());
            if !resumed.best.is_empty() {
                started.best.clone_from(&resumed.best);
            }
        }
        let kept = self.loss.raw.last_at().map_or(0.0, |at| at.time).max(self.rows.elapsed());
        let sampled = self.memory.last_at().map_or(0.0, |at| at.time);
        self.clock.on_resumed(resumed.elapsed.max(kept), sampled);
        self.resumed = Some(At { step: resumed.step as f64, time: self.clock.trained.max(sampled) });
        if let Some(step) = &mut self.step {
            step.elapsed = self.clock.trained;
        }
        self.write(Level::Info, &format!("resumed from step {}", resumed.step));
    }

    fn on_phase(&mut self, phase: Phase) {
        match (self.phase, phase) {
            (_, Phase::Paused) => self.held = true,
            (Some(Phase::Paused), Phase::Training) => self.held = false,
            _ => {}
        }
        // A run that ended and has a phase was resumed.
        (self.task, self.end) = (None, None);
        self.phase = Some(phase);
    }

    fn on_step(&mut self, mut step: Step) {
        self.clock.on_step(step.elapsed);
        step.elapsed = self.clock.trained;
        (self.taken, self.end) = (step.step, None);
        let at = self.at(step.step);
        self.mean_loss.push(step.step, step.loss);
        match self.detail {
            Detail::Charts => {
                self.loss.push(at, step.loss);
                self.grad_norm.push(at, step.grad_norm);
                self.throughput.push(at, step.tokens_per_second);
                self.learning_rate.push(at, step.learning_rate);
            }
            Detail::EveryStep => self.rows.at(step.step, self.clock.trained).step = Some(step.clone()),
            Detail::Summary => {}
        }
        self.step = Some(step);
    }

    fn on_reselected(&mut self, reselected: &Reselected) {
        let at = self.at(reselected.step);
        self.overlap.push(at, reselected.overlap());
        self.changed.push(at, reselected.changed as f64);
        self.targets.reselect(at, &reselected.targets);
        self.count_selected();
    }

    /// Counts the selected components of all targets after those of a target have changed.
    fn count_selected(&mut self) {
        let Some(selected) = &mut self.selected else { return };
        for (target, history) in selected.targets.iter_mut().zip(&self.targets.all) {
            target.selected = history.selected();
        }
        selected.total = selected.targets.iter().map(|target| target.selected).sum();
    }

    fn on_mass(&mut self, mass: Mass) {
        match self.detail {
            Detail::Charts => {
                let at = self.at(mass.step);
                self.mass.push(at, mass.overall);
                if let Some(update) = mass.mean_update() {
                    self.update.push(at, update);
                }
                self.targets.push(at, &mass);
                self.latest_mass = Some(mass);
            }
            Detail::EveryStep => self.rows.at(mass.step, self.clock.trained).mass = Some(mass.overall),
            Detail::Summary => {}
        }
    }

    fn on_eval(&mut self, eval: Eval) {
        match self.detail {
            Detail::Charts => {
                let at = self.at(eval.step);
                self.eval_loss.push(at, eval.loss);
                for (name, &score) in &eval.scores {
                    self.scores.entry(name.clone()).or_default().push(at, score);
                }
                let scores = eval.scores.iter().map(|(name, score)| format!("{name} {score:.4}"));
                let scores = scores.collect::<Vec<_>>().join(", ");
                let best = if eval.best { ", best so far" } else { "" };
                let patience = eval.patience.map(|patience| format!(", {patience}")).unwrap_or_default();
                let text = format!("evaluation at step {}: {scores}, loss {:.4}{best}{patience}", eval.step, eval.loss);
                self.write(Level::Info, &text);
            }
            Detail::EveryStep => self.rows.at(eval.step, self.clock.trained).eval = Some(eval.clone()),
            Detail::Summary => {}
        }
        self.patience = eval.patience;
        if eval.best {
            self.add_best(eval);
        }
    }

    /// Adds an evaluation that is the best. Where only parts of a file are read, one may come late.
    fn add_best(&mut self, eval: Eval) {
        self.best.retain(|earlier| earlier.step < eval.step);
        self.best.push(eval);
    }

    fn on_sample(&mut self, system: System) {
        self.clock.on_sample(system.at);
        if self.has_charts() {
            let step = self.step.as_ref().map_or(0.0, |step| step.step as f64);
            let at = At { step, time: self.clock.sampled };
            let used = system.gpu.as_ref().map_or(system.process_rss, |gpu| gpu.memory_used);
            self.memory.push(at, used as f64);
            self.machine.push(at, &system);
            self.system = Some(system);
        }
    }

    fn on_ranks(&mut self, ranks: Ranks) {
        // A sample of the machine is never more than a second old, and its clock never goes back.
        let step = self.step.as_ref().map_or(0, |step| step.step);
        self.ranks.push(At { step: step as f64, time: self.clock.sampled }, ranks);
    }

    fn at(&self, step: u64) -> At {
        At { step: step as f64, time: self.clock.trained }
    }

    fn write(&mut self, level: Level, message: &str) {
        if self.has_charts() {
            log::write(&mut self.log, self.clock.latest, level, message);
        }
    }
}

#[cfg(test)]
mod tests;
