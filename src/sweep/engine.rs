//! Works on a sweep until no run is due: waits for its turn, starts the processes of runs, and stores results as they come.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::time::Duration;

use anyhow::Result;

use super::plan::{ExpandedSweep, PlanRun};
use super::report::{Format, report};
use super::schedule::Choice;
use super::state::{SweepFolder, SweepState};
use super::status::{RunStatus, StatusReader};
use super::table::SweepTable;
use super::worker::{Launcher, Worker, WorkerEnd, WorkerJob};
use crate::queue::{Queue, Turn};
use crate::runs::RunLock;

/// Time between two looks at the run folders, and at what the front end wants.
const LOOK: Duration = Duration::from_millis(200);

/// How a sweep is worked on.
#[derive(Clone, Debug)]
pub struct EngineOptions {
    /// The sweep file.
    pub file: PathBuf,
    /// Runs at a time.
    pub jobs: usize,
    /// Whether failed runs are tried again.
    pub retry: bool,
    pub launcher: Launcher,
    /// finesift's cache folder.
    pub cache: PathBuf,
}

/// What the front end wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Control {
    Work,
    /// Start no more runs.
    Hold,
    /// Stop all runs with a checkpoint, and end.
    Stop,
}

/// A front end.
pub trait Observer {
    fn on_update(&mut self, update: Update);
    /// Asked several times a second.
    fn control(&mut self) -> Control;
}

/// What has happened.
#[derive(Clone, Debug, PartialEq)]
pub enum Update {
    /// Runs of others are active, and the sweep waits for them.
    Waiting(Vec<String>),
    /// The process of a run has started.
    Started {
        run: usize,
        resumed: bool,
    },
    /// The process of a run has ended; its status is in the progress that follows.
    Ended {
        run: usize,
    },
    /// A value was chosen for a row.
    Chosen {
        row: usize,
        variant: usize,
    },
    Progress(Progress),
}

/// How far a sweep is.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Progress {
    /// By index of the run in the plan.
    pub statuses: Vec<RunStatus>,
    /// Runs of the sweep, as far as they are known, and those that follow from values that are not chosen yet.
    pub total: usize,
    pub done: usize,
    pub failed: usize,
    /// Names of the folders of the runs.
    pub folders: Vec<String>,
    /// Runs that have a process here.
    pub running: Vec<usize>,
    /// Estimated time left.
    pub left: Option<Duration>,
}

/// How the work ended.
#[derive(Clone, Debug, PartialEq)]
pub struct SweepEnd {
    pub progress: Progress,
    /// Whether the front end stopped it.
    pub stopped: bool,
    /// Mean time of a run of this process beside its training time: start, model, data, selection.
    pub start_up: Option<Duration>,
}

/// Works on a sweep.
pub struct Engine {
    sweep: ExpandedSweep,
    folder: SweepFolder,
    options: EngineOptions,
    queue: Queue,
    reader: StatusReader,
    workers: Vec<Worker>,
    sender: Sender<WorkerEnd>,
    ended: Receiver<WorkerEnd>,
    /// Why runs of this process have ended, where their folders do not say it.
    failures: BTreeMap<usize, String>,
    /// Runs that were started here.
    tried: BTreeSet<usize>,
    /// Rows whose choice was reported.
    chosen: BTreeSet<usize>,
    /// Time of completed runs of this process, by index: of the process, and of training.
    times: BTreeMap<usize, (Duration, f64)>,
    waiting: Vec<String>,
}

impl Engine {
    pub fn new(sweep: ExpandedSweep, folder: SweepFolder, options: EngineOptions) -> Engine {
        let (sender, ended) = mpsc::channel();
        let reader = StatusReader::new(&folder.path(), &options.cache);
        let queue = Queue::of(folder.runs());
        let (workers, failures, tried) = (Vec::new(), BTreeMap::new(), BTreeSet::new());
        let (chosen, times, waiting) = (BTreeSet::new(), BTreeMap::new(), Vec::new());
        Engine {
            sweep,
            folder,
            options,
            queue,
            reader,
            workers,
            sender,
            ended,
            failures,
            tried,
            chosen,
            times,
            waiting,
        }
    }

    /// Names of the runs that belong to an earlier version of the sweep file, and how far the sweep is.
    ///
    /// # Errors
    /// The folder cannot be read.
    pub fn look(&mut self) -> Result<(Vec<String>, Progress)> {
        let progress = self.progress()?;
        Ok((self.reader.stale(&self.sweep.plan), progress))
    }

    /// Works until no run is due. Dropped before, it stops its runs with a checkpoint each.
    ///
    /// # Errors
    /// The folder of the sweep cannot be read or written. Failures of runs are no errors.
    pub fn run(mut self, observer: &mut dyn Observer) -> Result<SweepEnd> {
        let mut turn: Option<RunLock> = None;
        let mut stopped = false;
        let mut progress = self.progress()?;
        // Until it is this process's turn, the results are another one's.
        let mut stored = None;
        loop {
            self.report_choices(&progress, observer);
            observer.on_update(Update::Progress(progress.clone()));
            if !stopped && observer.control() == Control::Stop {
                stopped = true;
                self.workers.iter_mut().for_each(Worker::stop);
            }
            let due = self.due(&progress.statuses);
            let elsewhere = self.active_elsewhere(&progress.statuses);
            if self.workers.is_empty() && (stopped || due.is_empty() && elsewhere.is_empty()) {
                break;
            }
            if !stopped && turn.is_none() && !due.is_empty() {
                turn = self.take_turn(observer)?;
            } else if self.workers.is_empty() && due.is_empty() {
                self.report_waiting(elsewhere, observer);
            }
            if turn.is_some() {
                if !stopped && observer.control() == Control::Work {
                    self.start(&due, &progress.statuses, observer)?;
                }
                if stored.as_ref() != Some(&(progress.done, progress.failed)) {
                    stored = Some((progress.done, progress.failed));
                    self.store(&progress.statuses)?;
                }
            }
            let ended = self.wait();
            progress = self.progress()?;
            for end in ended {
                self.on_end(&end, stopped, &progress.statuses);
                progress = self.progress()?;
                observer.on_update(Update::Ended { run: end.run });
            }
        }
        self.store(&progress.statuses)?;
        Ok(SweepEnd { start_up: self.start_up(), progress, stopped })
    }

    /// The status of every run: what its folder says, and why it could not start.
    fn statuses(&mut self) -> Result<Vec<RunStatus>> {
        let mut statuses = self.reader.read(&self.sweep.plan)?;
        for (run, status) in statuses.iter_mut().enumerate() {
            let again = self.options.retry && !self.tried.contains(&run);
            match (&*status, self.failures.get(&run)) {
                (RunStatus::Failed { .. }, _) if again => *status = RunStatus::Pending,
                (RunStatus::Pending | RunStatus::Unfinished(_), Some(error)) => {
                    *status = RunStatus::Failed { error: error.clone() };
                }
                _ => {}
            }
        }
        Ok(statuses)
    }

    fn progress(&mut self) -> Result<Progress> {
        let statuses = self.statuses()?;
        let plan = &self.sweep.plan;
        let counted = plan.counted(&statuses);
        let count = |is: fn(&RunStatus) -> bool| counted.iter().filter(|run| is(&statuses[**run])).count();
        let done = count(|status| matches!(status, RunStatus::Done(_)));
        let failed = count(|status| matches!(status, RunStatus::Failed { .. }));
        let total = counted.len() + plan.unknown(&statuses);
        let running: Vec<usize> = self.workers.iter().map(|worker| worker.run).collect();
        let left = self.time_left(&statuses, total - done - failed);
        let folder = |run: &PlanRun| self.reader.folder_of(run).unwrap_or(&run.folder).to_owned();
        let folders = plan.runs.iter().map(folder).collect();
        Ok(Progress { statuses, total, done, failed, folders, running, left })
    }

    /// The mean time of a run, times those left.
    fn time_left(&self, statuses: &[RunStatus], left: usize) -> Option<Duration> {
        let trained = statuses.iter().filter_map(|status| match status {
            RunStatus::Done(result) => Some(result.seconds),
            _ => None,
        });
        let trained: Vec<f64> = trained.collect();
        if trained.is_empty() {
            return None;
        }
        let start_up = self.start_up().map_or(0.0, |time| time.as_secs_f64());
        let each = trained.iter().sum::<f64>() / trained.len() as f64 + start_up;
        let under_way = self.workers.iter().map(|worker| match &statuses[worker.run] {
            RunStatus::Active(progress) if progress.steps > 0 => progress.step as f64 / progress.steps as f64,
            _ => 0.0,
        });
        let left = (left as f64 - under_way.sum::<f64>()).max(0.0);
        Some(Duration::from_secs_f64(each * left / self.options.jobs as f64))
    }

    fn start_up(&self) -> Option<Duration> {
        let beside = |(wall, trained): &(Duration, f64)| (wall.as_secs_f64() - trained).max(0.0);
        let mean = self.times.values().map(beside).sum::<f64>() / self.times.len() as f64;
        Duration::try_from_secs_f64(mean).ok()
    }

    /// Runs to start, in order.
    fn due(&self, statuses: &[RunStatus]) -> Vec<usize> {
        let is_due = |run: &usize| {
            matches!(statuses[*run], RunStatus::Pending | RunStatus::Unfinished(_))
                && self.workers.iter().all(|worker| worker.run != *run)
        };
        self.sweep.plan.counted(statuses).into_iter().filter(is_due).collect()
    }

    /// Runs of the sweep that another process trains: one that a user resumed, or that is left of a killed sweep.
    fn active_elsewhere(&self, statuses: &[RunStatus]) -> Vec<String> {
        let own = |run: usize| self.workers.iter().any(|worker| worker.run == run);
        let counted = self.sweep.plan.counted(statuses).into_iter();
        let active = counted.filter(|run| matches!(statuses[*run], RunStatus::Active(_)) && !own(*run));
        active.map(|run| self.sweep.plan.runs[run].title.clone()).collect()
    }

    /// The turn of the sweep among the runs of the folder, once no other one is active.
    fn take_turn(&mut self, observer: &mut dyn Observer) -> Result<Option<RunLock>> {
        match self.queue.take_turn(&self.folder.path())? {
            Turn::Taken(lock) => {
                self.report_waiting(Vec::new(), observer);
                Ok(Some(lock))
            }
            Turn::Wait(active) => {
                self.report_waiting(active, observer);
                Ok(None)
            }
        }
    }

    fn report_waiting(&mut self, active: Vec<String>, observer: &mut dyn Observer) {
        if active != self.waiting {
            self.waiting.clone_from(&active);
            observer.on_update(Update::Waiting(active));
        }
    }

    fn report_choices(&mut self, progress: &Progress, observer: &mut dyn Observer) {
        for (at, row) in self.sweep.plan.rows.iter().enumerate().filter(|(_, row)| row.is_tuned()) {
            if let Choice::Variant(variant) = self.sweep.plan.choice(row, &progress.statuses)
                && self.chosen.insert(at)
            {
                observer.on_update(Update::Chosen { row: at, variant });
            }
        }
    }

    /// Starts runs while there is room for them.
    fn start(&mut self, due: &[usize], statuses: &[RunStatus], observer: &mut dyn Observer) -> Result<()> {
        let room = self.options.jobs.saturating_sub(self.workers.len());
        for &run in due.iter().take(room) {
            let planned = &self.sweep.plan.runs[run];
            let preset = &self.sweep.presets[run];
            let job = WorkerJob {
                runs: self.folder.path(),
                run: self.reader.folder_of(planned).unwrap_or(&planned.folder).to_owned(),
                preset: preset.name.clone(),
                toml: preset.toml.clone(),
            };
            let worker = Worker::start(run, &self.options.launcher, &job, self.sender.clone())?;
            self.workers.push(worker);
            self.tried.insert(run);
            let resumed = matches!(statuses[run], RunStatus::Unfinished(_));
            observer.on_update(Update::Started { run, resumed });
        }
        Ok(())
    }

    /// Waits for the end of processes, but no longer than until the next look.
    fn wait(&self) -> Vec<WorkerEnd> {
        match self.ended.recv_timeout(LOOK) {
            Ok(end) => std::iter::once(end).chain(self.ended.try_iter()).collect(),
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => Vec::new(),
        }
    }

    fn on_end(&mut self, end: &WorkerEnd, stopped: bool, statuses: &[RunStatus]) {
        self.workers.retain(|worker| worker.run != end.run);
        match &statuses[end.run] {
            RunStatus::Done(result) => drop(self.times.insert(end.run, (end.wall, result.seconds))),
            // The folder of the run says why.
            RunStatus::Failed { .. } => {}
            _ if stopped => {}
            _ => drop(self.failures.insert(end.run, reason(end))),
        }
    }

    /// Stores what the sweep is and what it has come to.
    fn store(&self, statuses: &[RunStatus]) -> Result<()> {
        let plan = &self.sweep.plan;
        let unstarted = self.failures.iter().map(|(run, error)| (plan.runs[*run].id.clone(), error.clone()));
        let state = SweepState { file: self.options.file.clone(), plan: plan.clone(), unstarted: unstarted.collect() };
        self.folder.write(&state)?;
        let table = SweepTable::of(plan, statuses);
        for format in Format::ALL {
            self.folder
                .write_file(&format!("results.{}", format.extension()), &report(&table, plan, statuses, format))?;
        }
        Ok(())
    }
}

/// Why a process ended before its run did.
fn reason(end: &WorkerEnd) -> String {
    let status = match &end.status {
        Ok(status) => status,
        Err(error) => return format!("its process cannot be waited for: {error}"),
    };
    match (&end.error, status.signal()) {
        (Some(error), _) if !status.success() => error.clone(),
        (_, Some(libc::SIGKILL)) => "its process was killed (signal 9); is memory short?".to_owned(),
        (_, Some(signal)) => format!("its process was ended by signal {signal}"),
        _ if status.success() => "stopped before its end; run the sweep again to resume it".to_owned(),
        _ => format!("its process ended ({status})"),
    }
}
