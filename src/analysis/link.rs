//! An analysis on a thread of its own, and what it sends to the front end: progress, partial reports, and the report.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::Result;
use tokio::sync::mpsc;

use super::files;
use super::report::Report;
use crate::panics::catch_panic;
use crate::protocol::Progress;
use crate::system::KeptPages;

/// Updates that can wait for a front end.
const UPDATES: usize = 64;

/// An analysis that has not started.
pub struct Analysis {
    /// What is analysed, in few words: `gradients of demo`.
    pub title: String,
    /// The folder for its files.
    pub folder: PathBuf,
    /// The computation. It polls [`Reporter::check`] between batches.
    pub run: Computation,
}

/// What computes a report.
pub type Computation = Box<dyn FnOnce(&Reporter) -> Result<Report> + Send>;

/// What an analysis sends.
#[derive(Debug)]
pub enum AnalysisUpdate {
    Progress(Progress),
    /// What is known so far, in the form of the report.
    Partial(Box<Report>),
    /// The report, whose files are written.
    Done(Box<Report>),
    Cancelled,
    Failed(anyhow::Error),
}

/// A running analysis, seen from the front end.
pub struct AnalysisLink {
    updates: mpsc::Receiver<AnalysisUpdate>,
    cancelled: Arc<AtomicBool>,
    /// `None` once it is joined.
    thread: Option<JoinHandle<()>>,
}

/// The thread's side.
pub struct Reporter {
    updates: mpsc::Sender<AnalysisUpdate>,
    cancelled: Arc<AtomicBool>,
}

/// The error of a cancelled analysis; nothing was written.
#[derive(Debug, PartialEq, Eq)]
pub struct Cancelled;

impl fmt::Display for Cancelled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("cancelled; nothing was written")
    }
}

impl std::error::Error for Cancelled {}

impl AnalysisLink {
    /// Starts an analysis on a thread named `analysis`. When it is done, its files are written.
    ///
    /// # Errors
    /// The thread cannot be started.
    pub fn spawn(analysis: Analysis) -> io::Result<AnalysisLink> {
        let (sender, updates) = mpsc::channel(UPDATES);
        let cancelled = Arc::<AtomicBool>::default();
        let reporter = Reporter { updates: sender, cancelled: cancelled.clone() };
        let thread = Builder::new().name("analysis".into()).spawn(move || {
            let pages = KeptPages::start();
            let outcome = catch_panic(|| {
                let report = (analysis.run)(&reporter)?;
                reporter.check()?;
                files::write(&report, &analysis.folder)?;
                Ok(report)
            });
            drop(pages);
            // Nobody is there once the front end has left.
            let _ = reporter.updates.blocking_send(match outcome {
                Ok(report) => AnalysisUpdate::Done(Box::new(report)),
                Err(error) if error.is::<Cancelled>() => AnalysisUpdate::Cancelled,
                Err(error) => AnalysisUpdate::Failed(error),
            });
        })?;
        Ok(AnalysisLink { updates, cancelled, thread: Some(thread) })
    }

    /// Asks the analysis to stop. Its last update follows after the current batch.
    pub fn cancel(&self) {
        self.cancelled.store(true, Ordering::Relaxed);
    }

    /// The next update; `None` after the last. Cancel-safe.
    pub async fn next(&mut self) -> Option<AnalysisUpdate> {
        self.updates.recv().await
    }

    /// The next update, if there is one already.
    pub fn try_next(&mut self) -> Option<AnalysisUpdate> {
        self.updates.try_recv().ok()
    }
}

impl Drop for AnalysisLink {
    /// Cancels the analysis and waits for it: a computation must not outlive libtorch. A download may.
    fn drop(&mut self) {
        const PATIENCE: Duration = Duration::from_secs(10);
        self.cancel();
        self.updates.close();
        let start = Instant::now();
        if let Some(thread) = self.thread.take() {
            while !thread.is_finished() && start.elapsed() < PATIENCE {
                std::thread::sleep(Duration::from_millis(5));
            }
        }
    }
}

impl Reporter {
    /// Fails if the analysis was cancelled.
    ///
    /// # Errors
    /// [`Cancelled`]
    pub fn check(&self) -> Result<(), Cancelled> {
        if self.cancelled.load(Ordering::Relaxed) { Err(Cancelled) } else { Ok(()) }
    }

    /// Sends progress, unless the front end has not read what was sent before.
    pub fn progress(&self, progress: Progress) {
        let _ = self.updates.try_send(AnalysisUpdate::Progress(progress));
    }

    /// Sends what is known so far, unless the front end has not read what was sent before.
    pub fn partial(&self, report: &Report) {
        let _ = self.updates.try_send(AnalysisUpdate::Partial(Box::new(report.clone())));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::samples;

    fn analysis(folder: PathBuf, run: impl FnOnce(&Reporter) -> Result<Report> + Send + 'static) -> Analysis {
        Analysis { title: "gradients of demo".into(), folder, run: Box::new(run) }
    }

    #[test]
    fn a_report_comes_after_progress_and_its_files_are_there() {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("out");
        let mut link = AnalysisLink::spawn(analysis(out.clone(), |reporter| {
            reporter.progress(Progress { task: "batches".into(), done: 1, total: 2, unit: "batches".into() });
            reporter.partial(&samples::report());
            Ok(samples::report())
        }))
        .unwrap();
        assert!(matches!(link.updates.blocking_recv(), Some(AnalysisUpdate::Progress(Progress { done: 1, .. }))));
        assert!(matches!(link.updates.blocking_recv(), Some(AnalysisUpdate::Partial(_))));
        assert!(matches!(link.updates.blocking_recv(), Some(AnalysisUpdate::Done(_))));
        assert!(link.updates.blocking_recv().is_none());
        assert_eq!(files::read(&out).unwrap().kind, "gradients");
    }

    #[test]
    fn a_cancelled_analysis_writes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let endless = |reporter: &Reporter| loop {
            reporter.check()?;
            reporter.partial(&samples::report());
            std::thread::sleep(Duration::from_millis(1));
        };
        let mut link = AnalysisLink::spawn(analysis(folder.path().join("out"), endless)).unwrap();
        assert!(matches!(link.updates.blocking_recv(), Some(AnalysisUpdate::Partial(_))));
        link.cancel();
        let last = std::iter::from_fn(|| link.updates.blocking_recv()).last();
        assert!(matches!(last, Some(AnalysisUpdate::Cancelled)), "{last:?}");
        assert!(!folder.path().join("out").exists());
        // Leaving cancels it as well.
        drop(AnalysisLink::spawn(analysis(folder.path().join("out"), endless)).unwrap());
        assert!(!folder.path().join("out").exists());
    }

    #[test]
    fn errors_and_panics_are_reported() {
        for panics in [false, true] {
            let run = move |_: &Reporter| if panics { panic!("a bug") } else { anyhow::bail!("a bug") };
            let mut link = AnalysisLink::spawn(analysis("nowhere".into(), run)).unwrap();
            let last = link.updates.blocking_recv();
            assert!(
                matches!(&last, Some(AnalysisUpdate::Failed(error)) if error.to_string().contains("a bug")),
                "{last:?}"
            );
        }
    }
}
