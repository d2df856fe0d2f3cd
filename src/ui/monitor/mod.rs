//! The monitor: one run, live or replayed. Its state, and how it is drawn.

mod actions;
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
mod hosts;
mod inputs;
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
mod rank_table;
mod ranks;
mod scene;
mod selection;
mod status;
mod system;
mod system_content;
mod view;

use super::comparison::ComparedRun;
use super::replay::Pace;
use super::screenshot::ScreenFiles;
use super::theme::Look;
use crate::protocol::{Command, Event};
use crate::runs::{History, RunEnd};
use card::{Card, CardContent};
pub use files::Files;
use health::Health;
use overlays::Overlays;
pub use panel::Panel;
use prompt::Prompt;
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::text::Line;
use scene::Scene;
pub use status::RunStatus;
use std::time::Duration;
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

    /// Whether the latest log lines are on the screen.
    pub fn shows_log(&self) -> bool {
        match self.view.tab {
            Tab::Overview => !self.view.full,
            tab => tab == Tab::Log,
        }
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

    /// Whether the run, or its replay, is paused.
    pub fn paused(&self) -> bool {
        self.pace.map_or(self.run.held, |pace| pace.paused)
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
