//! What the screen shows and how keys and events change it. Nothing is drawn and nothing waits here.

use std::ops::ControlFlow;
use std::path::PathBuf;

use crossterm::event::{KeyEvent, MouseButton, MouseEvent, MouseEventKind};
use ratatui::layout::{Constraint, Layout, Position, Rect};

use super::home::Home;
use super::keymap::{Action, Context, Keymap};
pub use super::message::{Effect, Msg, Saved, Saving};
use super::monitor::Monitor;
use super::overlay::{self, Overlay, Picker, Question};
use super::runs::Runs;
use super::theme::{Depth, Theme, Themes};
use super::toast::Toasts;
use crate::export::{Cancelled, ChangedBiases};
use crate::preset;
use crate::protocol::Event;
use crate::runs::History;

/// Below this size there is no room for anything.
pub const LEAST: (u16, u16) = (60, 16);

/// Everything there is to show.
pub struct App {
    /// The screen in front.
    pub screen: Screen,
    /// The presets.
    pub home: Home,
    /// The run that goes or went here.
    pub live: Option<Monitor>,
    /// An earlier run that is looked at again; it hides the live one.
    pub replay: Option<Monitor>,
    /// All runs.
    pub runs: Runs,
    /// What lies above the screen.
    pub overlay: Option<Overlay>,
    /// In which colours.
    pub look: Look,
    /// The themes to choose from.
    pub themes: Themes,
    /// Which keys do what.
    pub keymap: Keymap,
    /// What happened a moment ago.
    pub toasts: Toasts,
    /// Whether to leave as soon as the run has ended.
    pub leaving: bool,
    /// Whether the run goes on without the screen then.
    pub staying_behind: bool,
    /// Replays so far: what is told of an earlier one comes too late.
    replays: u64,
    size: Rect,
}

/// The screens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Screen {
    Home,
    Monitor,
    Runs,
}

impl Screen {
    /// All of them with their names.
    pub const ALL: [(Screen, &'static str); 3] =
        [(Screen::Home, "Home"), (Screen::Monitor, "Monitor"), (Screen::Runs, "Runs")];
}

/// Colours and characters.
pub struct Look {
    /// The colours.
    pub theme: Theme,
    /// Their name.
    pub name: String,
    /// What the terminal can show.
    pub depth: Depth,
    /// Whether to do without box-drawing and braille characters.
    pub ascii: bool,
}

/// What lies where on every screen.
pub struct Frames {
    /// The first line.
    pub top: Rect,
    /// The screen.
    pub body: Rect,
    /// The last line.
    pub footer: Rect,
}

impl Frames {
    /// For a terminal of this size.
    pub fn of(area: Rect) -> Frames {
        let lines = [Constraint::Length(1), Constraint::Fill(1), Constraint::Length(1)];
        let [top, body, footer] = Layout::vertical(lines).areas(area);
        Frames { top, body, footer }
    }
}

impl App {
    /// Opens at Home.
    pub fn new(look: Look, keymap: Keymap, home: Home, runs: Runs, width: u16, height: u16) -> App {
        App {
            screen: Screen::Home,
            home,
            live: None,
            replay: None,
            runs,
            overlay: None,
            look,
            themes: Themes::default(),
            keymap,
            toasts: Toasts::default(),
            leaving: false,
            staying_behind: false,
            replays: 0,
            size: Rect::new(0, 0, width, height),
        }
    }

    /// Opens at Home with these presets and the keys as they come.
    pub fn at_home(look: Look, presets: Vec<preset::PresetEntry>, width: u16, height: u16) -> App {
        App::new(look, Keymap::default(), Home::new(presets), Runs::default(), width, height)
    }

    /// What the screen in front is drawn on.
    pub fn body(&self) -> Rect {
        Frames::of(self.size).body
    }

    /// The run on the monitor.
    pub fn monitor(&self) -> Option<&Monitor> {
        self.replay.as_ref().or(self.live.as_ref())
    }

    fn in_front(&mut self) -> Option<&mut Monitor> {
        self.replay.as_mut().or(self.live.as_mut())
    }

    /// Lays another run's curves beneath those on the monitor.
    fn overlaid(&mut self, name: String, run: History) {
        let Some(monitor) = self.in_front() else {
            return self.toasts.error("there is no run on the monitor to lay others beneath: replay one first");
        };
        monitor.overlay(name, run);
        self.screen = Screen::Monitor;
    }

    /// The monitor, if keys are text for it.
    fn typing_monitor(&mut self) -> Option<&mut Monitor> {
        let shown = self.screen == Screen::Monitor;
        self.in_front().filter(|monitor| shown && monitor.typing())
    }

    /// Whether a run goes.
    pub fn at_work(&self) -> bool {
        self.live.as_ref().is_some_and(Monitor::at_work)
    }

    /// Whether the run's trainer is in another process.
    pub fn attached(&self) -> bool {
        self.live.as_ref().is_some_and(|live| live.attached)
    }

    /// Whether something happens with time alone.
    pub fn waiting(&self) -> bool {
        self.toasts.count() > 0 || self.screen == Screen::Home && self.home.waiting()
    }

    /// Which keys count now.
    pub fn context(&self) -> Context {
        match self.screen {
            Screen::Home => Context::Home,
            Screen::Monitor => Context::Monitor,
            Screen::Runs => Context::Runs,
        }
    }

    /// Takes up what came in.
    pub fn update(&mut self, msg: Msg) -> Option<Effect> {
        match msg {
            Msg::Event(event) => return self.told(event),
            Msg::Replayed(number, events) => {
                if let Some(replay) = self.replay.as_mut().filter(|_| number == self.replays) {
                    events.into_iter().for_each(|event| replay.told(event));
                }
            }
            Msg::Listed(runs, now) => self.runs.learn(runs, now),
            Msg::Compared(comparison) => self.overlay = Some(Overlay::Comparison(comparison, 0)),
            Msg::Overlaid(name, run) => self.overlaid(name, *run),
            Msg::Files(files) => {
                if let Some(monitor) = self.in_front() {
                    monitor.files = Some(files);
                }
            }
            Msg::Done(what) => {
                self.toasts.info(what);
                return Some(Effect::List);
            }
            Msg::Exporting(progress) => self.runs.exports(progress),
            Msg::Exported(outcome) => return self.exported(outcome),
            Msg::Saved(saved, presets) => {
                self.home.saved(&saved, presets);
                for saved in saved {
                    self.toasts.info(format!("saved as {}", saved.path.display()));
                }
            }
            Msg::AllSaved => return overlay::go_on_after(self, Question::Presets),
            Msg::Launched => self.begun(Monitor::new(true)),
            Msg::Attached => self.begun(Monitor::elsewhere()),
            Msg::Refused(why) => self.toasts.error(why),
            Msg::Estimate(toml, estimate) => self.home.learn(&toml, estimate),
            Msg::Resize(width, height) => self.size = Rect::new(0, 0, width, height),
            Msg::Tick(now) => {
                self.toasts.tick(now);
                if self.screen == Screen::Home {
                    return self.home.tick(now);
                }
            }
            Msg::Mouse(mouse) => return self.mouse(mouse),
            Msg::Paste(text) => {
                return match self.screen {
                    _ if self.overlay.is_some() => None,
                    Screen::Home if self.home.typing() => self.home.pasted(&text),
                    Screen::Runs if self.runs.typing() => self.runs.pasted(&text),
                    Screen::Monitor => {
                        if let Some(monitor) = self.typing_monitor() {
                            monitor.pasted(&text);
                        }
                        None
                    }
                    _ => None,
                };
            }
            Msg::Key(key) => return self.key(key),
        }
        None
    }

    /// Tells how an export has ended, and offers what helps.
    fn exported(&mut self, outcome: Result<(), anyhow::Error>) -> Option<Effect> {
        let order = self.runs.exported()?;
        let waited_for = overlay::export_ended(self);
        match outcome {
            Ok(()) => {
                self.toasts.info(format!("exported to {}", order.out.display()));
                if waited_for {
                    return overlay::go_on_after(self, Question::Waiting);
                }
            }
            Err(error) if error.is::<Cancelled>() => {
                self.toasts.info("the export was called off; nothing is left of it")
            }
            Err(error) => match error.downcast::<ChangedBiases>() {
                // A question must not take the keys of who types on another screen.
                Ok(biases) if self.screen == Screen::Runs && !self.runs.typing() => self.runs.offer(order, biases),
                Ok(biases) => self.toasts.error(format!("no adapter: {biases}")),
                Err(error) => self.toasts.error(format!("{error:#}")),
            },
        }
        None
    }

    fn told(&mut self, event: Event) -> Option<Effect> {
        if let Some(live) = &mut self.live {
            self.toasts.of_event(&event);
            if event.is_last() {
                self.home.renew();
            }
            live.told(event);
        }
        (self.leaving && !self.at_work()).then_some(Effect::Leave)
    }

    fn key(&mut self, key: KeyEvent) -> Option<Effect> {
        if let Some(overlay) = self.overlay.take() {
            return overlay.key(self, key);
        }
        if self.screen == Screen::Home && self.home.typing() {
            return self.home.key(key);
        }
        if self.screen == Screen::Runs && self.runs.typing() {
            let effect = self.runs.key(key);
            return self.asked_of_runs(effect);
        }
        if let Some(ControlFlow::Break(prompt)) = self.typing_monitor().map(|monitor| monitor.key(&key)) {
            return self.in_front()?.sample(prompt?).map_err(|why| self.toasts.error(why)).ok();
        }
        let action = self.keymap.action(self.context(), &key)?;
        self.act(action)
    }

    fn act(&mut self, action: Action) -> Option<Effect> {
        match action {
            Action::Help => self.overlay = Some(Overlay::Help(0)),
            Action::Suspend => return Some(Effect::Suspend),
            Action::Quit => {
                self.home.keep_typed();
                return overlay::ask(self, Question::Presets);
            }
            Action::Theme => self.overlay = Some(Overlay::Themes(Picker::open(self))),
            Action::Home => self.screen = Screen::Home,
            // Asked for once more, it shows the run that goes.
            Action::Monitor if self.screen == Screen::Monitor && self.live.is_some() => self.replay = None,
            Action::Monitor if self.monitor().is_some() => self.screen = Screen::Monitor,
            Action::Monitor => self.toasts.info("there is no run yet: start one at Home, or replay one of Runs"),
            Action::Runs => {
                self.screen = Screen::Runs;
                return Some(Effect::List);
            }
            Action::Back if self.screen == Screen::Monitor && self.replay.as_ref().is_some_and(Monitor::at_rest) => {
                self.replay = None;
                self.screen = Screen::Runs;
                return Some(Effect::List);
            }
            Action::Sample => {
                if let Err(why) = self.in_front()?.open_prompt() {
                    self.toasts.error(why);
                }
            }
            Action::WriteChart if self.monitor().is_some_and(|monitor| monitor.files.is_none()) => {
                self.toasts.error("this run has no folder to write to");
            }
            action => {
                let body = self.body();
                return match self.screen {
                    Screen::Home => self.home.act(action),
                    Screen::Runs => {
                        let effect = self.runs.act(action, body);
                        self.asked_of_runs(effect)
                    }
                    Screen::Monitor => self.in_front()?.act(action, body),
                };
            }
        }
        None
    }

    fn mouse(&mut self, mouse: MouseEvent) -> Option<Effect> {
        if let Some(overlay) = self.overlay.take() {
            return overlay.mouse(self, mouse);
        }
        let at = Position::new(mouse.column, mouse.row);
        let frames = Frames::of(self.size);
        match mouse.kind {
            MouseEventKind::Down(MouseButton::Left) if frames.top.contains(at) => {
                let (screen, _) = super::shell::screens(frames.top).into_iter().find(|(_, area)| area.contains(at))?;
                self.act(match screen {
                    Screen::Home => Action::Home,
                    Screen::Monitor => Action::Monitor,
                    Screen::Runs => Action::Runs,
                })
            }
            MouseEventKind::Down(MouseButton::Left) if frames.body.contains(at) => match self.screen {
                Screen::Home => self.home.click(at, frames.body),
                Screen::Runs => {
                    let effect = self.runs.click(at, frames.body);
                    self.asked_of_runs(effect)
                }
                Screen::Monitor => self.in_front()?.click(at, frames.body),
            },
            MouseEventKind::ScrollUp | MouseEventKind::ScrollDown if self.screen == Screen::Monitor => {
                self.in_front()?.wheel(mouse.kind == MouseEventKind::ScrollUp, frames.body)
            }
            MouseEventKind::ScrollUp | MouseEventKind::ScrollDown if self.screen == Screen::Home => {
                let by = if mouse.kind == MouseEventKind::ScrollUp { -1 } else { 1 };
                self.home.wheel(at, frames.body, by);
                None
            }
            MouseEventKind::ScrollUp => self.act(Action::Up),
            MouseEventKind::ScrollDown => self.act(Action::Down),
            _ => None,
        }
    }

    /// Makes room for a run.
    fn begun(&mut self, monitor: Monitor) {
        self.home.renew();
        self.live = Some(monitor);
        self.replay = None;
        self.screen = Screen::Monitor;
    }

    /// Makes room for the replay of a run.
    pub fn replay(&mut self, folder: PathBuf) -> Effect {
        self.replays += 1;
        self.replay = Some(Monitor::new(false));
        self.screen = Screen::Monitor;
        Effect::Replay(folder, self.replays)
    }

    /// Makes room for what was asked for at Runs: the one export at a time; a run on the monitor, which is there already, or
    /// goes elsewhere and is attached to where there is room.
    fn asked_of_runs(&mut self, effect: Option<Effect>) -> Option<Effect> {
        match effect? {
            Effect::Replay(folder, _) => Some(self.replay(folder)),
            Effect::Attach(folder) if self.at_work() => {
                let files = self.live.as_ref().and_then(|live| live.files.as_ref());
                if files.is_some_and(|files| files.folder == folder) {
                    self.replay = None;
                    self.screen = Screen::Monitor;
                    return None;
                }
                Some(if self.attached() { Effect::Attach(folder) } else { self.replay(folder) })
            }
            Effect::Export(order) if !self.runs.begin_export(&order) => {
                self.toasts.error("an export is under way; wait for it, or call it off with X");
                None
            }
            effect => Some(effect),
        }
    }
}
