//! The screen of an analysis: findings, figures, tables and notes of a report, also while it is being computed.
//!
//! ```text
//! part         the parts of a report that are shown one at a time
//! keys place   what keys do
//! draw         the state, the findings and the selected part
//! table        rows and columns
//! ```

mod draw;
mod keys;
mod part;
mod place;
mod table;

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::screen::Screen;
use crate::analysis::{Analysis, AnalysisUpdate, Report};
use crate::protocol::Progress;
use part::Part;

/// What the screen opens with.
pub enum AnalysisStart {
    /// An analysis to run.
    Run(Analysis),
    /// The report in a folder.
    Earlier { report: Box<Report>, folder: PathBuf },
}

/// The screen of an analysis.
pub struct AnalysisScreen {
    /// `gradients of demo`; empty without an analysis.
    title: String,
    folder: PathBuf,
    report: Option<Box<Report>>,
    state: State,
    /// The number of the part in front.
    part: usize,
    /// Whether it fills the screen.
    full: bool,
    /// Lines or rows that are scrolled past.
    scrolled: usize,
    /// Columns of a table, after the first, that are scrolled past.
    column: usize,
    /// The cursor of a figure, as a share of its x axis.
    cursor: Option<f64>,
    /// Time since the program started.
    now: Duration,
    back: Screen,
}

/// How far the analysis is.
enum State {
    /// There is none.
    None,
    Running {
        progress: Option<Progress>,
        /// When the first progress of this total came.
        since: Duration,
        cancelling: bool,
    },
    /// Its files are written.
    Done,
    Cancelled,
    Failed(String),
}

impl Default for AnalysisScreen {
    fn default() -> AnalysisScreen {
        AnalysisScreen {
            title: String::new(),
            folder: PathBuf::new(),
            report: None,
            state: State::None,
            part: 0,
            full: false,
            scrolled: 0,
            column: 0,
            cursor: None,
            now: Duration::ZERO,
            back: Screen::Home,
        }
    }
}

impl AnalysisScreen {
    /// Shows an analysis that begins now.
    pub fn start(&mut self, title: String, folder: PathBuf) {
        let state = State::Running { progress: None, since: self.now, cancelling: false };
        *self = AnalysisScreen { title, folder, state, now: self.now, back: self.back, ..AnalysisScreen::default() };
    }

    /// Shows the report of an earlier analysis.
    pub fn show(&mut self, report: Box<Report>, folder: PathBuf) {
        let title = format!("{} of {}", report.kind, report.subject);
        *self = AnalysisScreen {
            title,
            folder,
            report: Some(report),
            state: State::Done,
            now: self.now,
            back: self.back,
            ..AnalysisScreen::default()
        };
    }

    /// Whether there is an analysis to show.
    pub fn is_open(&self) -> bool {
        !matches!(self.state, State::None)
    }

    /// Whether the analysis is being computed.
    pub fn is_running(&self) -> bool {
        matches!(self.state, State::Running { .. })
    }

    /// `gradients of demo`.
    pub fn title(&self) -> &str {
        &self.title
    }

    /// The folder of its files.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Notes that the analysis was asked to stop.
    pub fn cancelling(&mut self) {
        if let State::Running { cancelling, .. } = &mut self.state {
            *cancelling = true;
        }
    }

    /// Notes the screen that this one is opened from.
    pub fn opened_from(&mut self, screen: Screen) {
        if screen != Screen::Analysis {
            self.back = screen;
        }
    }

    /// The screen that esc goes back to.
    pub fn back(&self) -> Screen {
        self.back
    }

    pub fn tick(&mut self, now: Duration) {
        self.now = now;
    }

    /// Applies an update of the analysis.
    pub fn on_update(&mut self, update: AnalysisUpdate) {
        match update {
            AnalysisUpdate::Progress(new) => {
                if let State::Running { progress, since, .. } = &mut self.state {
                    if progress.as_ref().is_none_or(|old| old.total != new.total || old.done > new.done) {
                        *since = self.now;
                    }
                    *progress = Some(new);
                }
            }
            AnalysisUpdate::Partial(report) => self.set_report(report),
            AnalysisUpdate::Done(report) => {
                self.set_report(report);
                self.state = State::Done;
            }
            AnalysisUpdate::Cancelled => self.state = State::Cancelled,
            AnalysisUpdate::Failed(error) => self.state = State::Failed(format!("{error:#}")),
        }
    }

    /// Keeps the part in front where the new report has more of them.
    fn set_report(&mut self, report: Box<Report>) {
        let name = |report: &Report, part: Part| part.name(report).map(str::to_owned);
        let shown = self.report.as_deref().and_then(|report| name(report, self.shown()?));
        let at = Part::all(&report).iter().position(|part| shown.is_some() && name(&report, *part) == shown);
        self.part = at.unwrap_or(self.part.min(Part::all(&report).len().saturating_sub(1)));
        self.report = Some(report);
    }

    /// The part in front.
    fn shown(&self) -> Option<Part> {
        Part::all(self.report.as_deref()?).get(self.part).copied()
    }
}
