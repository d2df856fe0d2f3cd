//! Runs an analysis and shows it: on its screen, as text or as JSON.

use std::cell::RefCell;
use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Args;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::show::open;
use super::text;
use crate::analysis::{Analysis, AnalysisLink, AnalysisUpdate, Report, files};
use crate::cli::args::WorkbenchArgs;
use crate::cli::{is_dumb, on_terminal, print};
use crate::protocol::Progress;
use crate::signals::{Signal, Signals};
use crate::ui::AnalysisStart;

/// Where the files of an analysis go, and how it is shown.
#[derive(Args)]
pub(super) struct AnalyzeArgs {
    /// Folder for the report, its figures and tables; an earlier analysis there is replaced [default: analyses/ANALYSIS-NAME]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Print the findings and tables as text instead of opening the screen
    #[arg(long)]
    plain: bool,
    /// Print the report as JSON instead of opening the screen
    #[arg(long, conflicts_with = "plain")]
    json: bool,
    #[command(flatten)]
    pub(super) workbench: WorkbenchArgs,
}

impl AnalyzeArgs {
    /// The folder for the files of an analysis, checked before anything is computed.
    ///
    /// # Errors
    /// [`Usage`](crate::Usage): it holds anything but an earlier analysis.
    pub(super) fn folder(&self, kind: &str, subject: &str) -> Result<PathBuf> {
        let folder = self.out.clone().unwrap_or_else(|| default_folder(kind, subject));
        files::check_folder(&folder)?;
        Ok(folder)
    }

    /// Runs an analysis and shows it.
    ///
    /// # Errors
    /// Those of the analysis.
    pub(super) fn show(&self, analysis: Analysis) -> Result<ExitCode> {
        if !self.plain && !self.json && on_terminal() && !is_dumb() {
            return open(&self.workbench, AnalysisStart::Run(analysis));
        }
        let folder = analysis.folder.clone();
        match watch(analysis)? {
            Ended::Done(report) if self.json => print(&(serde_json::to_string(&report)? + "\n"))?,
            Ended::Done(report) => {
                print(&text::report(&report))?;
                let _ = writeln!(io::stderr(), "report, figures and tables: {}", folder.display());
            }
            Ended::Signalled(signal) => {
                let _ = writeln!(io::stderr(), "{signal}: cancelled the analysis; nothing was written");
                return Ok(ExitCode::from(signal.exit_code() as u8));
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// `analyses/gradients-demo`.
pub(super) fn default_folder(kind: &str, subject: &str) -> PathBuf {
    let plain = |c: char| if c.is_alphanumeric() || matches!(c, '-' | '_' | '.') { c } else { '-' };
    let name: String = subject.chars().map(plain).collect();
    Path::new("analyses").join(format!("{kind}-{}", name.trim_matches(['-', '.'])))
}

/// How an analysis ended.
enum Ended {
    Done(Box<Report>),
    Signalled(Signal),
}

/// Runs an analysis with its progress on stderr. The first signal cancels it, the second one ends the process.
fn watch(analysis: Analysis) -> Result<Ended> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let bar = Bar::new()?;
    runtime.block_on(async {
        let mut signals = Signals::listen()?;
        let mut link = AnalysisLink::spawn(analysis).context("cannot start the analysis")?;
        let mut signalled: Option<Signal> = None;
        loop {
            tokio::select! {
                update = link.next() => match update.context("the analysis has ended without a report")? {
                    AnalysisUpdate::Progress(progress) => bar.show(progress),
                    AnalysisUpdate::Partial(_) => {}
                    AnalysisUpdate::Done(report) => return Ok(Ended::Done(report)),
                    AnalysisUpdate::Cancelled => return Ok(Ended::Signalled(signalled.unwrap_or(Signal::Interrupt))),
                    AnalysisUpdate::Failed(error) => return Err(error),
                },
                signal = signals.next() => {
                    if signalled.is_some() {
                        // Skips libtorch's destructors, which crash while it computes.
                        signal_hook::low_level::exit(signal.exit_code());
                    }
                    signalled = Some(signal);
                    link.cancel();
                }
            }
        }
    })
}

/// Progress on stderr: a bar on a terminal, else a line for each task.
struct Bar {
    bar: ProgressBar,
    task: RefCell<String>,
}

impl Bar {
    fn new() -> Result<Bar> {
        let bar = ProgressBar::new(0);
        bar.set_style(ProgressStyle::with_template("{msg} {wide_bar} {pos}/{len} {eta}")?);
        if !io::stderr().is_terminal() {
            bar.set_draw_target(ProgressDrawTarget::hidden());
        }
        Ok(Bar { bar, task: Default::default() })
    }

    fn show(&self, progress: Progress) {
        let Progress { task, done, total, .. } = progress;
        if *self.task.borrow() != task {
            if self.bar.is_hidden() {
                let _ = writeln!(io::stderr(), "{task}: {done} of {total}");
            }
            self.bar.set_message(task.clone());
            self.task.replace(task);
        }
        if self.bar.length() != Some(total) {
            self.bar.reset_eta();
        }
        self.bar.set_length(total);
        self.bar.set_position(done);
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
