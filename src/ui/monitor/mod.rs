//! The monitor: one run, live or replayed. Its state, and how inputs change it.

mod chart_files;
mod charts;
mod completions;
mod content;
mod examples;
mod files;
mod header;
mod layers;
mod layers_view;
mod list;
mod log;
mod log_view;
mod overview;
mod panel;
mod panels;
mod place;
mod preset;
mod prompt;
mod scene;
mod selection;
mod smoothing;
mod system;
mod system_content;
mod view;

use std::ops::ControlFlow;

use crossterm::event::KeyEvent;
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Position, Rect};
use ratatui::text::Line;

use super::input::UserInput;
use super::intent::Intent;
use super::keymap::{Action, Context, Keymap};
use super::theme::Look;
use crate::protocol::{Command, Event};
use crate::runs::History;
pub use files::Files;
pub use panel::Panel;
use prompt::{Prompt, PromptOutcome};
use scene::Scene;
use smoothing::Smoothing;
pub use view::{Tab, View};

/// A run on the monitor.
pub struct Monitor {
    pub run: History,
    pub view: View,
    /// Whether the run has a trainer that accepts commands; a replay has none.
    pub live: bool,
    /// Whether that trainer is in another process.
    pub attached: bool,
    /// The command that the trainer has not confirmed yet: `pausing…`.
    pub asked: Option<&'static str>,
    /// The run's files, if they are known.
    pub files: Option<Files>,
    /// Other runs to compare with, by name.
    overlays: Vec<(String, History)>,
    /// The prompt that is being typed.
    prompt: Option<Prompt>,
}

impl Monitor {
    /// A run that was started in this process.
    pub fn launched() -> Monitor {
        Monitor { live: true, ..Monitor::replay() }
    }

    /// A run whose trainer is in another process.
    pub fn attached() -> Monitor {
        Monitor { attached: true, ..Monitor::launched() }
    }

    /// A run whose recorded events are replayed.
    pub fn replay() -> Monitor {
        Monitor {
            run: History::default(),
            view: View::default(),
            live: false,
            attached: false,
            asked: None,
            files: None,
            overlays: Vec::new(),
            prompt: None,
        }
    }

    /// Draws another run's curves beneath this run's from now on.
    pub fn overlay(&mut self, name: impl Into<String>, run: History) {
        self.overlays.push((super::format::plain(&name.into()), run));
    }

    /// Applies an event of the run.
    pub fn on_event(&mut self, event: Event) {
        // Only what the trainer confirms is shown as done.
        if matches!(event, Event::Phase { .. }) || event.is_last() {
            self.asked = None;
        }
        self.run.apply(event);
    }

    /// Whether the run's trainer is still running.
    pub fn at_work(&self) -> bool {
        self.live && self.run.end.is_none()
    }

    /// Whether the run's model can be prompted now.
    pub fn accepts_prompts(&self) -> bool {
        self.check_prompts().is_ok()
    }

    fn check_prompts(&self) -> Result<(), &'static str> {
        match &self.run.started {
            Some(_) if !self.run.writes() => Err("a classifier generates no text and cannot be prompted"),
            _ if !self.at_work() => Err("this run is not training; use `finesift chat` to prompt its model"),
            None => Err("the model is not loaded yet"),
            Some(_) => Ok(()),
        }
    }

    /// Notes a command that is about to be sent. `None` if the run has ended, or if it has not confirmed the last
    /// command; a stop does not wait for that.
    pub fn request(&mut self, word: &'static str, command: Command) -> Option<Command> {
        if !self.at_work() || self.asked.is_some() && !matches!(command, Command::Stop { .. }) {
            return None;
        }
        self.asked = Some(word);
        Some(command)
    }

    /// Handles an input. `area` is the one that [`Monitor::draw`] draws on.
    pub fn handle(&mut self, input: &UserInput, area: Rect, keymap: &Keymap) -> Option<Intent> {
        match input {
            UserInput::Key(key) => match self.type_key(key) {
                ControlFlow::Break(intent) => intent,
                ControlFlow::Continue(()) => self.act(keymap.action(Context::Monitor, key)?, area),
            },
            UserInput::Paste(text) => {
                self.paste(text);
                None
            }
            UserInput::Click(at) => self.click(*at, area),
            UserInput::ScrollUp(at) => self.scroll(*at, area, true),
            UserInput::ScrollDown(at) => self.scroll(*at, area, false),
        }
    }

    /// Types a key into the prompt or the filter of the log, if one of them is open and the key is text.
    fn type_key(&mut self, key: &KeyEvent) -> ControlFlow<Option<Intent>> {
        if let Some(prompt) = &mut self.prompt {
            return match prompt.key(key) {
                PromptOutcome::Editing => ControlFlow::Break(None),
                PromptOutcome::Submitted(prompt) => ControlFlow::Break(Some(self.sample(prompt))),
                PromptOutcome::Cancelled => {
                    self.prompt = None;
                    ControlFlow::Break(None)
                }
                PromptOutcome::Ignored => ControlFlow::Continue(()),
            };
        }
        let typed = self.filtering() && self.view.lines.key(key);
        if typed { ControlFlow::Break(None) } else { ControlFlow::Continue(()) }
    }

    fn paste(&mut self, text: &str) {
        if let Some(prompt) = &mut self.prompt {
            prompt.pasted(text);
        } else if self.filtering() {
            self.view.lines.pasted(text);
        }
    }

    fn filtering(&self) -> bool {
        self.view.tab == Tab::Log && self.view.lines.typing
    }

    /// Sends a prompt, and shows where the completion will appear. If it cannot be sent, it stays open to be edited.
    fn sample(&mut self, prompt: String) -> Intent {
        if let Err(why) = self.check_prompts() {
            return Intent::Refuse(why.into());
        }
        let Some(command) = self.request("sampling…", Command::Sample { prompt }) else {
            return Intent::Refuse("the run has not confirmed the last command yet; try again in a moment".into());
        };
        self.prompt = None;
        self.view.open_tab(Tab::Samples);
        self.view.example = 0;
        Intent::Send(command)
    }

    /// Performs an action. `area` is the one that [`Monitor::draw`] draws on.
    pub fn act(&mut self, action: Action, area: Rect) -> Option<Intent> {
        let body = parts(area)[1];
        match action {
            Action::App(action) => return Some(Intent::App(action)),
            Action::Tab(number) => {
                if let Some((tab, _)) = Tab::ALL.get(number) {
                    self.view.open_tab(*tab);
                }
            }
            Action::PauseOrResume if self.run.held => return self.command("resuming…", Command::Resume),
            Action::PauseOrResume => return self.command("pausing…", Command::Pause),
            Action::Checkpoint => return self.command("saving a checkpoint…", Command::Checkpoint),
            Action::Evaluate => return self.command("evaluating…", Command::Evaluate),
            Action::StopAndSave => return self.command("stopping…", Command::Stop { save: true }),
            Action::Sample => match self.check_prompts() {
                Ok(()) => self.prompt = Some(Prompt::after(&self.run)),
                Err(why) => return Some(Intent::Refuse(why.into())),
            },
            Action::Back if self.view.cursor.is_some() && !self.view.full => self.view.cursor = None,
            Action::Back if !self.live && !self.view.full && !self.view.lines.filtered() => {
                return Some(Intent::CloseReplay);
            }
            Action::LogAxis => self.view.toggle_log(self.view.chart(&self.run)),
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
            Action::WriteChart if self.files.is_none() => {
                return Some(Intent::Refuse("this run has no folder to write to".into()));
            }
            Action::WriteChart => return self.write_chart(),
            action => self.act_on_tab(action, body),
        }
        None
    }

    fn act_on_tab(&mut self, action: Action, body: Rect) {
        let (view, run) = (&mut self.view, &self.run);
        match view.tab {
            Tab::Overview | Tab::System => self.act_on_charts(action, body),
            Tab::Layers if view.full => self.act_on_charts(action, body),
            Tab::Layers => layers::act(view, run, action, body),
            Tab::Samples if run.writes() => completions::act(view, run, action, body),
            Tab::Samples => examples::act(view, run, action, body),
            Tab::Log => log::act(view, run, action, body),
            Tab::Preset => preset::act(view, self.files.as_ref(), action, body),
        }
    }

    fn command(&mut self, word: &'static str, command: Command) -> Option<Intent> {
        self.request(word, command).map(Intent::Send)
    }

    /// The wheel zooms a full-screen chart, focuses the chart under the pointer, and scrolls what scrolls.
    fn scroll(&mut self, at: Position, area: Rect, up: bool) -> Option<Intent> {
        match self.view.tab {
            _ if self.view.full => self.act(if up { Action::ZoomIn } else { Action::ZoomOut }, area),
            Tab::Overview | Tab::System => {
                self.focus_at(at, parts(area)[1]);
                None
            }
            _ => self.act(if up { Action::Up } else { Action::Down }, area),
        }
    }

    fn click(&mut self, at: Position, area: Rect) -> Option<Intent> {
        let [header, body] = parts(area);
        if self.prompt.is_some() {
            // A click beside the dialog closes it, as esc does, and does nothing else.
            self.prompt = self.prompt.take().filter(|_| prompt::area(body).contains(at));
            return None;
        }
        if let Some(number) = header::tabs(header).into_iter().position(|area| area.contains(at)) {
            return self.act(Action::Tab(number), area);
        }
        let (view, run) = (&mut self.view, &self.run);
        match view.tab {
            Tab::Overview | Tab::System => self.click_chart(at, body),
            Tab::Layers if view.full => self.click_chart(at, body),
            Tab::Layers => layers::click(view, run, at, body),
            Tab::Samples if run.writes() => completions::click(view, run, at, body),
            Tab::Samples => examples::click(view, run, at, body),
            Tab::Log | Tab::Preset => {}
        }
        None
    }

    /// The run's name and state, for the first line of the screen.
    pub fn headline(&self, look: &Look) -> Line<'static> {
        header::headline(self.scene(look), self.attached)
    }

    /// Draws the tab in front, and the prompt over it.
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
}

/// The lines of the header, and the body.
fn parts(area: Rect) -> [Rect; 2] {
    Layout::vertical([Constraint::Length(header::HEIGHT), Constraint::Fill(1)]).areas(area)
}
