//! A sweep without screens: a line for each thing that happens, on stderr.

use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::path::Path;
use std::time::Duration;

use crate::quantity::grouped;
use crate::signals::{NotedSignal, Signal};
use crate::sweep::{
    Control, Format, Observer, Progress, RunStatus, SweepEnd, SweepFolder, SweepPlan, SweepTable, Update, report,
};
use crate::text::plain;

/// Prints what happens; a signal stops the sweep.
pub(super) struct Lines {
    plan: SweepPlan,
    signals: Option<NotedSignal>,
    progress: Progress,
    /// Runs that ended and are reported with the next progress.
    ended: Vec<usize>,
    announced: bool,
}

impl Lines {
    pub fn new(plan: SweepPlan) -> Lines {
        // Without handlers a signal ends this process at once, and its runs stop all the same.
        Lines {
            plan,
            signals: NotedSignal::listen().ok(),
            progress: Progress::default(),
            ended: Vec::new(),
            announced: false,
        }
    }

    pub fn say(&self, text: &str) {
        let _ = writeln!(io::stderr(), "{}", plain(text));
    }

    /// The signal that stopped the sweep.
    pub fn signal(&self) -> Option<Signal> {
        self.signals.as_ref()?.get()
    }

    /// What there is to do, in one line.
    pub fn overview(&self, progress: &Progress, folder: &Path, jobs: usize) -> String {
        let Progress { total, done, failed, .. } = *progress;
        let rows =
            if self.plan.rows.len() == 1 { "1 row".to_owned() } else { format!("{} rows", self.plan.rows.len()) };
        let seeds =
            if self.plan.seeds.len() == 1 { "1 seed".to_owned() } else { format!("{} seeds", self.plan.seeds.len()) };
        let mut text = format!("{rows}, {seeds}: {} runs in {}", grouped(total as u64), folder.display());
        if self.plan.rows.iter().any(|row| row.is_tuned()) {
            let _ = write!(text, ", {} tuned", self.plan.tune.key);
        }
        for (number, what) in [(done, "done"), (failed, "failed")] {
            if number > 0 {
                let _ = write!(text, ", {number} {what}");
            }
        }
        if jobs > 1 {
            let _ = write!(text, ", {jobs} at a time");
        }
        text
    }

    fn ended(&self, run: usize) {
        let Progress { total, done, failed, left, ref statuses, .. } = self.progress;
        let title = &self.plan.runs[run].title;
        let what = match &statuses[run] {
            RunStatus::Done(result) => format!("{} {:.4} ({:.1} s)", result.metric, result.score, result.seconds),
            RunStatus::Failed { error } => format!("failed: {error}"),
            _ => "stopped".to_owned(),
        };
        let left =
            left.filter(|_| done + failed < total).map(|left| format!("; ~{} left", clock(left))).unwrap_or_default();
        self.say(&format!("[{}/{total}] {title}: {what}{left}", done + failed));
    }
}

impl Observer for Lines {
    fn on_update(&mut self, update: Update) {
        match update {
            Update::Waiting(active) if active.is_empty() => {}
            Update::Waiting(active) => self.say(&format!("waiting for active runs: {}", active.join(", "))),
            Update::Started { run, resumed } => {
                let verb = if resumed { "resuming" } else { "starting" };
                self.say(&format!("{verb} {}", self.plan.runs[run].title));
            }
            Update::Ended { run } => self.ended.push(run),
            Update::Chosen { row, variant } => {
                let row = &self.plan.rows[row];
                self.say(&format!("{}: {} = {}", row.name, self.plan.tune.key, row.variants[variant].value));
            }
            Update::Progress(progress) => {
                self.progress = progress;
                for run in std::mem::take(&mut self.ended) {
                    self.ended(run);
                }
            }
        }
    }

    fn control(&mut self) -> Control {
        let Some(signal) = self.signal() else { return Control::Work };
        if !self.announced {
            self.announced = true;
            self.say(&format!("{signal}: stopping all runs with a checkpoint; run the sweep again to continue"));
        }
        Control::Stop
    }
}

/// Every run that is known, with what is done.
pub(super) fn run_lines(plan: &SweepPlan, progress: &Progress) -> String {
    let statuses = &progress.statuses;
    let mut text = String::new();
    for run in plan.counted(statuses) {
        let state = match &statuses[run] {
            RunStatus::Pending => "to train".to_owned(),
            RunStatus::Active(_) => "running".to_owned(),
            RunStatus::Unfinished(progress) => format!("to resume after {} steps", progress.step),
            RunStatus::Done(result) => format!("done: {} {:.4}", result.metric, result.score),
            RunStatus::Failed { error } => format!("failed: {error} (--retry tries it again)"),
        };
        let _ = writeln!(text, "{}: {state}", plain(&plan.runs[run].title));
    }
    let unknown = plan.unknown(statuses);
    if unknown > 0 {
        let _ =
            writeln!(text, "then {unknown} more, with the value of {} that tuning chooses for each row", plan.tune.key);
    }
    if let Some(left) = progress.left {
        let _ = writeln!(text, "~{} left, by the mean time of those that are done", clock(left));
    }
    text
}

/// The table, and where to find it.
pub(super) fn summary(plan: &SweepPlan, end: &SweepEnd, folder: &SweepFolder) -> String {
    let statuses = &end.progress.statuses;
    let mut text = report(&SweepTable::of(plan, statuses), plan, statuses, Format::Markdown);
    if let Some(time) = end.start_up {
        let _ = writeln!(text, "\nstart-up: {:.1} s per run, beside its training time", time.as_secs_f64());
    }
    let _ = writeln!(text, "\n{}: results.md, results.csv, results.json, results.svg", folder.path().display());
    text
}

/// A time as `h:mm:ss` or `m:ss`.
fn clock(time: Duration) -> String {
    let seconds = time.as_secs();
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    if hours > 0 { format!("{hours}:{minutes:02}:{seconds:02}") } else { format!("{minutes}:{seconds:02}") }
}
