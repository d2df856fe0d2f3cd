//! The state of the application, and how messages change it. Nothing is drawn and nothing waits here.
//!
//! ```text
//! inputs    keys and the mouse: to the overlay, or to the screen in front
//! intents   what screens ask for
//! palette   what is chosen from the palette and from the list of themes
//! runs      the live run, replays, compared runs, and the chat
//! exports   the running export
//! analyses  the running analysis
//! leaving   the questions before leaving
//! ```

mod analyses;
mod exports;
mod inputs;
mod intents;
mod leaving;
mod palette;
mod runs;

use super::analysis::AnalysisScreen;
use super::chat::Chat;
use super::comparison::ComparisonUpdate;
use super::home::Home;
use super::keymap::Keymap;
use super::message::{Effect, Msg};
use super::monitor::Monitor;
use super::monitors::Monitors;
use super::overlay::{BusyDialog, Choice, Overlay, Question};
use super::place::Place;
use super::runs::Runs;
use super::scene::Scene;
use super::screen::Screen;
use super::starts::Starts;
use super::theme::{Look, Themes};
use super::toast::{Toasts, Visibility};
use crate::alerts::{Alert, Alerts};
use crate::preset::PresetEntry;
use crate::protocol::Event;
use ratatui::layout::Rect;

/// The state of the application.
pub struct App {
    /// The screen in front.
    pub screen: Screen,
    pub home: Home,
    pub monitors: Monitors,
    pub runs: Runs,
    pub chat: Chat,
    pub analysis: AnalysisScreen,
    /// What lies above the screen.
    pub overlay: Option<Overlay>,
    pub look: Look,
    pub themes: Themes,
    pub keymap: Keymap,
    pub toasts: Toasts,
    /// The user's alert rules, watched on the live run.
    pub alerts: Alerts,
    /// Whether to leave as soon as the live run has ended.
    pub leaving: bool,
    /// What was chosen in the palette, the latest first.
    recent: Vec<Choice>,
    starts: Starts,
    size: Rect,
}

impl App {
    /// Opens at Home.
    pub fn new(look: Look, keymap: Keymap, home: Home, runs: Runs, width: u16, height: u16) -> App {
        App {
            screen: Screen::Home,
            home,
            monitors: Monitors::default(),
            runs,
            chat: Chat::default(),
            analysis: AnalysisScreen::default(),
            overlay: None,
            look,
            themes: Themes::default(),
            keymap,
            toasts: Toasts::default(),
            alerts: Alerts::default(),
            leaving: false,
            recent: Vec::new(),
            starts: Starts::default(),
            size: Rect::new(0, 0, width, height),
        }
    }

    /// Opens at Home with these presets and the default keys.
    pub fn at_home(look: Look, presets: Vec<PresetEntry>, width: u16, height: u16) -> App {
        App::new(look, Keymap::default(), Home::new(presets), Runs::default(), width, height)
    }

    /// The run on the monitor.
    pub fn monitor(&self) -> Option<&Monitor> {
        self.monitors.shown()
    }

    /// Whether something will happen as time advances.
    pub fn waiting(&self) -> bool {
        self.toasts.count() > 0 || self.playing() || self.screen == Screen::Home && self.home.waiting()
    }

    /// Whether the screen changes as time advances.
    pub fn playing(&self) -> bool {
        self.screen == Screen::Monitor && self.monitor().is_some_and(Monitor::playing)
    }

    /// Where the user is.
    pub fn place(&self) -> Place<'_> {
        Place {
            screen: self.screen,
            home: &self.home,
            runs: &self.runs,
            chat: &self.chat,
            analysis: &self.analysis,
            live: self.monitors.live.as_ref(),
            monitor: self.monitors.shown(),
        }
    }

    /// What is drawn.
    pub fn scene(&self) -> Scene<'_> {
        Scene {
            place: self.place(),
            toasts: &self.toasts,
            overlay: self.overlay.as_ref(),
            keymap: &self.keymap,
            look: &self.look,
        }
    }

    /// Updates the state with a message. Returns what the event loop has to do.
    pub fn update(&mut self, msg: Msg) -> Option<Effect> {
        match msg {
            Msg::Input(input) => return self.handle(input),
            Msg::Event(event) => return self.on_event(event),
            Msg::Tick(now) => {
                self.toasts.tick(now);
                self.analysis.tick(now);
                if let Some(monitor) = self.monitors.shown_mut() {
                    monitor.tick(now);
                }
                if self.screen == Screen::Home {
                    return self.home.tick(now).map(Effect::Estimate);
                }
            }
            Msg::NotAttached(folder) => return Some(self.start_replay(folder)),
            Msg::Exported(outcome) => return self.on_exported(outcome),
            Msg::AllSaved => return self.ask(Question::Presets.next()),
            Msg::Done(what) => {
                self.toasts.info(what);
                return Some(Effect::ListRuns);
            }
            Msg::Notice(what) => self.toasts.info(what),
            Msg::Refused(why) => self.toasts.error(why),
            Msg::Resize(width, height) => self.size = Rect::new(0, 0, width, height),
            Msg::Launched => {
                self.chat.close("a run is training in this process, and has its memory");
                self.runs.queue_mut().on_own_run();
                self.show_live(Monitor::launched());
            }
            Msg::Busy(request, active) => {
                self.overlay = Some(Overlay::Busy(BusyDialog { request, active, selected: 0 }));
            }
            Msg::Followed(name, files) => self.on_followed(&name, files),
            Msg::Ended => return self.starts.on_idle(self.runs.queue()),
            Msg::HandedOff(name, outcome) => return self.on_handed_off(&name, outcome),
            Msg::Queued(entries) => self.runs.queue_mut().on_listed(entries),
            Msg::QueueRefused(why) => {
                self.runs.queue_mut().hold();
                self.toasts.error(format!("the queue is on hold: {why}"));
            }
            Msg::Attached => self.show_live(Monitor::attached()),
            Msg::Replayed(number, events) => self.monitors.on_replayed(number, events),
            Msg::ReplayEnded(number) => self.monitors.on_replay_ended(number),
            Msg::Listed(runs, now) => {
                let changed = runs.is_some();
                let intent = self.runs.on_listed(runs, now);
                if changed {
                    self.renew_palette();
                }
                return intent.and_then(|intent| self.fulfil(intent));
            }
            Msg::Compared(ComparisonUpdate::Unreadable(why)) => self.toasts.error(why),
            Msg::Compared(update) => {
                self.runs.on_compared(update);
                self.monitors.set_overlays(self.runs.compared());
            }
            Msg::Files(files) => {
                if let Some(monitor) = self.monitors.shown_mut() {
                    monitor.files = Some(files);
                }
            }
            Msg::Exporting(progress) => self.runs.on_export_progress(progress),
            Msg::Saved(saved, presets) => {
                self.home.on_saved(&saved, presets);
                for saved in saved {
                    self.toasts.info(format!("saved as {}", saved.path.display()));
                }
            }
            Msg::ChatPrompts(prompts) => self.chat.set_history(prompts),
            Msg::Chat(reply) => return self.chat.on_reply(reply).map(Effect::Chat),
            Msg::ChatSaved(outcome) => self.chat.on_saved(outcome),
            Msg::AnalysisStarted { title, folder } => {
                self.analysis.opened_from(self.screen);
                self.analysis.start(title, folder);
                self.screen = Screen::Analysis;
            }
            Msg::Analysis(update) => return self.on_analysis(update),
            Msg::RunRenamed(from, to) => {
                self.runs.on_renamed(&from, &to);
                self.toasts.info(format!("renamed to {}", to.display()));
                return Some(Effect::ListRuns);
            }
            Msg::RunNotRenamed { run, name, why } => {
                if !self.runs.on_not_renamed(run, &name, &why) {
                    self.toasts.error(why);
                }
            }
            Msg::PresetEdited(edited, presets) => {
                self.toasts.info(edited.to_string());
                self.home.on_edited(&edited, presets);
            }
            Msg::NotSaved(why) => {
                if !self.home.on_not_saved(&why) {
                    self.toasts.error(why);
                }
            }
            Msg::Estimate(toml, estimate) => return self.home.on_estimate(&toml, estimate).map(Effect::DownloadSizes),
            Msg::DownloadSizes(sizes) => self.home.on_download_sizes(sizes),
        }
        None
    }

    /// Applies an event of the live run.
    fn on_event(&mut self, event: Event) -> Option<Effect> {
        let mut alert = None;
        let hidden = self.screen != Screen::Monitor || self.monitors.replay.is_some();
        if let Some(live) = &mut self.monitors.live {
            let name = live.name();
            let visibility =
                if hidden { Visibility::Elsewhere(&name) } else { Visibility::OnScreen { logged: live.shows_log() } };
            self.toasts.of_event(&event, visibility);
            if event.is_last() {
                self.home.renew_estimate();
            }
            alert = self.alerts.on_event(&event);
            live.on_event(event);
        }
        if self.leaving && !self.monitors.at_work() {
            return Some(Effect::Leave);
        }
        self.raise(alert?)
    }

    /// Shows an alert of the live run, and pauses the run if a rule says so.
    fn raise(&mut self, alert: Alert) -> Option<Effect> {
        let live = self.monitors.live.as_mut()?;
        let text = format!("{}: {}", live.run.name(), alert.text);
        let pause = alert.pause && live.pause_for_alert();
        self.toasts.warning(if pause { format!("{text}; pausing") } else { text.clone() });
        // The toast disappears, the log stays.
        live.on_event(Event::warning(format!("alert: {}", alert.text)));
        Some(Effect::Alert { text, pause })
    }
}
