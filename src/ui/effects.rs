//! The one place where effects are performed: at once if they are quick, on another thread if they are not. The results
//! are messages.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::time::SystemTime;

use anyhow::{Context, Result};

use super::Workbench;
use super::backend::{Backend, Launched};
use super::export::Exporting;
use super::message::{Effect, Msg};
use super::monitor::Files;
use super::runs::Comparison;
use super::saving::{SaveRequest, SavedPreset};
use super::terminal::Terminal;
use crate::config::Config;
use crate::export::ExportRequest;
use crate::panics::catch_panic;
use crate::preset::Preset;
use crate::protocol::{Command, Event};
use crate::runs::History;
use crate::runs::{EventRange, RunEdit, RunEntry};

/// Events that are read between two looks at whether they are still wanted.
const AT_ONCE: usize = 512;

/// What an effect answers at once.
type Answers = Vec<Msg>;

impl Workbench {
    /// Performs an effect. Breaks if the workbench is left.
    pub(super) async fn perform(
        &mut self,
        terminal: &mut Terminal,
        effect: Effect,
    ) -> Result<ControlFlow<(), Answers>> {
        let mut answers = Answers::new();
        match effect {
            Effect::Send(command) => self.send(command),
            Effect::Detach => self.detach(),
            Effect::Launch(preset) => answers = self.start(|backend| backend.launch(*preset)),
            Effect::Resume { run, set } => answers = self.start(|backend| backend.resume(&run, &set)),
            Effect::Attach(run) => {
                answers = self.start(|backend| backend.attach(&run));
                if answers.iter().any(|answer| matches!(answer, Msg::Refused(_))) {
                    answers.push(Msg::NotAttached(run));
                }
            }
            Effect::Estimate(preset) => self.estimate(*preset),
            Effect::Replay(folder, number) => self.replay(folder, number),
            Effect::ListRuns => self.list_runs(),
            Effect::Overlay(folders) => {
                folders.into_iter().for_each(|folder| self.aside(move || read_overlay(&folder)));
            }
            Effect::Compare(runs) => self.aside(move || vec![compare(&runs)]),
            Effect::Edit(edit) => self.aside(move || edit_runs(&edit)),
            Effect::Export(order) => answers = self.export(order),
            Effect::CancelExport => {
                if let Some(export) = &self.export {
                    export.cancel();
                }
            }
            Effect::OpenFolder(folder) => return self.open_folder(terminal, &folder).await,
            Effect::Copy(text) => {
                terminal.copy(&text)?;
                answers.push(Msg::Notice(format!("copied {text}")));
            }
            Effect::KeepTheme(name) => self.save_theme(name),
            Effect::WriteFiles(files) => self.aside(move || vec![write_files(&files)]),
            Effect::SavePreset(request) => answers = self.save(vec![request]),
            Effect::SaveAll(requests) => {
                answers = self.save(requests);
                if !answers.iter().any(|answer| matches!(answer, Msg::Refused(_))) {
                    answers.push(Msg::AllSaved);
                }
            }
            Effect::Suspend => return self.suspend(terminal).await,
            Effect::Leave => return Ok(ControlFlow::Break(())),
        }
        Ok(ControlFlow::Continue(answers))
    }

    fn send(&mut self, command: Command) {
        // A run that is stopped after all does not continue in the background.
        self.detaching &= !matches!(command, Command::Stop { .. });
        if let Some(live) = &mut self.live {
            live.link.send(command);
        }
    }

    /// Stops the run with a checkpoint, and tells attached viewers that another process will resume it.
    fn detach(&mut self) {
        self.detaching = true;
        if let Some(live) = &mut self.live {
            live.link.detach();
            live.link.send(Command::Stop { save: true });
        }
    }

    /// Starts or attaches to a run, unless one is trained here.
    fn start(&mut self, start: impl FnOnce(&dyn Backend) -> Result<Launched>) -> Answers {
        if self.live.as_ref().is_some_and(|live| live.link.is_own()) {
            return vec![Msg::Refused("a run is still training; stop it first".into())];
        }
        match start(&*self.backend) {
            Ok(launched) => self.watch_run(launched),
            Err(error) => vec![refused(&error)],
        }
    }

    /// Watches a run that was started or attached to. A run in another process that was watched before continues there.
    pub(super) fn watch_run(&mut self, launched: Launched) -> Answers {
        let begun = if launched.link.is_own() { Msg::Launched } else { Msg::Attached };
        let files = Msg::Files(files(&launched.folder));
        self.live = Some(launched);
        vec![begun, files]
    }

    fn estimate(&self, preset: Preset) {
        let backend = self.backend.clone();
        self.aside(move || {
            // The next estimate waits for this answer, so a panic must not swallow it.
            let estimate = catch_panic(|| backend.estimate(&preset));
            vec![Msg::Estimate(preset.toml, estimate.map_err(|error| format!("{error:#}")))]
        });
    }

    fn replay(&self, folder: PathBuf, number: u64) {
        self.replay.store(number, Ordering::Relaxed);
        let (latest, sender) = (self.replay.clone(), self.answers.0.clone());
        self.aside(move || {
            let _ = sender.send(Msg::Files(files(&folder)));
            let deliver = |events| {
                let _ = sender.send(Msg::Replayed(number, events));
                latest.load(Ordering::Relaxed) == number
            };
            read_in_parts(&folder, deliver).err().map(|error| refused(&error)).into_iter().collect()
        });
    }

    fn list_runs(&self) {
        let lister = self.lister.clone();
        self.aside(move || {
            // One listing at a time is enough.
            let Ok(mut lister) = lister.try_lock() else { return Answers::new() };
            let now = SystemTime::now();
            match lister.refresh(now) {
                Ok(listed) => vec![Msg::Listed(listed, now)],
                Err(error) => vec![Msg::Refused(format!("cannot list the runs: {error}"))],
            }
        });
    }

    fn export(&mut self, order: ExportRequest) -> Answers {
        let (progress, end) = (self.answers.0.clone(), self.answers.0.clone());
        let export = Exporting::start(
            self.backend.clone(),
            order,
            move |done| {
                let _ = progress.send(Msg::Exporting(done));
            },
            move |outcome| {
                let _ = end.send(Msg::Exported(outcome));
            },
        );
        match export {
            Ok(export) => {
                self.export = Some(export);
                Answers::new()
            }
            Err(error) => vec![Msg::Exported(Err(error))],
        }
    }

    fn save_theme(&self, name: String) {
        let config = self.config.clone();
        self.aside(move || {
            let kept = Config::save_theme(&config, &name);
            vec![done(kept.map(|()| format!("set theme {name} in {}", config.display())))]
        });
    }

    /// Saves presets up to the first that cannot be saved.
    fn save(&self, requests: Vec<SaveRequest>) -> Answers {
        let (mut saved, mut failure) = (Vec::new(), None);
        for SaveRequest { from, name, toml, replace } in requests {
            match self.library.save(&name, &toml, replace) {
                Ok(path) => saved.push(SavedPreset { from, name, path }),
                Err(error) => {
                    failure = Some(refused(&error));
                    break;
                }
            }
        }
        let saved = (!saved.is_empty()).then(|| Msg::Saved(saved, self.library.list()));
        saved.into_iter().chain(failure).collect()
    }

    /// Does work on another thread, and sends the results as messages.
    fn aside(&self, work: impl FnOnce() -> Answers + Send + 'static) {
        let sender = self.answers.0.clone();
        tokio::task::spawn_blocking(move || {
            for answer in work() {
                // Once the workbench is left, nobody receives it.
                let _ = sender.send(answer);
            }
        });
    }
}

/// The files of a run. A preset that cannot be read is left empty.
pub(super) fn files(folder: &Path) -> Files {
    Files { folder: folder.to_owned(), preset: std::fs::read_to_string(folder.join("preset.toml")).unwrap_or_default() }
}

fn read_overlay(folder: &Path) -> Answers {
    let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let mut run = Box::new(History::default());
    let read = read_in_parts(folder, |events| {
        events.into_iter().for_each(|event| run.apply(event));
        true
    });
    match read {
        Ok(()) => vec![Msg::Overlaid(name, run)],
        Err(error) => vec![refused(&error)],
    }
}

/// Reads the events of a run folder in parts, as long as they are wanted.
fn read_in_parts(folder: &Path, mut deliver: impl FnMut(Vec<Event>) -> bool) -> Result<()> {
    let path = folder.join("events.jsonl");
    let mut events =
        EventRange::open(&path, 0..u64::MAX).with_context(|| format!("{}: cannot read", path.display()))?;
    loop {
        let part: Vec<Event> = events.by_ref().take(AT_ONCE).collect();
        if part.is_empty() || !deliver(part) {
            return Ok(());
        }
    }
}

fn compare(runs: &[RunEntry]) -> Msg {
    if runs.len() < 2 {
        return Msg::Refused("mark at least 2 runs to compare them".into());
    }
    match Comparison::of(runs) {
        Ok(comparison) => Msg::Compared(comparison),
        Err(error) => refused(&error),
    }
}

fn edit_runs(edit: &RunEdit) -> Answers {
    edit.apply().into_iter().map(done).collect()
}

/// Writes each text to its file, all of them in one folder.
fn write_files(files: &[(PathBuf, String)]) -> Msg {
    let names = files.iter().filter_map(|(path, _)| path.file_name());
    let names: Vec<_> = names.map(|name| name.to_string_lossy()).collect();
    let folder = files.first().and_then(|(path, _)| path.parent()).unwrap_or(Path::new("."));
    let written = files.iter().try_for_each(|(path, text)| write_file(path, text));
    done(written.map(|()| format!("wrote {} into {}", names.join(" and "), folder.display())))
}

fn write_file(path: &Path, text: &str) -> Result<()> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).with_context(|| format!("{}: cannot create", folder.display()))?;
    }
    std::fs::write(path, text).with_context(|| format!("{}: cannot write", path.display()))
}

fn done(outcome: Result<String>) -> Msg {
    match outcome {
        Ok(what) => Msg::Done(what),
        Err(error) => refused(&error),
    }
}

fn refused(error: &anyhow::Error) -> Msg {
    Msg::Refused(format!("{error:#}"))
}
