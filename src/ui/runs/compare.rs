//! The comparison of the marked runs: keys and the mouse on it, and what of it other places need.

use std::path::PathBuf;

use ratatui::layout::{Position, Rect};

use super::Runs;
use crate::ui::comparison::{ComparedRun, ComparisonUpdate, FEWEST, Hit, Scene, hit};
use crate::ui::input::UserInput;
use crate::ui::intent::Intent;
use crate::ui::keymap::{Action, Context, Keymap};
use crate::ui::theme::{Depth, Look, Theme};

const TOO_FEW: &str = "mark at least 2 runs to compare them (space marks the run under the cursor)";

impl Runs {
    /// The marked runs with their curves, in the order in which they were marked; as many as there are colours.
    pub fn compared(&self) -> Vec<ComparedRun> {
        self.comparison.runs(&self.list.marked)
    }

    /// Whether the comparison takes the whole screen.
    pub fn compares(&self) -> bool {
        self.comparison.view.is_open()
    }

    /// The folders of the compared runs. What is known of others is forgotten.
    pub fn follow(&mut self) -> Vec<PathBuf> {
        self.comparison.on_marked(&self.list.marked);
        self.list.marked.compared().map(|(run, _)| run.to_owned()).collect()
    }

    /// Takes in what was read of the compared runs.
    pub fn on_compared(&mut self, update: ComparisonUpdate) {
        self.comparison.on_update(&self.list.marked, update);
    }

    /// Opens the comparison on the whole screen. If only one run is marked, the one under the cursor is marked too.
    pub fn open_comparison(&mut self) -> Intent {
        let list = &mut self.list;
        if list.marked.len() < FEWEST
            && let Some(run) = list.current().map(|run| run.path.clone())
        {
            list.marked.add(&run);
        }
        if list.marked.len() < FEWEST {
            return Intent::Refuse(TOO_FEW.into());
        }
        let current = list.current().map(|run| run.path.as_path());
        let selected = current.filter(|run| list.marked.colour(run).is_some()).or_else(|| list.marked.baseline());
        self.comparison.view.open(selected);
        Intent::Follow
    }

    /// Performs an action on the comparison below the table.
    pub(super) fn act_below(&mut self, action: Action) -> Option<Intent> {
        if action == Action::Baseline {
            let run = self.list.current()?.path.clone();
            return self.set_baseline(Some(run));
        }
        let runs = self.compared();
        if runs.len() < FEWEST {
            return Some(Intent::Refuse(TOO_FEW.into()));
        }
        self.comparison.view.act(action, &runs);
        None
    }

    /// Handles an input while the comparison takes the whole screen.
    pub(super) fn handle_on_comparison(&mut self, input: &UserInput, area: Rect, keymap: &Keymap) -> Option<Intent> {
        let action = match input {
            UserInput::Key(key) => keymap.action(Context::Runs, key)?,
            UserInput::Click(at) => {
                self.click_on_comparison(*at, area);
                return None;
            }
            UserInput::ScrollUp(_) => self.wheel(Action::Up, Action::ZoomIn),
            UserInput::ScrollDown(_) => self.wheel(Action::Down, Action::ZoomOut),
            UserInput::Paste(_) | UserInput::Drag(_) => return None,
        };
        self.act_on_comparison(action)
    }

    /// Performs an action while the comparison takes the whole screen.
    pub(super) fn act_on_comparison(&mut self, action: Action) -> Option<Intent> {
        match action {
            Action::App(action) => return Some(Intent::App(action)),
            Action::Baseline => return self.set_baseline(self.comparison.view.selected().cloned()),
            Action::Mark => {
                let run = self.comparison.view.selected()?.clone();
                self.list.marked.retain(|marked| marked != run);
                return Some(Intent::Follow);
            }
            action => self.comparison.view.act(action, &self.compared()),
        }
        None
    }

    /// The wheel scrolls the settings, and zooms the charts.
    fn wheel(&self, settings: Action, charts: Action) -> Action {
        if self.comparison.view.shows_settings() { settings } else { charts }
    }

    fn set_baseline(&mut self, run: Option<PathBuf>) -> Option<Intent> {
        let run = run?;
        self.list.marked.set_baseline(&run);
        if self.list.marked.colour(&run).is_none() {
            return Some(Intent::Refuse("more runs are marked than can be compared; remove marks first".into()));
        }
        Some(Intent::Follow)
    }

    /// A click on a chart gives it the focus; on the one with the focus it sets the cursor.
    pub(super) fn click_on_comparison(&mut self, at: Position, area: Rect) {
        let runs = self.compared();
        let Ok(theme) = Theme::load("dark", Depth::None) else { return };
        let look = Look { theme, name: String::new(), depth: Depth::None, ascii: false, pixels: None };
        match hit(area, self.comparison_scene(&runs, &look), at) {
            Some(Hit::Chart(metric)) => self.comparison.view.focus(metric),
            Some(Hit::X(x)) => self.comparison.view.set_cursor(x),
            None => {}
        }
    }

    /// What the drawing code of the comparison reads.
    pub(super) fn comparison_scene<'a>(&'a self, runs: &'a [ComparedRun], look: &'a Look) -> Scene<'a> {
        let view = &self.comparison.view;
        let selected = match view.is_open() {
            true => view.selected().map(PathBuf::as_path),
            false => self.list.current().map(|run| run.path.as_path()),
        };
        Scene { runs, view, settings: &self.comparison.settings, marked: self.list.marked.len(), selected, look }
    }
}
