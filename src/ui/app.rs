//! What the screen shows and how keys and events change it. Nothing is drawn and nothing waits here.

use std::path::PathBuf;
use std::time::Duration;

use crossterm::event::{KeyEvent, MouseButton, MouseEvent, MouseEventKind};
use ratatui::layout::{Constraint, Layout, Position, Rect};

use super::home::Home;
use super::keymap::{Action, Context, Keymap};
use super::monitor::Monitor;
use super::overlay::Overlay;
use super::runs::Runs;
use super::theme::{Depth, Theme};
use super::toast::Toasts;
use crate::outlook::Outlook;
use crate::preset::{Listed, Preset};
use crate::protocol::{Command, Event};

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
    /// Which keys do what.
    pub keymap: Keymap,
    /// What happened a moment ago.
    pub toasts: Toasts,
    /// Whether to leave as soon as the run has ended.
    pub leaving: bool,
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
    pub name: &'static str,
    /// What the terminal can show.
    pub depth: Depth,
    /// Whether to do without box-drawing and braille characters.
    pub ascii: bool,
}

/// What comes in.
pub enum Msg {
    /// A key was pressed.
    Key(KeyEvent),
    /// The mouse was used.
    Mouse(MouseEvent),
    /// Text was pasted.
    Paste(String),
    /// The terminal has another size.
    Resize(u16, u16),
    /// Time since the start.
    Tick(Duration),
    /// The live run told something.
    Event(Event),
    /// A run that was asked for has started.
    Launched,
    /// It has not.
    Refused(String),
    /// What a preset's run would take: the preset's TOML, and the answer.
    Outlook(String, Result<Outlook, String>),
    /// An event of the run that is looked at again.
    Replayed(Event),
    /// A preset was saved: its name, its file, and all presets there are now.
    Saved(String, PathBuf, Vec<Listed>),
}

/// What the loop has to do.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// Send an order to the trainer.
    Send(Command),
    /// Start a run.
    Launch(Box<Preset>),
    /// Find out what a run would take.
    Outlook(Box<Preset>),
    /// Read the events of a run's folder.
    Replay(PathBuf),
    /// Write a preset of the user's.
    Save {
        /// Its name.
        name: String,
        /// Its text.
        toml: String,
        /// Whether it may take the place of one that is there.
        replace: bool,
    },
    /// Leave the screen.
    Leave,
    /// Hand the terminal back to the shell for a while.
    Suspend,
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
            keymap,
            toasts: Toasts::default(),
            leaving: false,
            size: Rect::new(0, 0, width, height),
        }
    }

    /// The run on the monitor.
    pub fn monitor(&self) -> Option<&Monitor> {
        self.replay.as_ref().or(self.live.as_ref())
    }

    /// Whether a run goes.
    pub fn at_work(&self) -> bool {
        self.live.as_ref().is_some_and(Monitor::at_work)
    }

    /// Whether something happens with time alone.
    pub fn waiting(&self) -> bool {
        self.toasts.waiting() || self.screen == Screen::Home && self.home.waiting()
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
            Msg::Replayed(event) => {
                if let Some(replay) = &mut self.replay {
                    replay.told(event);
                }
            }
            Msg::Saved(name, path, presets) => {
                self.home.saved(&name, presets);
                self.toasts.info(format!("saved as {}", path.display()));
            }
            Msg::Launched => {
                self.home.renew();
                self.live = Some(Monitor::new(true));
                self.replay = None;
                self.screen = Screen::Monitor;
            }
            Msg::Refused(why) => self.toasts.error(why),
            Msg::Outlook(toml, outlook) => self.home.learn(&toml, outlook),
            Msg::Resize(width, height) => self.size = Rect::new(0, 0, width, height),
            Msg::Tick(now) => {
                self.toasts.tick(now);
                if self.screen == Screen::Home {
                    return self.home.tick(now);
                }
            }
            Msg::Mouse(mouse) => return self.mouse(mouse),
            Msg::Paste(text) => {
                if self.screen == Screen::Home && self.home.typing() {
                    return self.home.pasted(&text);
                }
            }
            Msg::Key(key) => return self.key(key),
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
        let action = self.keymap.action(self.context(), &key)?;
        self.act(action)
    }

    fn act(&mut self, action: Action) -> Option<Effect> {
        match action {
            Action::Help => self.overlay = Some(Overlay::Help),
            Action::Suspend => return Some(Effect::Suspend),
            Action::Quit if self.at_work() => self.overlay = Some(Overlay::Quit(0)),
            Action::Quit => return Some(Effect::Leave),
            Action::Theme => self.next_theme(),
            Action::Home => self.screen = Screen::Home,
            Action::Monitor if self.monitor().is_some() => self.screen = Screen::Monitor,
            Action::Monitor => self.toasts.info("there is no run yet: start one at Home, or replay one of Runs"),
            Action::Runs => self.screen = Screen::Runs,
            action => {
                let body = Frames::of(self.size).body;
                return match self.screen {
                    Screen::Home => self.home.act(action),
                    Screen::Runs => self.runs.act(action),
                    Screen::Monitor => self.replay.as_mut().or(self.live.as_mut())?.act(action, body),
                };
            }
        }
        None
    }

    fn mouse(&mut self, mouse: MouseEvent) -> Option<Effect> {
        if self.overlay.is_some() {
            return None;
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
                Screen::Runs => self.runs.click(at, frames.body),
                Screen::Monitor => self.replay.as_mut().or(self.live.as_mut())?.click(at, frames.body),
            },
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

    fn next_theme(&mut self) {
        let after = Theme::names().skip_while(|name| *name != self.look.name).nth(1);
        if let Some(name) = after.or_else(|| Theme::names().next())
            && let Ok(theme) = Theme::load(name, self.look.depth)
        {
            (self.look.name, self.look.theme) = (name, theme);
        }
    }
}
