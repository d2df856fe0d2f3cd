//! Home: the presets, and the settings, the estimate and the first batch of the selected one.

mod choices;
mod estimate_query;
mod layout;
mod list;
mod place;
mod plan;
mod preview;
mod scene;
mod settings;
mod table;
#[cfg(test)]
mod tests;
mod text_input;
mod typing;
mod unsaved;

use std::time::Duration;

use ratatui::Frame;
use ratatui::layout::{Margin, Position, Rect};

use super::input::UserInput;
use super::intent::Intent;
use super::keymap::{Action, Context, Keymap};
use super::saving::SavedPreset;
use super::theme::Look;
use super::widgets::input::Input;
use crate::estimate::Estimate;
use crate::preset::{Draft, Field, Preset, PresetEntry};
use estimate_query::EstimateQuery;
use layout::{HomeLayout, HomePart};
use list::List;
use scene::Scene;
use typing::{Editing, Naming, Typing};
pub use unsaved::Unsaved;

/// The state of Home.
pub struct Home {
    list: List,
    focus: HomePart,
    /// Index of the selected setting.
    field: usize,
    /// Warnings and examples of the preview that are scrolled past.
    scrolled: u16,
    typing: Option<Typing>,
    estimates: EstimateQuery,
}

impl Home {
    /// Lists these presets in this order, and selects the first.
    pub fn new(presets: Vec<PresetEntry>) -> Home {
        let mut home = Home {
            list: List::new(presets),
            focus: HomePart::List,
            field: 0,
            scrolled: 0,
            typing: None,
            estimates: EstimateQuery::default(),
        };
        home.note_subject();
        home
    }

    /// Whether keys are text now.
    pub fn typing(&self) -> bool {
        self.typing.is_some()
    }

    /// Handles an input. `area` is the one that [`Home::draw`] draws on.
    pub fn handle(&mut self, input: &UserInput, area: Rect, keymap: &Keymap) -> Option<Intent> {
        let intent = match input {
            UserInput::Key(key) if self.typing() => self.type_key(*key),
            UserInput::Key(key) => return self.perform(keymap.action(Context::Home, key)?),
            UserInput::Paste(text) => {
                self.paste(text);
                None
            }
            UserInput::Click(at) => {
                self.click(*at, area);
                None
            }
            UserInput::ScrollUp(at) => {
                self.scroll(*at, area, -1);
                None
            }
            UserInput::ScrollDown(at) => {
                self.scroll(*at, area, 1);
                None
            }
        };
        self.note_subject();
        intent
    }

    /// Performs an action, as its key does.
    pub fn perform(&mut self, action: Action) -> Option<Intent> {
        let intent = self.act(action);
        self.note_subject();
        intent
    }

    fn act(&mut self, action: Action) -> Option<Intent> {
        const PAGE: isize = 8;
        const ALL: isize = isize::MAX;
        match action {
            Action::App(action) => return Some(Intent::App(action)),
            Action::Enter if self.focus == HomePart::List => return self.launch(),
            Action::Launch => return self.launch(),
            Action::Up => self.go(-1),
            Action::Down => self.go(1),
            Action::PageUp => self.go(-PAGE),
            Action::PageDown => self.go(PAGE),
            Action::First => self.go(-ALL),
            Action::Last => self.go(ALL),
            Action::FocusNext => self.focus_by(1),
            Action::FocusPrevious => self.focus_by(HomePart::ALL.len() - 1),
            Action::Left => self.focus = HomePart::List,
            Action::Right if self.focus == HomePart::List => self.focus = HomePart::Settings,
            Action::Back => self.back(),
            Action::Filter => {
                self.focus = HomePart::List;
                self.typing = Some(Typing::Filter);
            }
            Action::Enter | Action::Edit if self.focus == HomePart::Settings => self.begin_edit(),
            Action::Edit => self.focus = HomePart::Settings,
            Action::Reset if self.focus == HomePart::Settings => self.reset(),
            Action::ResetAll => {
                if let Some(entry) = self.list.selected_mut() {
                    entry.change(Draft::reset_all);
                }
            }
            Action::Save => {
                let valid = self.list.selected().filter(|entry| entry.now.is_ok());
                self.typing = valid.map(|entry| Typing::Name(Naming::new(entry, &self.list)));
            }
            _ => {}
        }
        None
    }

    /// A click focuses a panel and selects what it hits; one on the selected setting edits it.
    fn click(&mut self, at: Position, area: Rect) {
        if let Some(Typing::Name(naming)) = &self.typing {
            // A click beside the dialog closes it, as esc does, and does nothing else.
            if !naming.contains(at, area) {
                self.typing = None;
            }
            return;
        }
        self.keep_typed();
        let layout = HomeLayout::of(area, self.list.len());
        let Some(part) = layout.part(at) else { return };
        match part {
            HomePart::List => {
                let inner = layout.list.inner(Margin::new(1, 1));
                let rows = usize::from(inner.height).saturating_sub(1);
                if let Some(row) = at.y.checked_sub(inner.y + 1) {
                    self.list.select_row(usize::from(row), rows);
                }
            }
            HomePart::Settings => {
                let inner = layout.settings.inner(Margin::new(1, 1));
                let focused = self.focus == HomePart::Settings;
                let noted = self.list.selected().is_some_and(|entry| settings::noted(entry, focused));
                if let Some(field) = settings::field_at(&self.fields(), self.field, inner, noted, at.y) {
                    if focused && self.field == field {
                        self.begin_edit();
                    }
                    self.field = field;
                }
            }
            HomePart::Preview => {}
        }
        self.focus = part;
    }

    fn scroll(&mut self, at: Position, area: Rect, by: isize) {
        if let (None, Some(part)) = (&self.typing, HomeLayout::of(area, self.list.len()).part(at)) {
            self.focus = part;
            self.go(by);
        }
    }

    /// Advances the time. Returns a preset to estimate, if it is time for one.
    pub fn tick(&mut self, now: Duration) -> Option<Box<Preset>> {
        self.estimates.tick(now)
    }

    /// Whether something will happen as time advances.
    pub fn waiting(&self) -> bool {
        self.estimates.waiting()
    }

    /// Notes the estimate of the preset with this TOML.
    pub fn on_estimate(&mut self, toml: &str, estimate: Result<Estimate, String>) {
        self.estimates.on_answer(toml, estimate);
    }

    /// Requests a new estimate: a run has started or ended, and free memory and known throughputs may have changed.
    pub fn renew_estimate(&mut self) {
        self.estimates.forget();
        self.note_subject();
    }

    /// The presets that were changed and not saved.
    pub fn unsaved(&self) -> Vec<Unsaved> {
        unsaved::of(&self.list)
    }

    /// Shows the presets that exist after some were saved.
    pub fn on_saved(&mut self, saved: &[SavedPreset], presets: Vec<PresetEntry>) {
        self.list.renew(presets, saved);
        self.note_subject();
    }

    /// Draws the panels, and the name to save under while it is typed.
    pub fn draw(&self, frame: &mut Frame, area: Rect, look: &Look) {
        let places = HomeLayout::of(area, self.list.len());
        let scene =
            Scene { list: &self.list, estimates: &self.estimates, field: self.field, scrolled: self.scrolled, look };
        let filtering = matches!(self.typing, Some(Typing::Filter));
        let preset = self.subject();
        table::draw(frame, places.list, &scene, self.focus == HomePart::List, filtering);
        settings::draw(frame, places.settings, &scene, self.focus == HomePart::Settings, self.editing());
        plan::draw(frame, places.plan, &scene, preset);
        preview::draw(frame, places.preview, &scene, preset, self.focus == HomePart::Preview);
        if let Some(Typing::Name(naming)) = &self.typing {
            naming.draw(frame, area, look);
        }
    }

    /// The preset in view: the selected one, with the value that is being typed if it is valid.
    fn subject(&self) -> Option<&Preset> {
        match self.editing().map(|editing| &editing.outcome) {
            Some(Ok(preset)) => Some(preset),
            _ => self.list.selected()?.now.as_ref().ok(),
        }
    }

    fn editing(&self) -> Option<&Editing> {
        match &self.typing {
            Some(Typing::Field(editing)) => Some(editing),
            _ => None,
        }
    }

    /// Notes the preset in view, so that it is estimated.
    fn note_subject(&mut self) {
        if let Some(preset) = self.subject().cloned() {
            self.estimates.look_at(&preset);
        }
        self.field = self.field.min(self.fields().len().saturating_sub(1));
    }

    fn fields(&self) -> Vec<Field> {
        match self.list.selected().map(|entry| &entry.listed.draft) {
            Some(Ok(draft)) => draft.fields(),
            _ => Vec::new(),
        }
    }

    fn go(&mut self, by: isize) {
        match self.focus {
            HomePart::List => {
                self.list.go(by);
                self.scrolled = 0;
            }
            HomePart::Settings => {
                let last = self.fields().len().saturating_sub(1);
                self.field = self.field.saturating_add_signed(by).min(last);
            }
            HomePart::Preview => {
                let last = self.subject().and_then(|preset| match self.estimates.answer(preset)? {
                    Ok(estimate) => Some(estimate.data.as_ref()?)
                        .map(|data| (data.notes.len() + data.warnings.len() + data.preview.len()).saturating_sub(1)),
                    Err(_) => None,
                });
                let next = usize::from(self.scrolled).saturating_add_signed(by).min(last.unwrap_or(0));
                self.scrolled = u16::try_from(next).unwrap_or(u16::MAX);
            }
        }
    }

    fn focus_by(&mut self, by: usize) {
        let now = HomePart::ALL.iter().position(|part| *part == self.focus).unwrap_or(0);
        self.focus = HomePart::ALL[(now + by) % HomePart::ALL.len()];
    }

    /// Goes from the details to the list; in the list, clears the filter.
    fn back(&mut self) {
        if self.focus == HomePart::List {
            self.list.filter = Input::default();
        }
        self.focus = HomePart::List;
    }

    fn launch(&self) -> Option<Intent> {
        Some(Intent::Launch(Box::new(self.list.selected()?.now.as_ref().ok()?.clone())))
    }

    fn begin_edit(&mut self) {
        let fields = self.fields();
        let Some((field, entry)) = fields.get(self.field).zip(self.list.selected()) else { return };
        if let Ok(draft) = &entry.listed.draft {
            let value = field.value.as_deref().unwrap_or_default();
            self.typing = Some(Typing::Field(Box::new(Editing::new(field.key, value, draft))));
        }
    }

    fn reset(&mut self) {
        let fields = self.fields();
        if let Some((field, entry)) = fields.get(self.field).zip(self.list.selected_mut()) {
            entry.change(|draft| draft.reset(field.key));
        }
    }
}
