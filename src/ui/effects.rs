//! What the state asks for is done here: at once where it is quick, aside where it is not, with the answer as a message.

use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::time::SystemTime;

use anyhow::{Context, Result, anyhow};

use super::app::{Effect, Msg};
use super::backend::{Backend, Launched};
use super::export::Exporting;
use super::message::{Saved, Saving};
use super::monitor::Files;
use super::runs::Comparison;
use super::{AT_ONCE, Workbench};
use crate::config::Config;
use crate::export::ExportRequest;
use crate::panics::catch;
use crate::protocol::Event;
use crate::runs::checkpoint::{self, CheckpointSelector, select};
use crate::runs::{EventRange, History, move_to_trash, write_tags};

impl Workbench {
    /// Does what the state asks for. What takes long is done aside, and its answer comes as a message.
    pub(super) fn perform(&mut self, effect: Effect) {
        match effect {
            Effect::Send(command) => {
                if let Some(live) = &mut self.live {
                    if self.app.staying_behind {
                        live.link.detach();
                    }
                    live.link.send(command);
                }
            }
            Effect::Launch(preset) => {
                self.begin(|backend| backend.launch(*preset));
            }
            Effect::Estimate(preset) => {
                let backend = self.backend.clone();
                self.aside(move || {
                    // An answer has to come in any case: it is what the next question waits for.
                    let estimate = catch(|| backend.estimate(&preset));
                    let estimate = estimate.unwrap_or_else(|_| Err(anyhow!("this preset cannot be looked into")));
                    vec![Msg::Estimate(preset.toml, estimate.map_err(|error| format!("{error:#}")))]
                });
            }
            Effect::Replay(folder, number) => {
                self.replay.store(number, Ordering::Relaxed);
                let (latest, answers) = (self.replay.clone(), self.answers.0.clone());
                self.aside(move || {
                    let tell = |events| {
                        let _ = answers.send(Msg::Replayed(number, events));
                        latest.load(Ordering::Relaxed) == number
                    };
                    let _ = answers.send(Msg::Files(files(&folder)));
                    refusal(&folder, read_in_parts(&folder, tell)).into_iter().collect()
                });
            }
            Effect::Write(files) => self.aside(move || {
                let names = files.iter().filter_map(|(path, _)| path.file_name());
                let names: Vec<_> = names.map(|name| name.to_string_lossy()).collect();
                let folder = files.first().and_then(|(path, _)| path.parent()).unwrap_or(Path::new("."));
                vec![done(write(&files).map(|()| format!("wrote {} into {}", names.join(" and "), folder.display())))]
            }),
            Effect::Overlay(folders) => {
                for folder in folders {
                    self.aside(move || {
                        let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
                        let mut run = Box::new(History::default());
                        let take = |events: Vec<Event>| {
                            events.into_iter().for_each(|event| run.apply(event));
                            true
                        };
                        match read_in_parts(&folder, take) {
                            Ok(()) => vec![Msg::Overlaid(name, run)],
                            Err(error) => refusal(&folder, Err(error)).into_iter().collect(),
                        }
                    });
                }
            }
            Effect::List => {
                let lister = self.lister.clone();
                self.aside(move || {
                    // One look at a time is enough.
                    let Ok(mut lister) = lister.try_lock() else { return Vec::new() };
                    let now = SystemTime::now();
                    match lister.refresh(now) {
                        Ok(listed) => vec![Msg::Listed(listed, now)],
                        Err(error) => vec![Msg::Refused(format!("cannot look for runs: {error}"))],
                    }
                });
            }
            Effect::Compare(runs) => self.aside(move || {
                vec![match Comparison::of(&runs) {
                    _ if runs.len() < 2 => Msg::Refused("mark two runs or more to compare them".into()),
                    Ok(comparison) => Msg::Compared(comparison),
                    Err(error) => Msg::Refused(format!("{error:#}")),
                }]
            }),
            Effect::Rename(run, name) => self.aside(move || {
                vec![done(crate::runs::rename(&run, &name).map(|path| format!("it is {} now", path.display())))]
            }),
            Effect::Tag(runs, tags) => self.aside(move || {
                let outcome = runs.iter().try_for_each(|run| write_tags(run, &tags));
                vec![done(outcome.map(|()| "tagged".to_owned()))]
            }),
            Effect::Pin { run, step, pin } => self.aside(move || vec![done(set_pin(&run, step, pin))]),
            Effect::Export(order) => self.export(order),
            Effect::CallOff => {
                if let Some(export) = &self.export {
                    export.cancel();
                }
            }
            Effect::ThrowAway(runs) => self.aside(move || {
                runs.iter().map(|run| done(move_to_trash(run).map(|to| format!("moved to {}", to.display())))).collect()
            }),
            Effect::Resume(run) => {
                self.begin(|backend| backend.resume(&run));
            }
            Effect::Attach(run) => {
                if !self.begin(|backend| backend.attach(&run)) {
                    // What it told so far can be looked at all the same.
                    let replay = self.app.replay(run);
                    self.perform(replay);
                }
            }
            Effect::KeepTheme(name) => {
                let config = self.config.clone();
                self.aside(move || {
                    let kept = Config::keep_theme(&config, &name);
                    vec![done(kept.map(|()| format!("theme {name}, kept in {}", config.display())))]
                });
            }
            Effect::Save(saving) => {
                self.save(vec![saving]);
            }
            Effect::SaveAll(savings) => {
                if self.save(savings) {
                    let _ = self.answers.0.send(Msg::AllSaved);
                }
            }
            Effect::Open(_) | Effect::Copy(_) | Effect::Leave | Effect::Suspend => {}
        }
    }

    /// Writes presets of the user's, up to the first that cannot be. Whether all went well.
    fn save(&mut self, savings: Vec<Saving>) -> bool {
        let (mut saved, mut refused) = (Vec::new(), None);
        for Saving { from, name, toml, replace } in savings {
            match self.library.save(&name, &toml, replace) {
                Ok(path) => saved.push(Saved { from, name, path }),
                Err(error) => {
                    refused = Some(Msg::Refused(format!("{error:#}")));
                    break;
                }
            }
        }
        let well = refused.is_none();
        if !saved.is_empty() {
            self.app.update(Msg::Saved(saved, self.library.list()));
        }
        refused.map(|refused| self.app.update(refused));
        well
    }

    fn export(&mut self, order: ExportRequest) {
        let (tell, answers) = (self.answers.0.clone(), self.answers.0.clone());
        let export = Exporting::start(
            self.backend.clone(),
            order,
            move |progress| {
                let _ = tell.send(Msg::Exporting(progress));
            },
            move |outcome| {
                let _ = answers.send(Msg::Exported(outcome));
            },
        );
        match export {
            Ok(export) => self.export = Some(export),
            Err(error) => drop(self.app.update(Msg::Exported(Err(error)))),
        }
    }

    /// Brings a run onto the monitor. Whether that went well.
    fn begin(&mut self, start: impl FnOnce(&dyn Backend) -> Result<Launched>) -> bool {
        if self.live.as_ref().is_some_and(|live| live.link.is_own()) {
            self.app.update(Msg::Refused("a run is going already; stop it first".into()));
            return false;
        }
        match start(&*self.backend) {
            Ok(launched) => {
                self.app.update(begun(&launched));
                self.app.update(Msg::Files(files(&launched.folder)));
                // One that goes elsewhere goes on there.
                self.live = Some(launched);
                true
            }
            Err(error) => {
                self.app.update(Msg::Refused(format!("{error:#}")));
                false
            }
        }
    }

    fn aside(&self, work: impl FnOnce() -> Vec<Msg> + Send + 'static) {
        let answers = self.answers.0.clone();
        tokio::task::spawn_blocking(move || {
            for answer in work() {
                // Nobody waits for it any more.
                let _ = answers.send(answer);
            }
        });
    }
}

/// Reads the events of a run's folder in parts, for as long as they are wanted.
fn read_in_parts(folder: &Path, mut tell: impl FnMut(Vec<Event>) -> bool) -> Result<()> {
    let path = folder.join("events.jsonl");
    let mut events =
        EventRange::open(&path, 0..u64::MAX).with_context(|| format!("{}: cannot read", path.display()))?;
    loop {
        let part: Vec<Event> = events.by_ref().take(AT_ONCE).collect();
        if part.is_empty() || !tell(part) {
            return Ok(());
        }
    }
}

fn refusal(folder: &Path, outcome: Result<()>) -> Option<Msg> {
    outcome.err().map(|error| Msg::Refused(format!("{}: {error:#}", folder.display())))
}

/// Pins the checkpoint of a step, or takes its pin away.
fn set_pin(run: &Path, step: u64, pin: bool) -> Result<String> {
    let path = select(run, Some(CheckpointSelector::Step(step)))?;
    if pin {
        checkpoint::pin(&path)?;
        return Ok(format!("the checkpoint of step {step} is kept whatever comes"));
    }
    checkpoint::unpin(&path)?;
    Ok(format!("the checkpoint of step {step} is pinned no more"))
}

fn done(outcome: Result<String>) -> Msg {
    match outcome {
        Ok(what) => Msg::Done(what),
        Err(error) => Msg::Refused(format!("{error:#}")),
    }
}

/// That a run is there now, and whose.
pub(super) fn begun(launched: &Launched) -> Msg {
    if launched.link.is_own() { Msg::Launched } else { Msg::Attached }
}

/// A run's files; without a preset that can be read, none is shown.
pub(super) fn files(folder: &Path) -> Files {
    Files { folder: folder.to_owned(), preset: std::fs::read_to_string(folder.join("preset.toml")).unwrap_or_default() }
}

/// Writes each text to its file.
fn write(files: &[(PathBuf, String)]) -> Result<()> {
    for (path, text) in files {
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).with_context(|| format!("{}: cannot make it", folder.display()))?;
        }
        std::fs::write(path, text).with_context(|| format!("{}: cannot write", path.display()))?;
    }
    Ok(())
}
