//! Which run this process trains next: one that the user starts, the next of the queue; and the hand-off of the live run to the
//! background, which makes room for another.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result};
use tokio::task::JoinHandle;

use super::Workbench;
use super::backend::{Backend, Launched};
use super::effects::{Answers, files, queued, refused};
use super::message::Msg;
use super::start_request::{ActiveRuns, StartRequest};
use crate::protocol::{Command, Reason};
use crate::queue::{Next, QueueEntry};

/// A run that another process is about to resume.
pub(super) struct HandOff {
    folder: PathBuf,
    process: JoinHandle<Result<()>>,
}

impl HandOff {
    /// Starts the other process. A thread waits for it.
    fn start(backend: Arc<dyn Backend>, folder: PathBuf) -> HandOff {
        let run = folder.clone();
        HandOff { folder, process: tokio::task::spawn_blocking(move || continue_in_background(&*backend, &run)) }
    }

    /// Waits until the other process has the run, or cannot resume it. Cancel-safe.
    pub(super) async fn wait(&mut self) -> Result<()> {
        (&mut self.process).await.context("cannot start a background process")?
    }

    pub(super) fn into_folder(self) -> PathBuf {
        self.folder
    }
}

/// Starts the process that continues a run which has stopped for it.
pub(super) fn continue_in_background(backend: &dyn Backend, folder: &Path) -> Result<()> {
    backend.detach(folder).with_context(|| {
        let folder = folder.display();
        format!(
            "the run is stopped with a checkpoint but could not continue in the background; \
             `finesift resume {folder}` resumes it"
        )
    })
}

impl Workbench {
    /// Whether this process trains a run, or still hands one off.
    pub(super) fn trains(&self) -> bool {
        self.hand_off.is_some() || self.live.as_ref().is_some_and(|live| live.link.is_own())
    }

    /// Starts a run if no other one of the folder trains; otherwise asks what to do.
    pub(super) fn start_alone(&mut self, request: StartRequest) -> Answers {
        if self.hand_off.is_some() {
            return vec![Msg::Refused("the last run is being sent to the background; try again in a moment".into())];
        }
        if self.trains() {
            return vec![Msg::Busy(request, ActiveRuns::Here)];
        }
        let active = self.queue.active_runs();
        // An active run that is resumed is refused in the words for that.
        if active.is_empty() || matches!(&request, StartRequest::Resume { .. }) && active.contains(&request.name()) {
            return self.start(&request);
        }
        vec![Msg::Busy(request, ActiveRuns::Elsewhere(active))]
    }

    /// Starts a run, unless this process trains one.
    pub(super) fn start(&mut self, request: &StartRequest) -> Answers {
        if self.trains() {
            return vec![Msg::Refused("a run is still training; stop it first".into())];
        }
        let started = match request {
            StartRequest::Launch(preset) => self.backend.launch(preset.as_ref().clone(), None),
            StartRequest::Resume { run, set } => self.backend.resume(run, set),
        };
        match started {
            Ok(launched) => {
                self.single = false;
                self.watch_run(launched)
            }
            Err(error) => vec![refused(&error)],
        }
    }

    /// Watches a run that was started or attached to. A run in another process that was watched before continues there.
    pub(super) fn watch_run(&mut self, launched: Launched) -> Answers {
        let begun = if launched.link.is_own() { Msg::Launched } else { Msg::Attached };
        let files = Msg::Files(files(&launched.folder));
        self.set_live(launched);
        vec![begun, files]
    }

    fn set_live(&mut self, launched: Launched) {
        if launched.link.is_own() {
            // The memory of the chat's model is the run's.
            self.chat = None;
        }
        (self.detaching, self.stopping) = (false, false);
        (self.outcome.finished, self.outcome.folder) = (None, Some(launched.folder.clone()));
        self.live = Some(launched);
    }

    /// Whether queued runs wait for runs of other processes to end.
    pub(super) fn waits_for_its_turn(&self) -> bool {
        let queue = self.app.runs.queue();
        !self.trains() && !self.app.leaving && queue.works() && queue.waiting() > 0
    }

    /// Starts the next queued run, if no run of the folder is active. Entries that cannot start stay with their error.
    pub(super) fn start_next(&mut self) -> Answers {
        let mut answers = Answers::new();
        // A run of another folder of runs is still watched.
        if self.trains() || self.app.monitors.at_work() {
            return answers;
        }
        loop {
            let taken = match self.queue.take_next() {
                Ok(Next::Take(taken)) => taken,
                Ok(Next::Wait(_) | Next::Empty) => break,
                Err(error) => {
                    answers.push(Msg::QueueRefused(format!("{error:#}")));
                    break;
                }
            };
            match self.launch_entry(&taken.entry) {
                Ok(launched) => {
                    (self.single, self.taken) = (false, Some(*taken));
                    let name = launched.folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
                    let files = files(&launched.folder);
                    self.set_live(launched);
                    answers.extend([queued(&self.queue), Msg::Followed(name, files)]);
                    return answers;
                }
                Err(error) => {
                    let name = taken.entry.name().to_owned();
                    answers.push(Msg::Refused(format!("{name} cannot start, and stays in the queue: {error:#}")));
                    if let Err(error) = taken.failed(&format!("{error:#}")) {
                        answers.push(Msg::QueueRefused(format!("{error:#}")));
                        break;
                    }
                }
            }
        }
        answers.push(queued(&self.queue));
        answers
    }

    fn launch_entry(&self, entry: &QueueEntry) -> Result<Launched> {
        self.backend.launch(entry.preset(self.backend.cache())?, entry.run.as_deref())
    }

    /// The live run has started: if it is of the queue, its entry leaves.
    pub(super) fn leave_queue(&mut self) {
        let Some(taken) = self.taken.take() else { return };
        let answer = match taken.started() {
            Ok(()) => queued(&self.queue),
            Err(error) => Msg::QueueRefused(format!("{error:#}")),
        };
        self.app.update(answer);
    }

    /// Stops the run with a checkpoint, and tells attached viewers that another process will resume it.
    pub(super) fn detach(&mut self) {
        self.detaching = true;
        if let Some(live) = &mut self.live {
            live.link.detach();
            live.link.send(Command::Stop { save: true });
        }
    }

    /// Joins the live run, whose last event has come, and starts the process that continues it if it is sent to the background.
    pub(super) fn end_live(&mut self) -> Answers {
        let Some(live) = self.live.take() else { return Answers::new() };
        let (folder, own) = (live.folder.clone(), live.link.is_own());
        let failed_start = self.join(live);
        if own && self.continues() {
            self.outcome.finished = None;
            self.hand_off = Some(HandOff::start(self.backend.clone(), folder));
            return Answers::new();
        }
        failed_start.into_iter().chain([Msg::Ended]).collect()
    }

    /// Whether the joined run continues in another process: it was to be detached, and has stopped for it.
    pub(super) fn continues(&self) -> bool {
        let finished = self.outcome.finished.as_ref();
        self.detaching && finished.is_some_and(|finished| finished.reason == Reason::Stopped)
    }

    pub(super) fn end_hand_off(&mut self, outcome: Result<()>) -> Msg {
        let folder = self.hand_off.take().map(HandOff::into_folder).unwrap_or_default();
        let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
        Msg::HandedOff(name, outcome.map_err(|error| format!("{error:#}")))
    }
}
