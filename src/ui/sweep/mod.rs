//! The screen Sweep: the live table of a sweep, its progress, and the runs of the selected row.
//!
//! ```text
//! place    what keys do here
//! draw     the parts of the screen, progress
//! table    the table of scores
//! detail   the runs of the selected row
//! layout   where they are
//! ```

mod detail;
mod draw;
mod layout;
mod place;
mod table;

use std::path::PathBuf;
use std::sync::Arc;

use ratatui::layout::{Position, Rect};

use super::input::UserInput;
use super::intent::Intent;
use super::keymap::{Action, Context, Keymap};
use crate::figure::Figure;
use crate::sweep::{Progress, RunStatus, SweepPlan, SweepTable, Update};

/// The sweep of this process.
pub struct SweepScreen {
    name: String,
    /// The folder of its runs.
    folder: PathBuf,
    plan: Arc<SweepPlan>,
    progress: Progress,
    table: SweepTable,
    /// The scores of the table as a chart.
    figure: Figure,
    /// Whether the chart has the whole screen.
    full: bool,
    sort: SweepSort,
    /// Rows in the order in which they are shown.
    order: Vec<usize>,
    /// The selected row, as a place in that order.
    cursor: usize,
    /// The selected run of that row.
    run: usize,
    /// Whether no more runs are to start.
    held: bool,
    /// Runs of others that the sweep waits for.
    waiting: Vec<String>,
    state: WorkState,
}

/// Whether the sweep is worked on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum WorkState {
    Working,
    Ended,
}

/// The order of the rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum SweepSort {
    File,
    /// The best mean first.
    Score,
    /// The shortest mean time first.
    Time,
}

impl SweepSort {
    fn name(self) -> &'static str {
        match self {
            SweepSort::File => "in file order",
            SweepSort::Score => "sorted by score",
            SweepSort::Time => "sorted by time",
        }
    }

    fn next(self) -> SweepSort {
        match self {
            SweepSort::File => SweepSort::Score,
            SweepSort::Score => SweepSort::Time,
            SweepSort::Time => SweepSort::File,
        }
    }
}

impl SweepScreen {
    /// A sweep that is about to be worked on.
    pub fn new(name: String, folder: PathBuf, plan: SweepPlan) -> SweepScreen {
        let statuses = vec![RunStatus::Pending; plan.runs.len()];
        let table = SweepTable::of(&plan, &statuses);
        let progress = Progress { statuses, total: plan.runs.len(), ..Progress::default() };
        SweepScreen {
            name,
            folder,
            order: (0..plan.rows.len()).collect(),
            figure: table.figure(&plan),
            plan: Arc::new(plan),
            progress,
            table,
            full: false,
            sort: SweepSort::File,
            cursor: 0,
            run: 0,
            held: false,
            waiting: Vec::new(),
            state: WorkState::Working,
        }
    }

    /// Whether runs are trained, or will be.
    pub fn at_work(&self) -> bool {
        self.state == WorkState::Working
    }

    /// `mrpc: 12/60`.
    pub fn headline(&self) -> String {
        let Progress { done, failed, total, .. } = self.progress;
        format!("{}: {}/{total}", self.name, done + failed)
    }

    /// Applies what has happened. Returns what to tell the user while another screen is in front.
    pub fn on_update(&mut self, update: Update) -> Option<String> {
        match update {
            Update::Progress(progress) if progress.statuses.len() == self.plan.runs.len() => {
                self.table = SweepTable::of(&self.plan, &progress.statuses);
                self.figure = self.table.figure(&self.plan);
                self.progress = progress;
                self.arrange();
            }
            Update::Waiting(active) => self.waiting = active,
            Update::Ended { run } => {
                if let RunStatus::Failed { error } = self.progress.statuses.get(run)? {
                    return Some(format!("{} failed: {error}", self.plan.runs[run].title));
                }
            }
            Update::Started { .. } | Update::Chosen { .. } | Update::Progress(_) => {}
        }
        None
    }

    /// The work has ended. Returns what to tell the user.
    pub fn on_end(&mut self) -> String {
        self.state = WorkState::Ended;
        self.waiting.clear();
        let Progress { done, failed, total, .. } = self.progress;
        let failed = if failed > 0 { format!(", {failed} failed") } else { String::new() };
        format!("the sweep {} has ended: {done} of {total} runs are done{failed}", self.name)
    }

    /// Handles an input in the body of the screen.
    pub fn handle(&mut self, input: &UserInput, body: Rect, keymap: &Keymap) -> Option<Intent> {
        match input {
            UserInput::Key(key) => self.act(keymap.action(Context::Sweep, key)?, body),
            UserInput::Click(at) => self.click(*at, body),
            UserInput::ScrollUp(at) | UserInput::ScrollDown(at) if body.contains(*at) => {
                let up = matches!(input, UserInput::ScrollUp(_));
                self.act(if up { Action::Up } else { Action::Down }, body)
            }
            _ => None,
        }
    }

    /// Performs an action.
    pub fn act(&mut self, action: Action, body: Rect) -> Option<Intent> {
        let page = usize::from(body.height / 2).max(1);
        match action {
            Action::App(action) => return Some(Intent::App(action)),
            _ if !self.applies(action) => {}
            Action::Chart => self.full = !self.full,
            Action::Back => self.full = false,
            Action::Up => self.go_to(self.cursor.saturating_sub(1)),
            Action::Down => self.go_to(self.cursor + 1),
            Action::PageUp => self.go_to(self.cursor.saturating_sub(page)),
            Action::PageDown => self.go_to(self.cursor + page),
            Action::First => self.go_to(0),
            Action::Last => self.go_to(usize::MAX),
            Action::Left => self.run = self.run.saturating_sub(1),
            Action::Right => self.run = (self.run + 1).min(self.runs().len().saturating_sub(1)),
            Action::Sort => {
                self.sort = self.sort.next();
                self.arrange();
            }
            Action::PauseOrResume => {
                self.held = !self.held;
                return Some(Intent::HoldSweep(self.held));
            }
            Action::Enter => return self.open(),
            _ => {}
        }
        None
    }

    /// The runs of the selected row: those of all its values.
    fn runs(&self) -> Vec<usize> {
        let Some(row) = self.order.get(self.cursor).map(|row| &self.plan.rows[*row]) else { return Vec::new() };
        let counted = self.plan.counted(&self.progress.statuses);
        let runs = row.variants.iter().flat_map(|variant| variant.runs.values().copied());
        let mut runs: Vec<usize> = runs.filter(|run| counted.contains(run)).collect();
        runs.sort_by_key(|run| counted.iter().position(|other| other == run));
        runs
    }

    /// Watches the selected run, or replays it.
    fn open(&self) -> Option<Intent> {
        let run = *self.runs().get(self.run)?;
        let title = &self.plan.runs[run].title;
        let folder = self.progress.folders.get(run).map(|name| self.folder.join(name));
        Some(match (&self.progress.statuses[run], folder) {
            (RunStatus::Active(_), Some(folder)) => Intent::Attach(folder),
            (RunStatus::Done(_) | RunStatus::Unfinished(_), Some(folder)) => Intent::Replay(folder),
            (RunStatus::Failed { error }, folder) => match folder.filter(|folder| folder.exists()) {
                Some(folder) => Intent::Replay(folder),
                None => Intent::Refuse(format!("{title} could not start: {error}")),
            },
            _ => Intent::Refuse(format!("{title} has not started")),
        })
    }

    fn go_to(&mut self, place: usize) {
        let place = place.min(self.order.len().saturating_sub(1));
        if place != self.cursor {
            (self.cursor, self.run) = (place, 0);
        }
    }

    /// Sorts the rows; the selected one stays selected.
    fn arrange(&mut self) {
        let selected = self.order.get(self.cursor).copied();
        let rows = &self.table.rows;
        let rank = |row: usize| match self.sort {
            SweepSort::File => 0.0,
            SweepSort::Score if self.table.lower_is_better => rows[row].mean.unwrap_or(f64::INFINITY),
            SweepSort::Score => -rows[row].mean.unwrap_or(f64::NEG_INFINITY),
            SweepSort::Time => rows[row].seconds.unwrap_or(f64::INFINITY),
        };
        self.order = (0..rows.len()).collect();
        self.order.sort_by(|a, b| rank(*a).total_cmp(&rank(*b)));
        self.cursor = selected.and_then(|row| self.order.iter().position(|other| *other == row)).unwrap_or(0);
        self.run = self.run.min(self.runs().len().saturating_sub(1));
    }

    /// A click on a row or a run selects it, one on the selected run opens it.
    fn click(&mut self, at: Position, body: Rect) -> Option<Intent> {
        let layout::Parts { table, runs, .. } = layout::parts(self, body);
        if let Some(place) = table::row_at(self, table, at) {
            self.go_to(place);
        } else if let Some(place) = detail::run_at(self, runs, at) {
            if place == self.run {
                return self.open();
            }
            self.run = place;
        }
        None
    }
}
