//! What the screens ask for, done on this machine: starts, resumes, attaches, exports, estimates.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Result;

use super::args::DeviceArg;
use super::detach;
use crate::attach::Viewer;
use crate::chat::ChatLink;
use crate::export::{ExportControl, ExportRequest};
use crate::preset::{Preset, cache_folder};
use crate::ui::backend::{Backend, Estimate, Launched};
#[cfg(feature = "torch")]
use {
    super::ranks::Part,
    crate::Usage,
    crate::attach::listen,
    crate::chat::{self, ChatModel},
    crate::distributed::{Ranks, World},
    crate::hub::Hub,
    crate::preset::read_file,
    crate::protocol::{Event, Reason},
    crate::runs::{EventLog, EventRange, RealDisk, RunFolder},
    crate::session::Session,
    crate::train::{self, Job},
    anyhow::{Context, anyhow, bail},
    std::ffi::OsString,
    std::os::unix::ffi::OsStringExt,
    std::sync::{Mutex, MutexGuard, PoisonError},
};

/// Starts trainers on one device, with all runs in one folder.
pub(super) struct LocalBackend {
    runs: PathBuf,
    #[cfg(feature = "torch")]
    device: crate::device::DeviceChoice,
    /// This process's part in the run that it starts next.
    #[cfg(feature = "torch")]
    part: Mutex<Part>,
    /// As given on the command line, for background processes.
    device_name: String,
    cache: PathBuf,
}

/// A run to resume.
#[cfg_attr(not(feature = "torch"), expect(dead_code, reason = "only a trainer reads it"))]
pub(super) struct ResumeRequest<'a> {
    /// Its name, or the path of its folder.
    pub run: &'a str,
    /// The checkpoint; by default the latest.
    pub from: Option<&'a str>,
    /// `key=value` of the preset, for the steps to come.
    pub set: &'a [String],
    /// Whether to accept other differences from the checkpoint.
    pub force: bool,
    /// Whether the run's earlier events come first.
    pub history: bool,
}

impl LocalBackend {
    /// # Errors
    /// [`Usage`](crate::Usage): not a device name.
    #[cfg(feature = "torch")]
    pub(super) fn new(runs: PathBuf, device: &DeviceArg) -> Result<Arc<LocalBackend>> {
        LocalBackend::of_rank(runs, device, Part::Alone)
    }

    /// For a process with this part in the run that it starts.
    ///
    /// # Errors
    /// [`Usage`](crate::Usage): not a device name, or a GPU that a rank cannot have.
    #[cfg(feature = "torch")]
    pub(super) fn of_rank(runs: PathBuf, device: &DeviceArg, part: Part) -> Result<Arc<LocalBackend>> {
        let choice = part.device(device.device.parse()?)?;
        let (part, device_name) = (Mutex::new(part), device.device.clone());
        Ok(Arc::new(LocalBackend { runs, device: choice, part, device_name, cache: cache_folder() }))
    }

    #[cfg(not(feature = "torch"))]
    pub(super) fn new(runs: PathBuf, device: &DeviceArg) -> Result<Arc<LocalBackend>> {
        Ok(Arc::new(LocalBackend { runs, device_name: device.device.clone(), cache: cache_folder() }))
    }

    /// The device as given on the command line, for background processes.
    pub(super) fn device_name(&self) -> &str {
        &self.device_name
    }

    /// Starts a run. Without a name, it is named after the preset and the time. Its paths are kept absolute, so that it can be
    /// resumed and exported from any folder.
    ///
    /// # Errors
    /// A run folder that cannot be created.
    #[cfg(feature = "torch")]
    pub(super) fn start(&self, preset: Preset, name: Option<&str>) -> Result<Launched> {
        let preset = self.anchored(preset)?;
        if let Some((world, folder)) = self.joined()? {
            return self.join(world, preset, folder, None);
        }
        let folder = RunFolder::create(&self.runs, name, &preset.name.replace('/', "-"), &preset.toml)?;
        let events = folder.events();
        let log = EventLog::open(&events).with_context(|| format!("{}: cannot write", events.display()))?;
        let session = self.spawn(preset, &folder, Some(log), None)?;
        Ok(Launched { link: session.into(), folder: folder.path().to_owned(), fresh: true })
    }

    /// Resumes a run.
    ///
    /// # Errors
    /// [`Usage`]: no such run, a run that is active or has nothing left to train, or an invalid preset.
    #[cfg(feature = "torch")]
    pub(super) fn resume(&self, request: &ResumeRequest) -> Result<Launched> {
        if let Some((world, folder)) = self.joined()? {
            let found = if folder.path().is_dir() {
                self.stored(&folder, request)
            } else {
                Err(anyhow!(
                    "{}: no such folder on this host; to resume, all hosts need the run, on a file system that they share or as a copy",
                    folder.path().display()
                ))
            };
            let (preset, resume) =
                found.inspect_err(|error| world.abort(&format!("rank {}: {error:#}", world.rank())))?;
            return self.join(world, preset, folder, Some(resume));
        }
        let folder = RunFolder::open(&self.runs, request.run)?;
        let (preset, resume) = self.stored(&folder, request)?;
        let session = self.spawn(preset, &folder, None, Some(resume))?;
        let session = if request.history { session.with_history() } else { session };
        Ok(Launched { link: session.into(), folder: folder.path().to_owned(), fresh: false })
    }

    /// The preset of a run, and how it is to be resumed.
    #[cfg(feature = "torch")]
    fn stored(&self, folder: &RunFolder, request: &ResumeRequest) -> Result<(Preset, train::ResumeOptions)> {
        let &ResumeRequest { from, set, force, .. } = request;
        let from: train::CheckpointSelector = from.map_or(Ok(train::CheckpointSelector::Newest), str::parse)?;
        if set.is_empty()
            && let Some(finished) = folder.finished()
        {
            check_unfinished(folder, finished.reason)?;
        }
        let path = folder.preset();
        let text = read_file(&path)?;
        let preset = Preset::parse_stored(&preset_name(folder), &path.display().to_string(), &text, set, &self.cache)?;
        let preset = self.anchored(preset)?;
        let set = set.iter().filter_map(|assignment| Some(assignment.split_once('=')?.0.trim().to_owned())).collect();
        Ok((preset, train::ResumeOptions { from, force, set }))
    }

    /// A preset whose paths are absolute.
    #[cfg(feature = "torch")]
    fn anchored(&self, preset: Preset) -> Result<Preset> {
        let here = std::env::current_dir().context("cannot find the current folder")?;
        Ok(preset.anchored(&here, &self.cache)?)
    }

    #[cfg(feature = "torch")]
    fn spawn(
        &self,
        preset: Preset,
        folder: &RunFolder,
        log: Option<EventLog>,
        resume: Option<train::ResumeOptions>,
    ) -> Result<Session> {
        let part = std::mem::replace(&mut *self.part(), Part::Alone);
        let (ranks, others) = match part {
            Part::First(first) => {
                let (rendezvous, others) = first.start_others(folder.path())?;
                (Ranks::Rendezvous(rendezvous), Some(others))
            }
            Part::Alone | Part::Other(_) => (Ranks::Alone, None),
        };
        let job = self.job(preset, folder.clone(), ranks, resume);
        Session::spawn(log, move |port| {
            let _listener = listen(job.folder.path(), job.folder.name(), port.tap()).map_err(|error| {
                port.emit(Event::warning(format!(
                    "cannot create the run's socket, so `finesift attach` will not work: {error}"
                )))
            });
            let outcome = train::run(job, port);
            if let Some(others) = others {
                others.finish();
            }
            outcome
        })
        .context("cannot start the trainer")
    }

    #[cfg(feature = "torch")]
    fn job(&self, preset: Preset, folder: RunFolder, ranks: Ranks, resume: Option<train::ResumeOptions>) -> Job {
        Job {
            preset,
            folder,
            device: self.device,
            hub: Hub::from_env(),
            cache: self.cache.clone(),
            disk: Arc::new(RealDisk),
            ranks,
            resume,
            read_every: None,
        }
    }

    /// The other ranks, and the folder of the run, which the first one has; `None` if this is the first.
    #[cfg(feature = "torch")]
    fn joined(&self) -> Result<Option<(World, RunFolder)>> {
        let rank = {
            let mut part = self.part();
            match std::mem::replace(&mut *part, Part::Alone) {
                Part::Other(rank) => rank,
                other => {
                    *part = other;
                    return Ok(None);
                }
            }
        };
        let world = rank.rendezvous().join(&train::version(), &|| false)?;
        let folder = world.broadcast(Vec::new())?;
        Ok(Some((world, RunFolder::of_other_process(OsString::from_vec(folder).into()))))
    }

    /// Takes part in a run of another process.
    #[cfg(feature = "torch")]
    fn join(
        &self,
        world: World,
        preset: Preset,
        folder: RunFolder,
        resume: Option<train::ResumeOptions>,
    ) -> Result<Launched> {
        let path = folder.path().to_owned();
        let job = self.job(preset, folder, Ranks::Joined(world), resume);
        let session = Session::spawn(None, move |port| train::run(job, port)).context("cannot start the trainer")?;
        Ok(Launched { link: session.into(), folder: path, fresh: false })
    }

    #[cfg(feature = "torch")]
    fn part(&self) -> MutexGuard<'_, Part> {
        self.part.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[cfg(not(feature = "torch"))]
    pub(super) fn start(&self, _preset: Preset, _name: Option<&str>) -> Result<Launched> {
        Err(super::without_torch())
    }

    #[cfg(not(feature = "torch"))]
    pub(super) fn resume(&self, _request: &ResumeRequest) -> Result<Launched> {
        Err(super::without_torch())
    }
}

/// Refuses a run that has ended for good, with what to set to train it for longer.
#[cfg(feature = "torch")]
fn check_unfinished(folder: &RunFolder, reason: Reason) -> Result<()> {
    let ended = match reason {
        Reason::Stopped => return Ok(()),
        Reason::Completed => {
            "this run is completed; there is nothing to resume. Train it for longer with --set train.epochs=N"
        }
        Reason::EarlyStopped => {
            "this run has stopped early; there is nothing to resume. Train on with --set train.patience=N, or 0 to never \
             stop early"
        }
    };
    bail!(Usage(format!("{}: {ended}", folder.path().display())))
}

/// The preset's name when the run started.
#[cfg(feature = "torch")]
fn preset_name(folder: &RunFolder) -> String {
    let events = EventRange::open(&folder.events(), 0..u64::MAX).into_iter().flatten();
    let started = events.into_iter().find_map(|event| match event {
        Event::Started(started) => Some(started.preset),
        _ => None,
    });
    started.unwrap_or_else(|| folder.name().to_owned())
}

impl Backend for LocalBackend {
    fn launch(&self, preset: Preset, name: Option<&str>) -> Result<Launched> {
        self.start(preset, name)
    }

    fn resume(&self, run: &Path, set: &[String]) -> Result<Launched> {
        let run = &run.display().to_string();
        self.resume(&ResumeRequest { run, from: None, set, force: false, history: true })
    }

    fn attach(&self, run: &Path) -> Result<Launched> {
        let viewer = Viewer::attach(run)?;
        Ok(Launched { link: viewer.into(), folder: run.to_owned(), fresh: false })
    }

    fn detach(&self, run: &Path) -> Result<()> {
        detach::resume(&self.runs, &self.device_name, run)
    }

    #[cfg(feature = "torch")]
    fn chat(&self, model: &Path) -> Result<ChatLink> {
        let model = ChatModel::find(&model.display().to_string(), &self.runs, &self.cache)?;
        let device = self.device;
        ChatLink::spawn(move |port| chat::serve(port, &model, &Hub::from_env(), device.enter()?.device))
            .context("cannot start the chat")
    }

    #[cfg(not(feature = "torch"))]
    fn chat(&self, _model: &Path) -> Result<ChatLink> {
        Err(super::without_torch())
    }

    #[cfg(feature = "torch")]
    fn analyze(&self, preset: &Preset) -> Result<crate::analysis::Analysis> {
        super::analyze::gradients_of(preset.clone(), self.device)
    }

    #[cfg(not(feature = "torch"))]
    fn analyze(&self, _preset: &Preset) -> Result<crate::analysis::Analysis> {
        Err(super::without_torch())
    }

    fn runs(&self) -> &Path {
        &self.runs
    }

    fn cache(&self) -> &Path {
        &self.cache
    }

    fn export(&self, request: &ExportRequest, control: ExportControl) -> Result<()> {
        request.write(control)
    }

    #[cfg(feature = "torch")]
    fn estimate(&self, preset: &Preset) -> Result<Estimate> {
        let hub = crate::hub::Hub::from_env();
        let roots = crate::estimate::Roots { hub: &hub, cache: &self.cache, runs: &self.runs };
        crate::estimate::estimate(preset, crate::estimate::Destination::Here(self.device), 1, &roots)
    }

    #[cfg(feature = "torch")]
    fn download_sizes(&self, preset: &Preset) -> Result<Vec<crate::estimate::DownloadSize>> {
        let hub = crate::hub::Hub::from_env();
        let roots = crate::estimate::Roots { hub: &hub, cache: &self.cache, runs: &self.runs };
        crate::estimate::download_sizes(preset, &roots)
    }

    #[cfg(not(feature = "torch"))]
    fn estimate(&self, _preset: &Preset) -> Result<Estimate> {
        Err(super::without_torch())
    }
}
