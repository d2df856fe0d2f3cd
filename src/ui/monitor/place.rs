//! What keys do on the monitor now: the tab in front, the actions that apply, the keys of what is typed.

use crossterm::event::KeyCode;

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
        let (view, tab) = (&self.view, self.view.tab);
        let charts = matches!(tab, Tab::Overview | Tab::System);
        // Charts among others; in full screen keys act on one.
        let many = charts && !view.full;
        match action {
            Action::PauseOrResume => self.at_work() || self.pace.is_some(),
            Action::Checkpoint | Action::Evaluate | Action::StopAndSave => self.at_work(),
            Action::Sample => self.accepts_prompts(),
            Action::Summary => self.run.end.is_some(),
            Action::Slower | Action::Faster => self.pace.is_some(),
            Action::Play => tab == Tab::Layers && !view.full,
            Action::Tab(number) => {
                let other = Tab::ALL.get(number).is_some_and(|(other, _)| *other != tab);
                other || view.full || view.cursor.is_some()
            }
            Action::ZoomIn | Action::ZoomOut => view.full,
            Action::PanLeft | Action::PanRight if view.full => view.window.is_some(),
            Action::PanLeft | Action::PanRight => charts || tab == Tab::Layers,
            Action::LogAxis => charts || tab == Tab::Layers,
            Action::Smoothing => tab == Tab::Overview,
            Action::Axis => matches!(tab, Tab::Overview | Tab::Layers),
            Action::WriteChart => {
                (charts || tab == Tab::Layers) && self.files.is_some() && view.chart(&self.run) != Panel::Selected
            }
            Action::Metric => tab == Tab::Layers && !view.full,
            Action::Level | Action::Filter => tab == Tab::Log,
            Action::Enter => many || tab == Tab::Layers && !view.full && view.layers.target(&self.run).is_some(),
            Action::Back if view.full || view.cursor.is_some() => true,
            Action::Back if view.lines.filtered() => tab == Tab::Log,
            Action::Back => !self.live,
            Action::FocusNext | Action::FocusPrevious => {
                charts || tab == Tab::Layers && !view.full || tab == Tab::Samples && !self.run.writes()
            }
            Action::Overlay => self.has_overlays(),
            Action::Left | Action::Right if tab == Tab::Samples => view.confusion.is_active(),
            Action::Left | Action::Right => tab != Tab::Preset,
            Action::PageUp | Action::PageDown | Action::First | Action::Last => !many,
            _ => true,
        }
    }

    /// The footer's word for an action, where the tab has one of its own.
    pub fn word(&self, action: Action) -> Option<&'static str> {
        match (action, self.view.tab) {
            (Action::PauseOrResume, _) if self.paused() => Some("resume"),
            (Action::Back, _) if self.view.full => Some("back"),
            (Action::ZoomIn, _) => Some("zoom"),
            (Action::Back, _) if !self.live && self.view.cursor.is_none() => Some("runs"),
            // Of a run that trains, its commands come first.
            (Action::Enter, Tab::Overview | Tab::System) if !self.at_work() => Some("full screen"),
            (Action::Metric, Tab::Layers) => Some("metric"),
            (Action::Enter, Tab::Layers) => Some("history"),
            (Action::Level, Tab::Log) => Some("level"),
            (Action::Filter, Tab::Log) => Some("filter"),
            _ => None,
        }
    }
}
