//! Home: the presets, and the settings, the estimate and the first batch of the selected one.

mod change;
mod choices;
mod deletion;
mod editor;
mod estimate_query;
mod layout;
mod list;
mod memory;
mod mouse;
mod naming;
mod place;
mod plan;
mod preview;
mod scene;
mod settings;
mod settings_list;
mod shares;
mod spans;
mod table;
#[cfg(test)]
mod tests;
mod text_input;
mod typing;
mod unsaved;

use std::time::Duration;

use ratatui::Frame;
use ratatui::layout::Rect;

use super::input::UserInput;
use super::intent::Intent;
use super::keymap::{Action, Context, Keymap};
use super::saving::{EditedPreset, SavedPreset};
use super::theme::Look;
use super::widgets::input::Input;
use crate::estimate::{DownloadSize, Estimate};
use crate::preset::{Draft, Field, Preset, PresetEntry};
use deletion::Deletion;
use editor::Editing;
use estimate_query::EstimateQuery;
use layout::{HomeLayout, HomePart};
use list::List;
use naming::Naming;
use scene::Scene;
use settings::SettingsView;
use settings_list::Settings;
use typing::Typing;
pub use unsaved::Unsaved;

/// The state of Home.
pub struct Home {
    list: List,
    focus: HomePart,
    settings: Settings,
    /// Warnings and examples of the preview that are scrolled past.
    scrolled: u16,
    typing: Option<Typing>,
    /// The name that is being saved or renamed to, until that is done.
    submitted: Option<Naming>,
    estimates: EstimateQuery,
}

impl Home {
    /// Lists these presets in this order, and selects the first.
    pub fn new(presets: Vec<PresetEntry>) -> Home {
        let mut home = Home {
            list: List::new(presets),
            focus: HomePart::List,
            settings: Settings::default(),
            scrolled: 0,
            typing: None,
            submitted: None,
            estimates: EstimateQuery::default(),
        };
        home.note_subject();
        home
    }

    /// Whether keys are text now.
    pub fn typing(&self) -> bool {
        self.typing.is_some()
    }

    /// Selects the setting of a key, such as `train.epochs`, and gives the settings the focus. A key that does not apply to the
    /// selected preset changes nothing.
    pub fn select_setting(&mut self, key: &str) {
        if let Some(entry) = self.list.selected()
            && self.settings.select(entry, key)
        {
            self.typing = None;
            self.focus = HomePart::Settings;
        }
    }

    /// Handles an input. `area` is the one that [`Home::draw`] draws on.
    pub fn handle(&mut self, input: &UserInput, area: Rect, keymap: &Keymap, look: &Look) -> Option<Intent> {
        let intent = match input {
            UserInput::Key(key) if self.typing() => self.type_key(*key),
            UserInput::Key(key) => return self.perform(keymap.action(Context::Home, key)?),
            UserInput::Paste(text) => {
                self.paste(text);
                None
            }
            UserInput::Click(at) => self.click(*at, area, look),
            UserInput::Drag(_) => None,
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
            Action::Analyze => return self.analyze(),
            Action::Up => self.go(-1),
            Action::Down => self.go(1),
            Action::PageUp => self.go(-PAGE),
            Action::PageDown => self.go(PAGE),
            Action::First => self.go(-ALL),
            Action::Last => self.go(ALL),
            Action::FocusNext => self.focus_by(1),
            Action::FocusPrevious => self.focus_by(HomePart::ALL.len() - 1),
            Action::Left | Action::Right if self.focus == HomePart::Settings => {
                return self.step(action == Action::Right);
            }
            Action::Left => self.focus = HomePart::List,
            Action::Right if self.focus == HomePart::List => self.focus = HomePart::Settings,
            Action::Back => self.back(),
            Action::Filter if self.focus == HomePart::Settings => self.typing = Some(Typing::SettingsFilter),
            Action::Filter => {
                self.focus = HomePart::List;
                self.typing = Some(Typing::Filter);
            }
            Action::Enter | Action::Edit if self.focus == HomePart::Settings => return self.begin_edit(),
            Action::Edit => self.focus = HomePart::Settings,
            Action::Reset if self.focus == HomePart::Settings => self.reset(),
            Action::ResetAll => {
                if let Some(entry) = self.list.selected_mut() {
                    entry.change(Draft::reset_all);
                }
            }
            Action::Save => {
                let entry = self.list.selected()?;
                if let Err(error) = &entry.now {
                    return Some(Intent::Refuse(error.to_string()));
                }
                self.typing = Some(Typing::Name(Naming::save(entry, &self.list)));
            }
            Action::Rename => {
                let entry = self.list.selected()?;
                let refused = match (entry.is_own(), entry.changes()) {
                    (false, _) => Some("is built in and cannot be renamed; s saves a copy under another name"),
                    (true, 1..) => Some("has unsaved changes; save or undo them first"),
                    (true, 0) => None,
                };
                if let Some(why) = refused {
                    return Some(Intent::Refuse(format!("{} {why}", entry.listed.name)));
                }
                self.typing = Some(Typing::Name(Naming::rename(entry, &self.list)));
            }
            Action::Delete => {
                let entry = self.list.selected()?;
                match Deletion::of(entry) {
                    Some(deletion) => self.typing = Some(Typing::Delete(deletion)),
                    None => {
                        let why = format!("{} is built in and cannot be deleted", entry.listed.name);
                        return Some(Intent::Refuse(why));
                    }
                }
            }
            _ => {}
        }
        None
    }

    /// Goes to a preset, and to this setting of it. In names of runs, `/` of a preset is `-`. Whether it is listed.
    pub fn go_to(&mut self, preset: &str, key: Option<&str>) -> bool {
        let named = |name: &str| name == preset || name.replace('/', "-") == preset;
        let Some(place) = self.list.entries.iter().position(|entry| named(&entry.listed.name)) else { return false };
        self.keep_typed();
        self.list.selected = place;
        if self.list.selected().is_none() {
            self.list.filter = Input::default();
        }
        self.focus = HomePart::Settings;
        if let Some(key) = key {
            self.select_setting(key);
        }
        self.note_subject();
        true
    }

    /// Advances the time. Returns a preset to estimate, if it is time for one.
    pub fn tick(&mut self, now: Duration) -> Option<Box<Preset>> {
        self.estimates.tick(now)
    }

    /// Whether something will happen as time advances.
    pub fn waiting(&self) -> bool {
        self.estimates.waiting()
    }

    /// Notes the estimate of the preset with this TOML. Returns the preset if the sizes of its downloads are to be asked for.
    pub fn on_estimate(&mut self, toml: &str, estimate: Result<Estimate, String>) -> Option<Box<Preset>> {
        self.estimates.on_answer(toml, estimate)
    }

    /// Notes the sizes of what is not downloaded.
    pub fn on_download_sizes(&mut self, sizes: Vec<DownloadSize>) {
        self.estimates.on_download_sizes(sizes);
    }

    /// Requests a new estimate: a run has started or ended, and free memory and known throughputs may have changed.
    pub fn renew_estimate(&mut self) {
        self.estimates.forget();
        self.note_subject();
    }

    /// Name of the selected preset.
    pub fn selected(&self) -> Option<String> {
        self.list.selected().map(|entry| super::format::plain(&entry.listed.name))
    }

    /// The presets that were changed and not saved.
    pub fn unsaved(&self) -> Vec<Unsaved> {
        unsaved::of(&self.list)
    }

    /// Shows the presets that exist after some were saved.
    pub fn on_saved(&mut self, saved: &[SavedPreset], presets: Vec<PresetEntry>) {
        self.submitted = None;
        self.list.renew(presets, saved);
        self.note_subject();
    }

    /// Shows the presets that exist after one was renamed or deleted.
    pub fn on_edited(&mut self, edited: &EditedPreset, presets: Vec<PresetEntry>) {
        self.submitted = None;
        self.list.edited(edited, presets);
        self.note_subject();
    }

    /// Asks for the name again that was not saved. Whether there is one, and nothing else is typed.
    pub fn on_not_saved(&mut self, why: &str) -> bool {
        let Some(mut naming) = self.submitted.take().filter(|_| self.typing.is_none()) else { return false };
        naming.complaint = Some(why.to_owned());
        self.typing = Some(Typing::Name(naming));
        true
    }

    /// Draws the panels, and the name to save under while it is typed.
    pub fn draw(&self, frame: &mut Frame, area: Rect, look: &Look) {
        let places = HomeLayout::of(area, self.list.all_rows());
        let scene = Scene { list: &self.list, estimates: &self.estimates, scrolled: self.scrolled, look };
        let filtering = matches!(self.typing, Some(Typing::Filter));
        let preset = self.subject();
        table::draw(frame, places.list, &scene, self.focus == HomePart::List, filtering);
        let view = SettingsView {
            settings: &self.settings,
            focused: self.focus == HomePart::Settings,
            filtering: matches!(self.typing, Some(Typing::SettingsFilter)),
            editing: self.editing(),
            error: self.error(),
        };
        settings::draw(frame, places.settings, &scene, &view);
        plan::draw(frame, places.plan, &scene, preset);
        preview::draw(frame, places.preview, &scene, preset, self.focus == HomePart::Preview);
        match &self.typing {
            Some(Typing::Name(naming)) => naming.draw(frame, area, look),
            Some(Typing::Delete(deletion)) => deletion.draw(frame, area, look),
            // Beside the estimate, which follows what is chosen.
            Some(Typing::Field(editing)) => editing.draw_list(frame, list_area(area, places.settings), look),
            Some(Typing::Filter | Typing::SettingsFilter) | None => {}
        }
    }

    /// The preset in view: the selected one, with the value that is being typed if it is valid.
    fn subject(&self) -> Option<&Preset> {
        match self.editing().map(|editing| &editing.outcome) {
            Some(Ok(preset)) => Some(preset),
            _ => self.list.selected()?.now.as_ref().ok(),
        }
    }

    /// Why the preset in view cannot be trained as it is.
    fn error(&self) -> Option<&str> {
        self.estimates.known(self.subject()?).error
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
        if let Some(entry) = self.list.selected() {
            self.settings.go(entry, 0);
        }
    }

    /// The selected setting.
    fn field(&self) -> Option<Field> {
        self.settings.selected(self.list.selected()?)
    }

    fn go(&mut self, by: isize) {
        match self.focus {
            HomePart::List => {
                self.list.go(by);
                self.scrolled = 0;
            }
            HomePart::Settings => {
                if let Some(entry) = self.list.selected() {
                    self.settings.go(entry, by);
                }
            }
            HomePart::Preview => {
                let estimate = self.subject().and_then(|preset| self.estimates.known(preset).estimate);
                let data = estimate.and_then(|estimate| estimate.data.as_ref());
                let lines = data.map_or(0, |data| data.notes.len() + data.warnings.len() + data.preview.len());
                let next = usize::from(self.scrolled).saturating_add_signed(by).min(lines.saturating_sub(1));
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
        match (self.focus, self.list.selected()) {
            (HomePart::Settings, Some(entry)) if !self.settings.filter.is_empty() => {
                return self.settings.set_filter(entry, |filter| *filter = Input::default());
            }
            (HomePart::List, _) => self.list.filter = Input::default(),
            _ => {}
        }
        self.focus = HomePart::List;
    }

    fn launch(&self) -> Option<Intent> {
        Some(match &self.list.selected()?.now {
            Ok(preset) => Intent::Launch(Box::new(preset.clone())),
            Err(error) => Intent::Refuse(error.to_string()),
        })
    }

    fn analyze(&self) -> Option<Intent> {
        Some(match &self.list.selected()?.now {
            Ok(preset) => Intent::Analyze(Box::new(preset.clone())),
            Err(error) => Intent::Refuse(error.to_string()),
        })
    }
}

/// Where a list of values is drawn: over the settings, or over the whole area if they are too small for it.
fn list_area(area: Rect, settings: Rect) -> Rect {
    if settings.width >= 48 && settings.height >= 12 { settings } else { area }
}
