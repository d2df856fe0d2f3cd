//! What keys do on the monitor now: the tab in front, the actions that apply, the keys of what is typed.

use crossterm::event::KeyCode;

use super::confusion_view::Matrix;
use super::{Monitor, Panel, Tab};
use crate::ui::keymap::{Action, Hint, Key};

/// The keys of the prompt, and of the log's filter.
const PROMPT: [Hint; 3] =
    [Hint::enter("send"), Hint::new(Key::Plain(KeyCode::Up), "earlier prompts"), Hint::esc("cancel")];
const FILTER: [Hint; 2] = [Hint::enter("keep the filter"), Hint::esc("clear it")];

impl Monitor {
    /// The name of the tab in front.
    pub fn focused(&self) -> &'static str {
        Tab::ALL.iter().find(|(tab, _)| *tab == self.view.tab).map_or("", |(_, name)| name)
    }

    /// The keys of what is typed.
    pub fn dialog(&self) -> Option<Vec<Hint>> {
        match &self.prompt {
            Some(_) => Some(PROMPT.to_vec()),
            None => self.filtering().then(|| FILTER.to_vec()),
        }
    }

    /// Whether an action would do something now.
    pub fn applies(&self, action: Action) -> bool {
        if self.health.listed.is_some() {
            return self.applies_to_health(action);
        }
        if self.has_card() {
            return self.applies_to_card(action);
        }
        let (view, tab) = (&self.view, self.view.tab);
        let charts = matches!(tab, Tab::Overview | Tab::System);
        let map = tab == Tab::Layers && self.run.selected.as_ref().is_none_or(|selected| selected.total > 0);
        // Charts among others; in full screen keys act on one.
        let many = charts && !view.full;
        let focused = view.chart(&self.run);
        // A table is scrolled, and has neither axes nor a cursor.
        let table = charts && focused == Panel::Ranks;
        let matrix = tab == Tab::Samples && !self.run.writes() && Matrix::of(&self.run).is_some();
        match action {
            Action::PauseOrResume => self.at_work() || self.pace.is_some(),
            Action::Checkpoint | Action::Evaluate | Action::StopAndSave => self.at_work(),
            Action::Sample => self.accepts_prompts(),
            Action::Summary => self.run.end.is_some(),
            Action::Slower | Action::Faster => self.pace.is_some(),
            Action::Play => map && !view.full,
            Action::Tab(number) => {
                let other = Tab::ALL.get(number).is_some_and(|(other, _)| *other != tab);
                other || view.full || view.cursor.is_some()
            }
            Action::ZoomIn | Action::ZoomOut => view.full && !table,
            Action::PanLeft | Action::PanRight if view.full => view.window.is_some() && !table,
            Action::PanLeft | Action::PanRight => charts || map,
            Action::LogAxis => (charts || map) && !table,
            Action::Smoothing => tab == Tab::Overview,
            Action::Axis => tab == Tab::Overview || map,
            Action::WriteChart => (charts || map) && self.files.is_some() && focused.is_chart(),
            Action::Metric => map && !view.full,
            Action::Level | Action::Filter => tab == Tab::Log,
            Action::Enter if matrix => view.confusion.focused,
            Action::Enter => many || tab == Tab::Layers && !view.full && view.layers.target(&self.run).is_some(),
            Action::Back if view.full || view.cursor.is_some() => true,
            Action::Back => self.undoes_filter() || !self.live,
            Action::FocusNext | Action::FocusPrevious => charts || matrix || map && !view.full,
            Action::Overlay => self.has_overlays(),
            Action::Left | Action::Right if tab == Tab::Samples => matrix && view.confusion.focused,
            Action::Left | Action::Right => tab != Tab::Preset && !(table && view.full),
            Action::PageUp | Action::PageDown | Action::First | Action::Last => !many || table,
            _ => true,
        }
    }

    /// The actions that come first in the footer, with their words here.
    pub fn first(&self) -> Vec<(Action, &'static str)> {
        if self.health.listed.is_some() {
            return vec![(Action::Enter, "show"), (Action::Down, "next"), (Action::Back, "close")];
        }
        if self.has_card() {
            let next = [(Action::Down, "next"), (Action::FocusNext, "next")];
            return [(Action::Enter, "choose")].into_iter().chain(next).chain([(Action::Back, "close")]).collect();
        }
        let run = [
            (Action::PauseOrResume, if self.paused() { "resume" } else { "pause" }),
            (Action::Slower, "slower"),
            (Action::Faster, "faster"),
            (Action::Checkpoint, "checkpoint"),
            (Action::Evaluate, "evaluate"),
            (Action::Sample, "prompt"),
            (Action::StopAndSave, "stop"),
        ];
        let found = (!self.health.verdicts.is_empty()).then_some((Action::Health, "health"));
        let others = self.has_overlays().then_some((Action::Overlay, "overlays"));
        let tab = self.first_on_tab();
        // Of a run that trains, its commands come before the charts. The other tabs have keys that nobody guesses.
        let mut first: Vec<_> = match self.view.tab {
            Tab::Overview | Tab::System if !self.view.full => run.into_iter().chain(tab).collect(),
            _ => tab.into_iter().chain(run).collect(),
        };
        first.extend(found.into_iter().chain(others).chain([(Action::Summary, "summary")]));
        first
    }

    fn first_on_tab(&self) -> Vec<(Action, &'static str)> {
        let back = |word| (Action::Back, word);
        // At the end of the list of what esc does comes leaving a replay.
        let leave = back(if self.view.cursor.is_some() { "latest" } else { "runs" });
        match self.view.tab {
            Tab::System if self.view.full && self.view.chart(&self.run) == Panel::Ranks => {
                vec![(Action::Down, "scroll"), back("back")]
            }
            _ if self.view.full => vec![(Action::ZoomIn, "zoom"), (Action::Right, "cursor"), back("back")],
            Tab::Overview | Tab::System => vec![(Action::Enter, "full screen"), leave, (Action::PanLeft, "cursor")],
            Tab::Layers => vec![
                (Action::Metric, "metric"),
                (Action::PanLeft, "step"),
                (Action::Play, if self.playing() { "stop" } else { "play" }),
                (Action::Enter, "history"),
                leave,
            ],
            Tab::Samples if self.view.confusion.focused => vec![
                (Action::Enter, "filter"),
                (Action::FocusNext, "examples"),
                back(if self.view.confusion.filter.is_some() { "show all" } else { "back" }),
            ],
            Tab::Samples if self.view.confusion.filter.is_some() => {
                vec![(Action::FocusNext, "matrix"), back("show all")]
            }
            Tab::Samples => vec![(Action::FocusNext, "matrix"), leave],
            Tab::Log if self.view.lines.filtered() => {
                vec![(Action::Level, "level"), (Action::Filter, "filter"), back("clear filter")]
            }
            Tab::Log => vec![(Action::Level, "level"), (Action::Filter, "filter"), leave],
            Tab::Preset => vec![leave],
        }
    }

    /// Whether the tab in front has a filter for esc to undo.
    pub(super) fn undoes_filter(&self) -> bool {
        match self.view.tab {
            Tab::Log => self.view.lines.filtered(),
            Tab::Samples => self.view.confusion.is_active(),
            _ => false,
        }
    }

    fn applies_to_health(&self, action: Action) -> bool {
        match action {
            Action::App(_) | Action::Back | Action::Health => true,
            Action::Enter => !self.health.verdicts.is_empty(),
            Action::Up | Action::Down | Action::PageUp | Action::PageDown | Action::First | Action::Last => {
                self.health.verdicts.len() > 1
            }
            _ => false,
        }
    }

    fn applies_to_card(&self, action: Action) -> bool {
        let moves = matches!(action, Action::Up | Action::Down | Action::FocusNext | Action::FocusPrevious);
        moves || matches!(action, Action::App(_) | Action::Tab(1..) | Action::Summary | Action::Enter | Action::Back)
    }
}
