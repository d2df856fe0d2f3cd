//! The one place where effects are performed: at once if they are quick, on another thread if they are not. The results
//! are messages.

use std::iter;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::SystemTime;

use anyhow::{Context, Result};
use ratatui::Terminal as Ratatui;
use ratatui::backend::TestBackend;

use super::Workbench;
use super::export::Exporting;
use super::message::{Effect, Msg};
use super::monitor::Files;
use super::queue_edit::QueueEdit;
use super::replay::{Pace, PaceControl, read_paced};
use super::saving::{EditedPreset, PresetEdit, SaveRequest, SavedPreset};
use super::screenshot::{self, ScreenColours, ScreenFiles};
use super::start_request::StartRequest;
use super::terminal::Terminal;
use crate::config::Config;
use crate::export::ExportRequest;
use crate::panics::catch_panic;
use crate::preset::Preset;
use crate::protocol::{Command, Event};
use crate::queue::Queue;
use crate::runs::{EventRange, RunEdit};

/// Events that are read between two looks at whether they are still wanted.
const AT_ONCE: usize = 512;

/// What an effect answers at once.
pub(super) type Answers = Vec<Msg>;

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
            Effect::Alert { text, pause } => self.alert(&text, pause),
            Effect::Detach => self.detach(),
            Effect::Launch(preset) => answers = self.start_alone(StartRequest::Launch(preset)),
            Effect::Resume { run, set } => answers = self.start_alone(StartRequest::Resume { run, set }),
            Effect::StartBeside(request) => answers = self.start(&request),
            Effect::StartNext => answers = self.start_next(),
            Effect::Queue(edit) => self.edit_queue(edit),
            Effect::Attach(run) => {
                answers = self.attach(&run);
                if answers.iter().any(|answer| matches!(answer, Msg::Refused(_))) {
                    answers.push(Msg::NotAttached(run));
                }
            }
            Effect::Estimate(preset) => self.estimate(*preset),
            Effect::DownloadSizes(preset) => {
                let backend = self.backend.clone();
                // What fails here is an error of the estimate, too.
                self.aside(move || vec![Msg::DownloadSizes(backend.download_sizes(&preset).unwrap_or_default())]);
            }
            Effect::Replay(folder, number) => self.replay(folder, number),
            Effect::Pace(pace) => {
                if let Some(control) = &self.pace {
                    control.set(pace);
                }
            }
            Effect::ListRuns => self.list_runs(),
            Effect::Follow(runs) => answers = self.follow(runs),
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
            Effect::SaveScreen(files) => self.save_screen(terminal, files)?,
            Effect::SavePreset(request) => {
                let not_saved = |answer| match answer {
                    Msg::Refused(why) => Msg::NotSaved(why),
                    other => other,
                };
                answers = self.save(vec![request]).into_iter().map(not_saved).collect();
            }
            Effect::EditPreset(edit) => answers.push(self.edit_preset(edit)),
            Effect::SaveAll(requests) => {
                answers = self.save(requests);
                if !answers.iter().any(|answer| matches!(answer, Msg::Refused(_))) {
                    answers.push(Msg::AllSaved);
                }
            }
            Effect::OpenChat(model) => answers = self.open_chat(&model),
            Effect::Chat(effect) => answers = self.in_chat(effect),
            Effect::Analyze(preset) => answers = self.analyze(&preset),
            Effect::CancelAnalysis => {
                if let Some(analysis) = &self.analysis {
                    analysis.cancel();
                }
            }
            Effect::Suspend => return self.suspend(terminal).await,
            Effect::Leave => return Ok(ControlFlow::Break(())),
        }
        Ok(ControlFlow::Continue(answers))
    }

    fn send(&mut self, command: Command) {
        // A run that is stopped after all does not continue in the background.
        if matches!(command, Command::Stop { .. }) {
            (self.detaching, self.stopping) = (false, true);
        }
        if let Some(live) = &mut self.live {
            live.link.send(command);
        }
    }

    /// Notifies the user as the settings say, with the next frame, and pauses the run if asked to.
    pub(super) fn alert(&mut self, text: &str, pause: bool) {
        self.notification += &self.status.notification(text);
        if pause {
            self.send(Command::Pause);
        }
    }

    fn attach(&mut self, run: &Path) -> Answers {
        if self.trains() {
            return vec![Msg::Refused("this process trains a run; attach once it has ended".into())];
        }
        match self.backend.attach(run) {
            Ok(launched) => self.watch_run(launched),
            Err(error) => vec![refused(&error)],
        }
    }

    pub(super) fn list_queue(&self) {
        let queue = self.queue.clone();
        self.aside(move || vec![queued(&queue)]);
    }

    fn edit_queue(&self, edit: QueueEdit) {
        let (queue, backend) = (self.queue.clone(), self.backend.clone());
        self.aside(move || {
            let edited = match edit.apply(&queue, backend.cache()) {
                Ok(done) => done.map(Msg::Notice),
                Err(error) => Some(refused(&error)),
            };
            edited.into_iter().chain([queued(&queue)]).collect()
        });
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

    /// Shows a recorded run, at a pace if one is given.
    pub(super) fn open_replay(&mut self, folder: PathBuf, pace: Option<Pace>) {
        let number = self.app.open_replay(pace);
        let Some(pace) = pace else { return self.replay(folder, number) };
        self.replay.store(number, Ordering::Relaxed);
        let control = Arc::new(PaceControl::new(pace));
        self.pace = Some(control.clone());
        let (latest, sender) = (self.replay.clone(), self.answers.0.clone());
        self.aside(move || {
            let _ = sender.send(Msg::Files(files(&folder)));
            let wanted = || latest.load(Ordering::Relaxed) == number;
            let read = read_paced(&folder, &control, wanted, |events| drop(sender.send(Msg::Replayed(number, events))));
            iter::once(Msg::ReplayEnded(number)).chain(read.err().map(|error| refused(&error))).collect()
        });
    }

    fn follow(&mut self, runs: Vec<PathBuf>) -> Answers {
        let sender = self.answers.0.clone();
        let followed = self.curves.follow(runs, move |update| sender.send(Msg::Compared(update)).is_ok());
        followed.err().map(|error| Msg::Refused(format!("cannot compare: {error}"))).into_iter().collect()
    }

    /// Draws the screen once more, and writes its pictures.
    fn save_screen(&self, terminal: &Terminal, files: ScreenFiles) -> Result<()> {
        let size = terminal.size()?;
        let mut terminal = Ratatui::new(TestBackend::new(size.width, size.height)).context("cannot draw the screen")?;
        terminal.draw(|frame| super::draw(frame, &self.app)).context("cannot draw the screen")?;
        let (buffer, palette) = (terminal.backend().buffer().clone(), ScreenColours::of(&self.app.look.theme));
        self.aside(move || {
            vec![match screenshot::save(&buffer, palette, &files) {
                Ok(saved) => Msg::Notice(saved),
                Err(error) => refused(&error),
            }]
        });
        Ok(())
    }

    fn list_runs(&self) {
        let (lister, queue) = (self.lister.clone(), self.queue.clone());
        self.aside(move || {
            // One listing at a time is enough.
            let Ok(mut lister) = lister.try_lock() else { return Answers::new() };
            let now = SystemTime::now();
            let runs = match lister.refresh(now) {
                Ok(listed) => Msg::Listed(listed, now),
                Err(error) => Msg::Refused(format!("cannot list the runs: {error}")),
            };
            vec![runs, queued(&queue)]
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

    /// Renames or deletes a preset of the user's.
    fn edit_preset(&self, edit: PresetEdit) -> Msg {
        let edited = match edit {
            PresetEdit::Rename { from, to } => {
                let path = self.library.rename(&from, &to);
                path.map(|path| EditedPreset { from, name: Some(to), path })
            }
            PresetEdit::Delete { name } => {
                self.library.delete(&name).map(|path| EditedPreset { from: name, name: None, path })
            }
        };
        match edited {
            Ok(edited) => Msg::PresetEdited(edited, self.library.list()),
            Err(error) => Msg::NotSaved(format!("{error:#}")),
        }
    }

    /// Does work on another thread, and sends the results as messages.
    pub(super) fn aside(&self, work: impl FnOnce() -> Answers + Send + 'static) {
        let sender = self.answers.0.clone();
        tokio::task::spawn_blocking(move || {
            for answer in work() {
                // Once the workbench is left, nobody receives it.
                let _ = sender.send(answer);
            }
        });
    }
}

/// The entries of the queue, or why they cannot be listed.
pub(super) fn queued(queue: &Queue) -> Msg {
    match queue.list() {
        Ok(entries) => Msg::Queued(entries),
        Err(error) => refused(&error),
    }
}

/// The files of a run. A preset that cannot be read is left empty.
pub(super) fn files(folder: &Path) -> Files {
    Files { folder: folder.to_owned(), preset: std::fs::read_to_string(folder.join("preset.toml")).unwrap_or_default() }
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

fn edit_runs(edit: &RunEdit) -> Answers {
    let answer = |outcome: Result<String>| match (edit, outcome) {
        (RunEdit::Rename { run, name }, Ok(_)) => Msg::RunRenamed(run.clone(), run.with_file_name(name)),
        (RunEdit::Rename { run, name }, Err(error)) => {
            Msg::RunNotRenamed { run: run.clone(), name: name.clone(), why: format!("{error:#}") }
        }
        (_, outcome) => done(outcome),
    };
    edit.apply().into_iter().map(answer).collect()
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

pub(super) fn refused(error: &anyhow::Error) -> Msg {
    Msg::Refused(format!("{error:#}"))
}
