//! The monitor: one run, live or replayed. Its state, and how keys change it.

mod content;
mod header;
mod overview;
mod panels;
mod run;

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Position, Rect};
use ratatui::text::Line;

use super::app::{Effect, Look};
use super::keymap::Action;
use crate::protocol::{Command, Event, Phase};
use crate::series::At;
pub use header::sides;
pub use overview::Panel;
pub use run::{End, Run};

/// A run on the screen.
pub struct Monitor {
    /// What it told.
    pub run: Run,
    /// What of it is looked at, and how.
    pub view: View,
    /// Whether a trainer is behind it that obeys.
    pub live: bool,
    /// What was asked for and is not confirmed yet: `pausing…`.
    pub asked: Option<&'static str>,
}

/// What the monitor's drawing sees.
#[derive(Clone, Copy)]
struct Scene<'a> {
    run: &'a Run,
    view: &'a View,
    asked: Option<&'static str>,
    look: &'a Look,
}

/// What is looked at.
pub struct View {
    /// The tab.
    pub tab: Tab,
    /// The chart with the focus.
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
pub enum Smoothing {
    None,
    Light,
    Strong,
}

/// The tabs, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tab {
    Overview,
    Layers,
    Samples,
    System,
    Log,
    Preset,
}

impl Tab {
    /// All of them with their names.
    pub const ALL: [(Tab, &'static str); 6] = [
        (Tab::Overview, "Overview"),
        (Tab::Layers, "Layers"),
        (Tab::Samples, "Samples"),
        (Tab::System, "System"),
        (Tab::Log, "Log"),
        (Tab::Preset, "Preset"),
    ];
}

impl Default for View {
    fn default() -> View {
        View {
            tab: Tab::Overview,
            focus: Panel::Loss,
            full: false,
            smoothing: Smoothing::Light,
            log: false,
            time: false,
            cursor: None,
            window: None,
        }
    }
}

impl Monitor {
    /// Of a run that is about to tell its first event; `live` if it can be ordered about.
    pub fn new(live: bool) -> Monitor {
        Monitor { run: Run::default(), view: View::default(), live, asked: None }
    }

    /// Takes up an event of the run.
    pub fn told(&mut self, event: Event) {
        // Only what the trainer confirms is shown as done.
        if matches!(event, Event::Phase { .. }) || event.is_last() {
            self.asked = None;
        }
        self.run.apply(event);
    }

    /// Whether its trainer still works.
    pub fn at_work(&self) -> bool {
        self.live && self.run.end.is_none()
    }

    /// Does what a key says. `area` is what [`Monitor::draw`] draws on.
    pub fn act(&mut self, action: Action, area: Rect) -> Option<Effect> {
        match action {
            Action::Tab(number) => {
                if let Some((tab, _)) = Tab::ALL.get(number) {
                    self.view.tab = *tab;
                }
            }
            Action::PauseOrResume => {
                let paused = self.run.phase == Some(Phase::Paused);
                let (word, command) =
                    if paused { ("resuming…", Command::Resume) } else { ("pausing…", Command::Pause) };
                return self.ask(word, command);
            }
            Action::Checkpoint => return self.ask("writing a checkpoint…", Command::Checkpoint),
            Action::Evaluate => return self.ask("evaluating…", Command::Evaluate),
            Action::StopAndSave => return self.ask("stopping…", Command::Stop { save: true }),
            Action::Enter => self.view.full = true,
            Action::Back => {
                self.view.full = false;
                (self.view.cursor, self.view.window) = (None, None);
            }
            Action::FocusNext => self.focus_by(1, area),
            Action::FocusPrevious => self.focus_by(-1, area),
            Action::Left if self.view.full => self.move_cursor(-1),
            Action::Right if self.view.full => self.move_cursor(1),
            Action::Left => self.focus_towards(-1, 0, area),
            Action::Right => self.focus_towards(1, 0, area),
            Action::Up => self.focus_towards(0, -1, area),
            Action::Down => self.focus_towards(0, 1, area),
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
            _ => {}
        }
        None
    }

    /// Takes up a click; `area` is what [`Monitor::draw`] draws on.
    pub fn click(&mut self, at: Position, area: Rect) -> Option<Effect> {
        if self.view.full || self.view.tab != Tab::Overview {
            return None;
        }
        let panels = overview::Plan::of(parts(area)[1]).panels;
        self.focus(panels.iter().find(|(_, area)| area.contains(at)).map(|(panel, _)| *panel));
        None
    }

    /// The run's name and state, for the first line of the screen.
    pub fn headline(&self, look: &Look) -> Line<'static> {
        header::headline(self.scene(look))
    }

    /// Draws it.
    pub fn draw(&self, frame: &mut Frame, area: Rect, look: &Look) {
        let scene = self.scene(look);
        let [header, body] = parts(area);
        header::draw(frame, header, scene);
        match self.view.tab {
            Tab::Log => panels::draw_log(frame, body, scene),
            Tab::Overview | Tab::Layers | Tab::Samples | Tab::System | Tab::Preset => {
                overview::draw(frame, body, scene)
            }
        }
    }

    fn scene<'a>(&'a self, look: &'a Look) -> Scene<'a> {
        Scene { run: &self.run, view: &self.view, asked: self.asked, look }
    }

    /// Asks the trainer, if there is one at work; nothing else is asked until it has answered, but to stop.
    pub fn ask(&mut self, word: &'static str, command: Command) -> Option<Effect> {
        if !self.at_work() || self.asked.is_some() && !matches!(command, Command::Stop { .. }) {
            return None;
        }
        self.asked = Some(word);
        Some(Effect::Send(command))
    }

    fn focus_by(&mut self, by: isize, area: Rect) {
        let panels = overview::Plan::of(parts(area)[1]).panels;
        let now = panels.iter().position(|(panel, _)| *panel == self.view.focus).unwrap_or(0) as isize;
        let next = (now + by).rem_euclid(panels.len().max(1) as isize) as usize;
        self.focus(panels.get(next).map(|(panel, _)| *panel));
    }

    /// To the panel that lies there, if one does.
    fn focus_towards(&mut self, dx: i32, dy: i32, area: Rect) {
        let panels = overview::Plan::of(parts(area)[1]).panels;
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

/// The lines of the header, and the rest.
fn parts(area: Rect) -> [Rect; 2] {
    Layout::vertical([Constraint::Length(header::HEIGHT), Constraint::Fill(1)]).areas(area)
}

impl View {
    /// Which of a point's places is along the axis.
    pub fn axis(&self) -> fn(At) -> f64 {
        if self.time { |at| at.time } else { |at| at.step }
    }
}
