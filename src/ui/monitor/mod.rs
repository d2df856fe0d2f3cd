//! The monitor: one run, live or replayed. Its state, and how inputs change it.

mod card;
mod chart_files;
mod charts;
mod completions;
mod confusion;
mod confusion_view;
mod content;
mod examples;
mod files;
mod grid;
mod header;
mod health;
mod health_popup;
mod layers;
mod layers_view;
mod list;
mod log;
mod log_view;
mod overlay_view;
mod overlays;
mod overview;
mod panel;
mod panels;
mod place;
mod playback;
mod preset;
mod prompt;
mod scene;
mod selection;
mod status;
mod system;
mod system_content;
mod view;

use std::ops::ControlFlow;
use std::time::Duration;

use crossterm::event::KeyEvent;
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Position, Rect};
use ratatui::text::Line;

use super::comparison::ComparedRun;
use super::input::UserInput;
use super::intent::Intent;
use super::keymap::{Action, Context, Keymap};
use super::replay::Pace;
use super::screenshot::ScreenFiles;
use super::theme::Look;
use crate::protocol::{Command, Event};
use crate::runs::{History, RunEnd};
use card::{Card, CardAction, CardContent, CardOutcome};
pub use files::Files;
use health::Health;
use overlays::Overlays;
pub use panel::Panel;
use prompt::{Prompt, PromptOutcome};
use scene::Scene;
pub use status::RunStatus;
pub use view::{Tab, View};

/// A run on the monitor.
pub struct Monitor {
    pub run: History,
    pub view: View,
    /// Whether the run has a trainer that accepts commands; a replay has none.
    pub live: bool,
    /// Whether that trainer is in another process.
    pub attached: bool,
    /// How fast a replay is; `None` once all its events are there.
    pub pace: Option<Pace>,
    /// The command that the trainer has not confirmed yet: `pausing…`.
    pub asked: Option<&'static str>,
    /// The run's files, if they are known.
    pub files: Option<Files>,
    /// Other runs to compare with.
    overlays: Overlays,
    /// What the checks have found.
    health: Health,
    /// The prompt that is being typed.
    prompt: Option<Prompt>,
    /// The card of the run's end, if it is open.
    card: Option<Card>,
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
            pace: None,
            asked: None,
            files: None,
            overlays: Overlays::default(),
            health: Health::default(),
            prompt: None,
            card: None,
        }
    }

    /// Replaces the runs that can be shown over this one.
    pub fn set_overlays(&mut self, runs: &[ComparedRun]) {
        self.overlays.runs = runs.to_vec();
    }

    /// Whether there are runs that can be shown over this one.
    pub fn has_overlays(&self) -> bool {
        !self.overlays.runs.is_empty()
    }

    /// Shows the curves of other runs from now on.
    ///
    /// # Errors
    /// Why there is none to show.
    pub fn show_overlays(&mut self) -> Result<(), String> {
        self.overlays.show(&self.run, self.files.as_ref())
    }

    /// Applies an event of the run.
    pub fn on_event(&mut self, event: Event) {
        // Only what the trainer confirms is shown as done.
        if matches!(event, Event::Phase { .. }) || event.is_last() {
            self.asked = None;
        }
        let last = event.is_last();
        self.run.apply(event);
        self.health.on_event();
        if self.live && self.health.is_due(&self.run) {
            self.assess();
        }
        match &self.run.end {
            // A run that continues has not ended.
            None => self.card = None,
            // Whoever opens a recorded run wants to look at it; one that failed says why.
            Some(end) if last && (self.live || matches!(end, RunEnd::Failed { .. })) => {
                self.card = Some(Card::default())
            }
            Some(_) => {}
        }
    }

    /// Checks the run as it is after the latest event. Events of a live run do so now and then; those of a replay come in
    /// parts, after each of which the run is to be checked.
    pub fn assess(&mut self) {
        self.health.assess(&self.run);
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

    /// Notes that a rule of the user pauses the run. Returns whether there is something to pause. Unlike a key, a rule does
    /// not wait until the last command is confirmed.
    pub fn pause_for_alert(&mut self) -> bool {
        let pausable = self.at_work() && !self.run.held;
        if pausable {
            self.asked.get_or_insert("pausing…");
        }
        pausable
    }

    /// Handles an input. `area` is the one that [`Monitor::draw`] draws on.
    pub fn handle(&mut self, input: &UserInput, area: Rect, keymap: &Keymap, look: &Look) -> Option<Intent> {
        if self.health.listed.is_some() {
            return self.act_on_health(input, self.parts(area)[2], keymap);
        }
        match input {
            UserInput::Key(key) => match self.type_key(key) {
                ControlFlow::Break(intent) => intent,
                ControlFlow::Continue(()) => {
                    let action = keymap.action(Context::Monitor, key);
                    match self.card_in_front(|card, content| card.key(key, content)) {
                        None => self.act(action?, area),
                        // Below a card, charts do not move.
                        Some(CardOutcome::Ignored) => match action? {
                            action @ (Action::App(_) | Action::Tab(_) | Action::Summary) => self.act(action, area),
                            _ => None,
                        },
                        Some(outcome) => self.on_card(outcome),
                    }
                }
            },
            UserInput::Paste(text) => {
                self.paste(text);
                None
            }
            UserInput::Click(at) => self.click(*at, area, look),
            UserInput::Drag(at) => {
                if self.view.tab == Tab::Layers && !self.view.full {
                    let body = self.parts(area)[2];
                    layers::drag(&mut self.view, &self.run, *at, body, look);
                }
                None
            }
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

    /// Hands an input to the card, if it is in front.
    fn card_in_front(&mut self, input: impl FnOnce(&mut Card, &CardContent) -> CardOutcome) -> Option<CardOutcome> {
        let card = self.card.as_mut().filter(|_| self.view.tab == Tab::Overview && self.prompt.is_none())?;
        Some(input(card, &CardContent::of(&self.run, self.files.as_ref())?))
    }

    fn on_card(&mut self, outcome: CardOutcome) -> Option<Intent> {
        match outcome {
            CardOutcome::Stay | CardOutcome::Ignored => {}
            CardOutcome::Close => self.card = None,
            CardOutcome::Chosen(CardAction::Ask(intent)) => return Some(*intent),
            CardOutcome::Chosen(CardAction::OpenLog) => self.view.open_tab(Tab::Log),
        }
        None
    }

    /// Opens the card of the run's end, or closes it.
    fn toggle_card(&mut self) -> Option<Intent> {
        if self.run.end.is_none() {
            return Some(Intent::Refuse("this run has not ended; its summary comes at the end".into()));
        }
        self.card = match self.card {
            Some(_) if self.view.tab == Tab::Overview => None,
            card => Some(card.unwrap_or_default()),
        };
        if self.view.tab != Tab::Overview {
            self.view.open_tab(Tab::Overview);
        }
        None
    }

    /// Whether the latest log lines are on the screen.
    pub fn shows_log(&self) -> bool {
        match self.view.tab {
            Tab::Overview => !self.view.full,
            tab => tab == Tab::Log,
        }
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
        let body = self.parts(area)[2];
        match action {
            Action::App(action) => return Some(Intent::App(action)),
            Action::Tab(number) => {
                if let Some((tab, _)) = Tab::ALL.get(number) {
                    self.view.open_tab(*tab);
                }
            }
            Action::PauseOrResume | Action::Slower | Action::Faster if self.pace.is_some() => {
                return self.change_pace(action);
            }
            Action::Summary => return self.toggle_card(),
            Action::PauseOrResume if self.run.held => return self.command("resuming…", Command::Resume),
            Action::PauseOrResume => return self.command("pausing…", Command::Pause),
            Action::Checkpoint => return self.command("saving a checkpoint…", Command::Checkpoint),
            Action::Evaluate => return self.command("evaluating…", Command::Evaluate),
            Action::StopAndSave => return self.command("stopping…", Command::Stop { save: true }),
            Action::Sample => match self.check_prompts() {
                Ok(()) => self.prompt = Some(Prompt::after(&self.run)),
                Err(why) => return Some(Intent::Refuse(why.into())),
            },
            Action::Back if self.view.cursor.is_some() && !self.view.full => self.view.clear_cursor(),
            Action::Back if self.view.tab == Tab::Samples && self.view.confusion.is_active() => {
                self.view.confusion.back()
            }
            Action::Back if !self.live && !self.view.full && !self.view.lines.filtered() => {
                return Some(Intent::CloseReplay);
            }
            Action::Overlay if self.overlays.shown => self.overlays.shown = false,
            Action::Overlay if self.has_overlays() => return Some(Intent::Overlay),
            Action::Overlay => return self.show_overlays().err().map(|why| Intent::Refuse(why.into())),
            Action::LogAxis => self.view.toggle_log(self.view.chart(&self.run)),
            Action::Smoothing => self.view.smoothing = self.view.smoothing.next(),
            Action::Axis => {
                self.view.time = !self.view.time;
                self.view.clear_cursor();
                self.view.window = None;
            }
            Action::Health => self.health.listed = Some(0),
            Action::WriteChart if self.files.is_none() => {
                return Some(Intent::Refuse("this run has no folder to write to".into()));
            }
            Action::WriteChart => return self.write_chart(),
            action => self.act_on_tab(action, body),
        }
        None
    }

    /// Where a picture of the screen is saved, if the run has a folder.
    pub fn screen_files(&self) -> Option<ScreenFiles> {
        let folder = self.files.as_ref()?.folder.join("screens");
        let tab = Tab::ALL.iter().find(|(tab, _)| *tab == self.view.tab).map_or("", |(_, name)| *name);
        Some(ScreenFiles { folder, name: format!("{}-step-{}", tab.to_lowercase(), self.run.taken) })
    }

    /// Whether the monitor changes as time advances.
    pub fn playing(&self) -> bool {
        self.view.tab == Tab::Layers && self.view.layers.playback.is_some()
    }

    /// Plays on. `now` is the time since the program started.
    pub fn tick(&mut self, now: Duration) {
        if self.playing() {
            layers::tick(&mut self.view, &self.run, now);
        }
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

    /// Whether the run, or its replay, is paused.
    pub fn paused(&self) -> bool {
        self.pace.map_or(self.run.held, |pace| pace.paused)
    }

    fn change_pace(&mut self, action: Action) -> Option<Intent> {
        let pace = match action {
            Action::Slower => self.pace?.slower(),
            Action::Faster => self.pace?.faster(),
            _ => self.pace?.toggled(),
        };
        self.pace = Some(pace);
        Some(Intent::Pace(pace))
    }

    fn command(&mut self, word: &'static str, command: Command) -> Option<Intent> {
        self.request(word, command).map(Intent::Send)
    }

    /// The wheel zooms a full-screen chart, focuses the chart under the pointer, and scrolls what scrolls.
    fn scroll(&mut self, at: Position, area: Rect, up: bool) -> Option<Intent> {
        match self.view.tab {
            _ if self.view.full => self.act(if up { Action::ZoomIn } else { Action::ZoomOut }, area),
            Tab::Overview | Tab::System => {
                self.focus_at(at, self.parts(area)[2]);
                None
            }
            _ => self.act(if up { Action::Up } else { Action::Down }, area),
        }
    }

    fn click(&mut self, at: Position, area: Rect, look: &Look) -> Option<Intent> {
        let [header, badges, body] = self.parts(area);
        if self.prompt.is_some() {
            // A click beside the dialog closes it, as esc does, and does nothing else.
            self.prompt = self.prompt.take().filter(|_| prompt::area(body).contains(at));
            return None;
        }
        if let Some(index) = self.health.badge_at(at, badges) {
            self.health.listed = Some(index);
            return None;
        }
        if let Some(number) = header::tabs(header).into_iter().position(|area| area.contains(at)) {
            return self.act(Action::Tab(number), area);
        }
        if let Some(outcome) = self.card_in_front(|card, content| card.click(at, content, body)) {
            return self.on_card(outcome);
        }
        let (view, run) = (&mut self.view, &self.run);
        match view.tab {
            Tab::Overview | Tab::System => self.click_chart(at, body),
            Tab::Layers if view.full => self.click_chart(at, body),
            Tab::Layers => layers::click(view, run, at, body, look),
            Tab::Samples if run.writes() => completions::click(view, run, at, body),
            Tab::Samples => examples::click(view, run, at, body),
            Tab::Log | Tab::Preset => {}
        }
        None
    }

    /// The run's name and state in at most `room` cells, for the first line of the screen.
    pub fn headline(&self, look: &Look, room: usize) -> Line<'static> {
        let source = match (self.attached, self.live) {
            (true, _) => header::Source::Attached,
            (false, true) => header::Source::Own,
            (false, false) => header::Source::Replay(self.pace),
        };
        header::headline(&self.status(look), source, room, look)
    }

    /// Draws the loss chart alone.
    pub fn draw_loss(&self, frame: &mut Frame, area: Rect, look: &Look) {
        panels::draw(frame, area, self.scene(look), Panel::Loss);
    }

    /// Draws the tab in front, and the card or the prompt over it.
    pub fn draw(&self, frame: &mut Frame, area: Rect, look: &Look) {
        let [header, badges, body] = self.parts(area);
        let scene = Scene { badges: badges.height > 0, ..self.scene(look) };
        header::draw(frame, header, scene);
        if scene.badges {
            health::draw(frame, badges, scene);
        }
        match self.view.tab {
            Tab::Overview => overview::draw(frame, body, scene),
            Tab::Layers => layers::draw(frame, body, scene),
            Tab::Samples if self.run.writes() => completions::draw(frame, body, scene),
            Tab::Samples => examples::draw(frame, body, scene),
            Tab::System => system::draw(frame, body, scene),
            Tab::Log => log::draw(frame, body, scene),
            Tab::Preset => preset::draw(frame, body, scene),
        }
        if self.view.tab == Tab::Overview
            && let Some(card) = &self.card
            && let Some(content) = CardContent::of(&self.run, self.files.as_ref())
        {
            card.draw(frame, body, look, &self.name(), &content);
        }
        if let Some(prompt) = &self.prompt {
            prompt::draw(frame, body, scene, prompt);
        }
        if let Some(cursor) = self.health.listed {
            health_popup::draw(frame, body, scene, cursor);
        }
    }

    fn scene<'a>(&'a self, look: &'a Look) -> Scene<'a> {
        let Monitor { run, view, files, overlays, health, .. } = self;
        Scene { run, view, files: files.as_ref(), overlays, verdicts: &health.verdicts, badges: false, look }
    }

    /// The lines of the header, the line of badges if there are any, and the body.
    fn parts(&self, area: Rect) -> [Rect; 3] {
        let lines = [header::HEIGHT, self.health.lines(area)].map(Constraint::Length);
        Layout::vertical([lines[0], lines[1], Constraint::Fill(1)]).areas(area)
    }
}
