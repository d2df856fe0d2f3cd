//! The monitor: one run, live or replayed. Its state, and how keys change it.

mod chart_files;
mod charts;
mod completions;
mod content;
mod examples;
mod header;
mod layers;
mod list;
mod log;
mod overview;
mod panels;
mod preset;
mod prompt;
mod run;
mod selection;
mod system;
mod targets;
mod view;

use std::ops::ControlFlow;
use std::path::PathBuf;

use crossterm::event::KeyEvent;
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Position, Rect};
use ratatui::text::Line;

use super::app::{Effect, Look};
use super::keymap::Action;
use crate::protocol::{Command, Event};
pub(crate) use header::sides;
pub use overview::Panel;
use prompt::{Prompt, PromptOutcome};
pub use run::{End, Run};
use view::Smoothing;
pub use view::{Tab, View};

/// A run on the screen.
pub struct Monitor {
    /// What it told.
    pub run: Run,
    /// What of it is looked at, and how.
    pub view: View,
    /// Whether a trainer is behind it that obeys.
    pub live: bool,
    /// Whether that trainer is in another process.
    pub attached: bool,
    /// What was asked for and is not confirmed yet: `pausing…`.
    pub asked: Option<&'static str>,
    /// Where it keeps its files, where that is known.
    pub files: Option<Files>,
    /// Other runs to compare with, by name.
    overlays: Vec<(String, Run)>,
    /// What the model is about to be asked, while it is typed.
    prompt: Option<Prompt>,
}

/// A run's files.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Files {
    /// Their folder.
    pub folder: PathBuf,
    /// The preset as it runs: TOML.
    pub preset: String,
}

/// What the monitor's drawing sees.
#[derive(Clone, Copy)]
struct Scene<'a> {
    run: &'a Run,
    view: &'a View,
    asked: Option<&'static str>,
    files: Option<&'a Files>,
    overlays: &'a [(String, Run)],
    look: &'a Look,
}

impl Monitor {
    /// Of a run that is about to tell its first event; `live` if it can be ordered about.
    pub fn new(live: bool) -> Monitor {
        Monitor {
            run: Run::default(),
            view: View::default(),
            live,
            attached: false,
            asked: None,
            files: None,
            overlays: Vec::new(),
            prompt: None,
        }
    }

    /// Of a run whose trainer is in another process.
    pub fn elsewhere() -> Monitor {
        let mut monitor = Monitor::new(true);
        monitor.attached = true;
        monitor
    }

    /// Lays another run's curves beneath this one's.
    pub fn overlay(&mut self, name: impl Into<String>, run: Run) {
        self.overlays.push((super::format::plain(&name.into()), run));
    }

    /// Takes up an event of the run.
    pub fn told(&mut self, event: Event) {
        // Only what the trainer confirms is shown as done.
        if matches!(event, Event::Phase { .. }) || event.is_last() {
            self.asked = None;
        }
        self.run.apply(event);
    }

    /// Whether nothing is open that a key could close.
    pub fn at_rest(&self) -> bool {
        !self.view.full && !self.view.lines.filtered()
    }

    /// Whether its trainer still works.
    pub fn at_work(&self) -> bool {
        self.live && self.run.end.is_none()
    }

    /// Whether keys are text now.
    pub fn typing(&self) -> bool {
        self.prompt.is_some() || self.view.tab == Tab::Log && self.view.lines.typing
    }

    /// Takes up a key that is text, unless it is none. Breaks off where it was, with a prompt that is to be asked.
    pub fn key(&mut self, key: &KeyEvent) -> ControlFlow<Option<String>> {
        let Some(prompt) = &mut self.prompt else {
            return if self.view.lines.key(key) { ControlFlow::Break(None) } else { ControlFlow::Continue(()) };
        };
        match prompt.key(key) {
            PromptOutcome::Editing => ControlFlow::Break(None),
            PromptOutcome::Submitted(prompt) => ControlFlow::Break(Some(prompt)),
            PromptOutcome::Cancelled => {
                self.prompt = None;
                ControlFlow::Break(None)
            }
            PromptOutcome::Ignored => ControlFlow::Continue(()),
        }
    }

    /// Takes up pasted text.
    pub fn pasted(&mut self, text: &str) {
        match &mut self.prompt {
            Some(prompt) => prompt.pasted(text),
            None => self.view.lines.pasted(text),
        }
    }

    /// Has a prompt typed.
    ///
    /// # Errors
    /// Why the model cannot be asked.
    pub fn open_prompt(&mut self) -> Result<(), &'static str> {
        self.can_answer()?;
        self.prompt = Some(Prompt::after(&self.run));
        Ok(())
    }

    /// Asks the model, and goes where its answer will be seen.
    ///
    /// # Errors
    /// Why it cannot be asked; what was typed stays.
    pub fn sample(&mut self, prompt: String) -> Result<Effect, &'static str> {
        self.can_answer()?;
        let order = self.ask("asking…", Command::Sample { prompt });
        let order = order.ok_or("the run has not done yet what it was told last; ask again in a moment")?;
        self.prompt = None;
        (self.view.tab, self.view.example) = (Tab::Samples, 0);
        self.view.shrink();
        Ok(order)
    }

    /// Whether the run's model answers now.
    pub fn answers(&self) -> bool {
        self.can_answer().is_ok()
    }

    fn can_answer(&self) -> Result<(), &'static str> {
        match &self.run.started {
            Some(_) if !self.run.writes() => Err("a classifier writes no text: it cannot be asked"),
            _ if !self.at_work() => Err("this run does not go; `finesift chat` talks to what it came to"),
            None => Err("the model is not there yet"),
            Some(_) => Ok(()),
        }
    }

    /// Does what a key says. `area` is what [`Monitor::draw`] draws on.
    pub fn act(&mut self, action: Action, area: Rect) -> Option<Effect> {
        let body = parts(area)[1];
        match action {
            Action::Tab(number) => {
                if let Some((tab, _)) = Tab::ALL.get(number) {
                    self.view.tab = *tab;
                    self.view.shrink();
                }
            }
            Action::PauseOrResume => {
                let paused = self.run.held;
                let (word, command) =
                    if paused { ("resuming…", Command::Resume) } else { ("pausing…", Command::Pause) };
                return self.ask(word, command);
            }
            Action::Checkpoint => return self.ask("writing a checkpoint…", Command::Checkpoint),
            Action::Evaluate => return self.ask("evaluating…", Command::Evaluate),
            Action::StopAndSave => return self.ask("stopping…", Command::Stop { save: true }),
            Action::LogAxis => self.view.log = !self.view.log,
            Action::Smoothing => {
                self.view.smoothing = match self.view.smoothing {
                    Smoothing::None => Smoothing::Light,
                    Smoothing::Light => Smoothing::Strong,
                    Smoothing::Strong => Smoothing::None,
                }
            }
            Action::Axis => {
                self.view.time = !self.view.time;
                (self.view.cursor, self.view.window) = (None, None);
            }
            Action::WriteChart => return self.write_chart(),
            action => match self.view.tab {
                Tab::Overview | Tab::System => self.act_on_charts(action, body),
                Tab::Layers if self.view.full => self.act_on_charts(action, body),
                Tab::Layers => layers::act(self, action, body),
                Tab::Samples if self.run.writes() => completions::act(self, action, body),
                Tab::Samples => examples::act(self, action, body),
                Tab::Log => log::act(self, action, body),
                Tab::Preset => preset::act(self, action, body),
            },
        }
        None
    }

    /// Takes up a click; `area` is what [`Monitor::draw`] draws on.
    pub fn click(&mut self, at: Position, area: Rect) -> Option<Effect> {
        let [header, body] = parts(area);
        if let Some((number, _)) = header::tabs(header).into_iter().enumerate().find(|(_, area)| area.contains(at)) {
            return self.act(Action::Tab(number), area);
        }
        match self.view.tab {
            Tab::Overview | Tab::System => self.click_chart(at, body),
            Tab::Layers if self.view.full => self.click_chart(at, body),
            Tab::Layers => layers::click(self, at, body),
            Tab::Samples if self.run.writes() => completions::click(self, at, body),
            Tab::Samples => examples::click(self, at, body),
            Tab::Log | Tab::Preset => {}
        }
        None
    }

    /// Takes up a turn of the wheel; `area` is what [`Monitor::draw`] draws on.
    pub fn wheel(&mut self, up: bool, area: Rect) -> Option<Effect> {
        let action = match (self.view.full, up) {
            (true, true) => Action::ZoomIn,
            (true, false) => Action::ZoomOut,
            (false, true) => Action::Up,
            (false, false) => Action::Down,
        };
        self.act(action, area)
    }

    /// The run's name and state, for the first line of the screen.
    pub fn headline(&self, look: &Look) -> Line<'static> {
        header::headline(self.scene(look), self.attached)
    }

    /// Draws it.
    pub fn draw(&self, frame: &mut Frame, area: Rect, look: &Look) {
        let scene = self.scene(look);
        let [header, body] = parts(area);
        header::draw(frame, header, scene);
        match self.view.tab {
            Tab::Overview => overview::draw(frame, body, scene),
            Tab::Layers => layers::draw(frame, body, scene),
            Tab::Samples if self.run.writes() => completions::draw(frame, body, scene),
            Tab::Samples => examples::draw(frame, body, scene),
            Tab::System => system::draw(frame, body, scene),
            Tab::Log => log::draw(frame, body, scene),
            Tab::Preset => preset::draw(frame, body, scene),
        }
        if let Some(prompt) = &self.prompt {
            prompt::draw(frame, body, scene, prompt);
        }
    }

    fn scene<'a>(&'a self, look: &'a Look) -> Scene<'a> {
        let Monitor { run, view, asked, files, overlays, .. } = self;
        Scene { run, view, asked: *asked, files: files.as_ref(), overlays, look }
    }

    /// Asks the trainer, if there is one at work; nothing else is asked until it has answered, but to stop.
    pub fn ask(&mut self, word: &'static str, command: Command) -> Option<Effect> {
        if !self.at_work() || self.asked.is_some() && !matches!(command, Command::Stop { .. }) {
            return None;
        }
        self.asked = Some(word);
        Some(Effect::Send(command))
    }
}

/// The lines of the header, and the rest.
fn parts(area: Rect) -> [Rect; 2] {
    Layout::vertical([Constraint::Length(header::HEIGHT), Constraint::Fill(1)]).areas(area)
}
