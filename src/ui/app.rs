//! What the screen shows and how keys and events change it. Nothing is drawn and nothing waits here.

use crossterm::event::{KeyCode, KeyEvent};
use ratatui::layout::{Position, Rect};

use super::keymap::{self, Action};
use super::run::Run;
use super::screens::monitor::{self, Panel};
use super::theme::{Depth, Theme};
use crate::protocol::{Command, Event, Phase};
use crate::series::At;

/// Everything there is to show.
pub struct App {
    /// The run.
    pub run: Run,
    /// What of it, and how.
    pub view: View,
    /// In which colours.
    pub look: Look,
    /// What lies above the screen.
    pub overlay: Option<Overlay>,
    /// What was asked for and is not confirmed yet: `pausing…`.
    pub asked: Option<&'static str>,
    /// Whether to leave as soon as the run has ended.
    pub leaving: bool,
    size: Rect,
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

/// What is looked at.
pub struct View {
    /// The panel with the focus.
    pub focus: Panel,
    /// Whether it fills the screen.
    pub full: bool,
    /// How much curves are smoothed.
    pub smoothing: Smoothing,
    /// Whether values are on a logarithmic scale.
    pub log: bool,
    /// Whether time is along the axis, instead of steps.
    pub time: bool,
    /// The cursor's place in full screen.
    pub cursor: Option<f64>,
    /// The part of the axis shown in full screen.
    pub window: Option<(f64, f64)>,
}

/// How much curves are smoothed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Smoothing {
    None,
    Light,
    Strong,
}

/// What may lie above the screen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Overlay {
    /// All keys.
    Help,
    /// The question what becomes of the run, and the answer that is marked.
    Quit(usize),
}

/// Answers to the question: key, words, and what they order.
pub const ANSWERS: [(char, &str, Option<Command>); 3] = [
    ('s', "stop and save a checkpoint", Some(Command::Stop { save: true })),
    ('d', "stop and discard what came after the last checkpoint", Some(Command::Stop { save: false })),
    ('k', "keep running", None),
];

/// What comes in.
#[expect(clippy::large_enum_variant, reason = "it is used up at once and never kept")]
pub enum Msg {
    /// A key was pressed.
    Key(KeyEvent),
    /// The terminal has another size.
    Resize(u16, u16),
    /// The run told something.
    Event(Event),
}

/// What the loop has to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Send an order to the trainer.
    Send(Command),
    /// Leave the screen.
    Leave,
    /// Hand the terminal back to the shell for a while.
    Suspend,
}

impl App {
    /// A screen of this size.
    pub fn new(look: Look, width: u16, height: u16) -> App {
        App {
            run: Run::default(),
            view: View {
                focus: Panel::Loss,
                full: false,
                smoothing: Smoothing::Light,
                log: false,
                time: false,
                cursor: None,
                window: None,
            },
            look,
            overlay: None,
            asked: None,
            leaving: false,
            size: Rect::new(0, 0, width, height),
        }
    }

    /// Takes up what came in.
    pub fn update(&mut self, msg: Msg) -> Option<Effect> {
        match msg {
            Msg::Event(event) => self.told(event),
            Msg::Resize(width, height) => {
                self.size = Rect::new(0, 0, width, height);
                None
            }
            Msg::Key(key) => match self.overlay {
                Some(Overlay::Quit(marked)) => self.answer(marked, key),
                _ => self.act(keymap::action(&key)?),
            },
        }
    }

    fn told(&mut self, event: Event) -> Option<Effect> {
        // Only what the trainer confirms is shown as done.
        if matches!(event, Event::Phase { .. }) || event.is_last() {
            self.asked = None;
        }
        self.run.apply(event);
        (self.leaving && self.run.end.is_some()).then_some(Effect::Leave)
    }

    fn act(&mut self, action: Action) -> Option<Effect> {
        let ended = self.run.end.is_some();
        match action {
            Action::Help => {
                self.overlay = if self.overlay == Some(Overlay::Help) { None } else { Some(Overlay::Help) };
            }
            Action::Suspend => return Some(Effect::Suspend),
            Action::Quit if ended => return Some(Effect::Leave),
            Action::Quit => self.overlay = Some(Overlay::Quit(0)),
            Action::Theme => self.next_theme(),
            Action::PauseOrResume if !ended => {
                let paused = self.run.phase == Some(Phase::Paused);
                let (word, command) =
                    if paused { ("resuming…", Command::Resume) } else { ("pausing…", Command::Pause) };
                return self.ask(word, command);
            }
            Action::Checkpoint if !ended => return self.ask("writing a checkpoint…", Command::Checkpoint),
            Action::Evaluate if !ended => return self.ask("evaluating…", Command::Evaluate),
            Action::StopAndSave if !ended => return self.ask("stopping…", Command::Stop { save: true }),
            Action::PauseOrResume | Action::Checkpoint | Action::Evaluate | Action::StopAndSave => {}
            Action::Enter => self.view.full = true,
            Action::Back if self.overlay.is_some() => self.overlay = None,
            Action::Back => {
                self.view.full = false;
                (self.view.cursor, self.view.window) = (None, None);
            }
            Action::FocusNext => self.focus_by(1),
            Action::FocusPrevious => self.focus_by(-1),
            Action::Left if self.view.full => self.move_cursor(-1),
            Action::Right if self.view.full => self.move_cursor(1),
            Action::Left => self.focus_towards(-1, 0),
            Action::Right => self.focus_towards(1, 0),
            Action::Up => self.focus_towards(0, -1),
            Action::Down => self.focus_towards(0, 1),
            Action::ZoomIn => self.zoom(0.5),
            Action::ZoomOut => self.zoom(2.0),
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
        }
        None
    }

    /// Asks the trainer; nothing else is asked until it has answered, but to stop.
    fn ask(&mut self, word: &'static str, command: Command) -> Option<Effect> {
        if self.asked.is_some() && !matches!(command, Command::Stop { .. }) {
            return None;
        }
        self.asked = Some(word);
        Some(Effect::Send(command))
    }

    fn answer(&mut self, marked: usize, key: KeyEvent) -> Option<Effect> {
        let chosen = match key.code {
            KeyCode::Char(c) => ANSWERS.iter().position(|(key, ..)| *key == c),
            KeyCode::Enter => Some(marked),
            KeyCode::Esc => Some(ANSWERS.len() - 1),
            KeyCode::Up | KeyCode::BackTab => {
                self.overlay = Some(Overlay::Quit((marked + ANSWERS.len() - 1) % ANSWERS.len()));
                return None;
            }
            KeyCode::Down | KeyCode::Tab => {
                self.overlay = Some(Overlay::Quit((marked + 1) % ANSWERS.len()));
                return None;
            }
            _ => None,
        };
        let (.., command) = &ANSWERS[chosen?];
        self.overlay = None;
        let command = command.clone()?;
        self.leaving = true;
        if self.run.end.is_some() {
            return Some(Effect::Leave);
        }
        self.asked = Some("stopping…");
        Some(Effect::Send(command))
    }

    fn next_theme(&mut self) {
        let after = Theme::names().skip_while(|name| *name != self.look.name).nth(1);
        if let Some(name) = after.or_else(|| Theme::names().next())
            && let Ok(theme) = Theme::load(name, self.look.depth)
        {
            (self.look.name, self.look.theme) = (name, theme);
        }
    }

    fn focus_by(&mut self, by: isize) {
        let panels = monitor::Plan::of(self.size).panels;
        let now = panels.iter().position(|(panel, _)| *panel == self.view.focus).unwrap_or(0) as isize;
        let next = (now + by).rem_euclid(panels.len().max(1) as isize) as usize;
        self.focus(panels.get(next).map(|(panel, _)| *panel));
    }

    /// To the panel that lies there, if one does.
    fn focus_towards(&mut self, dx: i32, dy: i32) {
        let panels = monitor::Plan::of(self.size).panels;
        let Some((_, from)) = panels.iter().find(|(panel, _)| *panel == self.view.focus) else { return };
        let x = match dx {
            0 => i32::from(from.x + from.width / 2),
            -1 => i32::from(from.x) - 1,
            _ => i32::from(from.right()),
        };
        let y = match dy {
            0 => i32::from(from.y + from.height / 2),
            -1 => i32::from(from.y) - 1,
            _ => i32::from(from.bottom()),
        };
        let (Ok(x), Ok(y)) = (u16::try_from(x), u16::try_from(y)) else { return };
        self.focus(panels.iter().find(|(_, area)| area.contains(Position { x, y })).map(|(panel, _)| *panel));
    }

    fn focus(&mut self, panel: Option<Panel>) {
        if let Some(panel) = panel {
            self.view.focus = panel;
            (self.view.cursor, self.view.window) = (None, None);
        }
    }

    /// To the neighbouring point of the focused curve.
    fn move_cursor(&mut self, by: isize) {
        let axis = self.view.axis();
        let Some(series) = self.view.focus.main(&self.run) else { return };
        let buckets = series.buckets();
        let shown = |x: f64| self.view.window.is_none_or(|(from, to)| (from..=to).contains(&x));
        let inside: Vec<f64> = buckets.iter().map(|bucket| axis(bucket.last)).filter(|x| shown(*x)).collect();
        let now = match self.view.cursor {
            None => inside.len() as isize,
            Some(cursor) => inside.partition_point(|x| *x < cursor) as isize,
        };
        let next = (now + by).clamp(0, (inside.len() as isize - 1).max(0)) as usize;
        if let Some(&x) = inside.get(next) {
            self.view.cursor = Some(x);
        }
    }

    fn zoom(&mut self, by: f64) {
        let axis = self.view.axis();
        let Some(buckets) = self.view.focus.main(&self.run).map(|series| series.buckets()) else { return };
        let (Some(first), Some(last)) = (buckets.first(), buckets.last()) else { return };
        let (first, last) = (axis(first.first), axis(last.last));
        let (from, to) = self.view.window.unwrap_or((first, last));
        let middle = self.view.cursor.unwrap_or((from + to) / 2.0);
        let (from, to) = (middle - (middle - from) * by, middle + (to - middle) * by);
        let whole = from <= first && to >= last;
        self.view.window = (self.view.full && !whole).then_some((from.max(first), to.min(last)));
    }
}

impl View {
    /// Which of a point's places is along the axis.
    pub fn axis(&self) -> fn(At) -> f64 {
        if self.time { |at| at.time } else { |at| at.step }
    }
}
