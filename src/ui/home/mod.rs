//! Home: the presets, and what a run of the marked one would be. Everything of it can be changed before it is launched.

mod estimate_query;
mod layout;
mod list;
mod plan;
mod preview;
mod settings;
#[cfg(test)]
mod tests;
mod typing;
mod unsaved;

use std::time::Duration;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use ratatui::Frame;
use ratatui::layout::{Margin, Position, Rect};
use ratatui::text::Line;

use super::app::{Effect, Look, Saved};
use super::keymap::Action;
use super::overlay::popup;
use super::widgets::input::Input;
use crate::estimate::Estimate;
use crate::preset::{Field, Preset, PresetEntry};
use estimate_query::EstimateQuery;
use layout::{HomeLayout, HomePart};
use list::List;
use typing::{Editing, Naming, Typing};
pub use unsaved::Unsaved;

/// The presets and what is done with them.
pub struct Home {
    list: List,
    focus: HomePart,
    /// The marked field of the settings.
    field: usize,
    /// Examples of the preview that are scrolled past.
    scrolled: u16,
    typing: Option<Typing>,
    inquiry: EstimateQuery,
}

/// What the drawing of the parts sees.
struct Scene<'a> {
    list: &'a List,
    inquiry: &'a EstimateQuery,
    /// The marked field.
    marked: usize,
    scrolled: u16,
    look: &'a Look,
}

impl Home {
    /// With these presets, in this order, the first of them marked.
    pub fn new(presets: Vec<PresetEntry>) -> Home {
        let mut home = Home {
            list: List::new(presets),
            focus: HomePart::List,
            field: 0,
            scrolled: 0,
            typing: None,
            inquiry: EstimateQuery::default(),
        };
        home.look();
        home
    }

    /// Whether keys are text now.
    pub fn typing(&self) -> bool {
        self.typing.is_some()
    }

    /// Takes up a key that is text.
    pub fn key(&mut self, key: KeyEvent) -> Option<Effect> {
        let cancels =
            key.code == KeyCode::Esc || key.code == KeyCode::Char('c') && key.modifiers.contains(KeyModifiers::CONTROL);
        let effect = match self.typing.take()? {
            Typing::Filter => {
                self.filter(key, cancels);
                None
            }
            Typing::Field(editing) => {
                self.edit(editing, key, cancels);
                None
            }
            Typing::Name(naming) => self.name(naming, key, cancels),
        };
        self.look();
        effect
    }

    /// Takes up pasted text.
    pub fn pasted(&mut self, text: &str) -> Option<Effect> {
        // Blanks at the ends come along when a line is copied.
        let text = text.trim();
        match &mut self.typing {
            Some(Typing::Filter) => {
                self.list.filter.insert(text);
                self.list.settle();
            }
            Some(Typing::Field(editing)) => {
                editing.input.insert(text);
                if let Some(Ok(draft)) = self.list.marked().map(|entry| &entry.listed.draft) {
                    editing.check(draft);
                }
            }
            Some(Typing::Name(naming)) => {
                naming.input.insert(text);
                naming.check(&self.list);
            }
            None => {}
        }
        self.look();
        None
    }

    /// Does what a key says.
    pub fn act(&mut self, action: Action) -> Option<Effect> {
        const PAGE: isize = 8;
        const ALL: isize = isize::MAX;
        let effect = match action {
            Action::Up => self.go(-1),
            Action::Down => self.go(1),
            Action::PageUp => self.go(-PAGE),
            Action::PageDown => self.go(PAGE),
            Action::First => self.go(-ALL),
            Action::Last => self.go(ALL),
            Action::FocusNext => self.refocus(1),
            Action::FocusPrevious => self.refocus(HomePart::ALL.len() - 1),
            Action::Left => self.focus_on(HomePart::List),
            Action::Right if self.focus == HomePart::List => self.focus_on(HomePart::Settings),
            Action::Back => self.back(),
            Action::Filter => {
                self.focus = HomePart::List;
                self.typing = Some(Typing::Filter);
                None
            }
            Action::Enter if self.focus == HomePart::Settings => self.begin_edit(),
            Action::Enter if self.focus == HomePart::List => self.launch(),
            Action::Launch => self.launch(),
            Action::Edit if self.focus == HomePart::Settings => self.begin_edit(),
            Action::Edit => self.focus_on(HomePart::Settings),
            Action::Reset if self.focus == HomePart::Settings => self.reset(),
            Action::ResetAll => self.reset_all(),
            Action::Save => {
                let whole = self.list.marked().filter(|entry| entry.now.is_ok());
                self.typing = whole.map(|entry| Typing::Name(Naming::new(entry, &self.list)));
                None
            }
            _ => None,
        };
        self.look();
        effect
    }

    /// Ends typing. What was typed into a field is kept if it can be.
    pub fn keep_typed(&mut self) {
        if let Some(Typing::Field(editing)) = self.typing.take()
            && editing.outcome.is_ok()
            && let Some(entry) = self.list.marked_mut()
        {
            entry.change(|draft| *draft = editing.applied(draft));
        }
        self.look();
    }

    /// Takes up a click: it goes to a part of the screen, and marks what it hits.
    pub fn click(&mut self, at: Position, area: Rect) -> Option<Effect> {
        self.keep_typed();
        let places = HomeLayout::of(area, self.list.len());
        let part = places.part(at)?;
        match part {
            HomePart::List => {
                let inner = places.list.inner(Margin::new(1, 1));
                let rows = usize::from(inner.height).saturating_sub(1);
                if let Some(row) = at.y.checked_sub(inner.y + 1) {
                    self.list.mark_row(usize::from(row), rows);
                }
            }
            HomePart::Settings => {
                let inner = places.settings.inner(Margin::new(1, 1));
                let focused = self.focus == HomePart::Settings;
                let noted = self.list.marked().is_some_and(|entry| settings::noted(entry, focused));
                if let Some(field) = settings::field_at(&self.fields(), self.field, inner, noted, at.y) {
                    // A second click edits.
                    if focused && self.field == field {
                        self.begin_edit();
                    }
                    self.field = field;
                }
            }
            HomePart::Preview => {}
        }
        self.focus = part;
        self.look();
        None
    }

    /// Takes up the wheel over a part of the screen.
    pub fn wheel(&mut self, at: Position, area: Rect, by: isize) {
        if let (None, Some(part)) = (&self.typing, HomeLayout::of(area, self.list.len()).part(at)) {
            self.focus = part;
            self.go(by);
            self.look();
        }
    }

    /// Lets time pass.
    pub fn tick(&mut self, now: Duration) -> Option<Effect> {
        self.inquiry.tick(now)
    }

    /// Whether time has to pass for something to happen.
    pub fn waiting(&self) -> bool {
        self.inquiry.waiting()
    }

    /// Takes up what a run would take.
    pub fn learn(&mut self, toml: &str, estimate: Result<Estimate, String>) {
        self.inquiry.learn(toml, estimate);
    }

    /// A run has begun or ended: what was learnt of memory and throughput is old.
    pub fn renew(&mut self) {
        self.inquiry.forget();
        self.look();
    }

    /// The presets that were changed and not saved.
    pub fn unsaved(&self) -> Vec<Unsaved> {
        unsaved::of(&self.list)
    }

    /// Takes up the presets after some were saved.
    pub fn saved(&mut self, saved: &[Saved], presets: Vec<PresetEntry>) {
        self.list.renew(presets, saved);
        self.look();
    }

    /// Draws it.
    pub fn draw(&self, frame: &mut Frame, area: Rect, look: &Look) {
        let places = HomeLayout::of(area, self.list.len());
        let scene =
            Scene { list: &self.list, inquiry: &self.inquiry, marked: self.field, scrolled: self.scrolled, look };
        let filtering = matches!(self.typing, Some(Typing::Filter));
        let preset = self.subject();
        list::draw(frame, places.list, &scene, self.focus == HomePart::List, filtering);
        settings::draw(frame, places.settings, &scene, self.focus == HomePart::Settings, self.editing());
        plan::draw(frame, places.plan, &scene, preset);
        preview::draw(frame, places.preview, &scene, preset, self.focus == HomePart::Preview);
        if let Some(Typing::Name(naming)) = &self.typing {
            draw_naming(frame, area, look, naming);
        }
    }

    /// The preset in view: the marked one, with what is being typed.
    fn subject(&self) -> Option<&Preset> {
        match self.editing().map(|editing| &editing.outcome) {
            Some(Ok(preset)) => Some(preset),
            _ => self.list.marked()?.now.as_ref().ok(),
        }
    }

    fn editing(&self) -> Option<&Editing> {
        match &self.typing {
            Some(Typing::Field(editing)) => Some(editing),
            _ => None,
        }
    }

    /// Notes what is in view, to ask about it.
    fn look(&mut self) {
        if let Some(preset) = self.subject().cloned() {
            self.inquiry.look_at(&preset);
        }
        self.field = self.field.min(self.fields().len().saturating_sub(1));
    }

    fn fields(&self) -> Vec<Field> {
        match self.list.marked().map(|entry| &entry.listed.draft) {
            Some(Ok(draft)) => draft.fields(),
            _ => Vec::new(),
        }
    }

    fn go(&mut self, by: isize) -> Option<Effect> {
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
                let last = self.subject().and_then(|preset| match self.inquiry.answer(preset)? {
                    Ok(estimate) => Some(estimate.data.as_ref()?.preview.len().saturating_sub(1)),
                    Err(_) => None,
                });
                let next = usize::from(self.scrolled).saturating_add_signed(by).min(last.unwrap_or(0));
                self.scrolled = u16::try_from(next).unwrap_or(u16::MAX);
            }
        }
        None
    }

    fn refocus(&mut self, by: usize) -> Option<Effect> {
        let now = HomePart::ALL.iter().position(|part| *part == self.focus).unwrap_or(0);
        self.focus_on(HomePart::ALL[(now + by) % HomePart::ALL.len()])
    }

    fn focus_on(&mut self, part: HomePart) -> Option<Effect> {
        self.focus = part;
        None
    }

    /// From the details to the list, and from a filtered list to the whole one.
    fn back(&mut self) -> Option<Effect> {
        if self.focus == HomePart::List {
            self.list.filter = Input::default();
        }
        self.focus_on(HomePart::List)
    }

    fn launch(&mut self) -> Option<Effect> {
        Some(Effect::Launch(Box::new(self.list.marked()?.now.as_ref().ok()?.clone())))
    }

    fn begin_edit(&mut self) -> Option<Effect> {
        let fields = self.fields();
        let field = fields.get(self.field)?;
        if let Ok(draft) = &self.list.marked()?.listed.draft {
            let value = field.value.as_deref().unwrap_or_default();
            self.typing = Some(Typing::Field(Box::new(Editing::new(field.key, value, draft))));
        }
        None
    }

    fn reset(&mut self) -> Option<Effect> {
        let key = self.fields().get(self.field)?.key;
        self.list.marked_mut()?.change(|draft| draft.reset(key));
        None
    }

    fn reset_all(&mut self) -> Option<Effect> {
        self.list.marked_mut()?.change(|draft| draft.reset_all());
        None
    }

    fn filter(&mut self, key: KeyEvent, cancels: bool) {
        match key.code {
            _ if cancels => self.list.filter = Input::default(),
            KeyCode::Enter => {}
            KeyCode::Up | KeyCode::Down => {
                self.list.go(if key.code == KeyCode::Up { -1 } else { 1 });
                self.typing = Some(Typing::Filter);
            }
            _ => {
                self.list.filter.key(key);
                self.typing = Some(Typing::Filter);
            }
        }
        self.list.settle();
    }

    fn edit(&mut self, mut editing: Box<Editing>, key: KeyEvent, cancels: bool) {
        let Some(entry) = self.list.marked_mut().filter(|_| !cancels) else { return };
        if key.code == KeyCode::Enter {
            // What cannot be stays in the field, with what is wrong with it.
            match &editing.outcome {
                Ok(_) => entry.change(|draft| *draft = editing.applied(draft)),
                Err(_) => self.typing = Some(Typing::Field(editing)),
            }
            return;
        }
        if editing.input.key(key)
            && let Ok(draft) = &entry.listed.draft
        {
            editing.check(draft);
        }
        self.typing = Some(Typing::Field(editing));
    }

    fn name(&mut self, mut naming: Naming, key: KeyEvent, cancels: bool) -> Option<Effect> {
        if cancels {
            return None;
        }
        if key.code == KeyCode::Enter && naming.complaint.is_none() {
            let Ok(draft) = &self.list.marked()?.listed.draft else { return None };
            return naming.saving(draft).ok().map(Effect::Save);
        }
        naming.input.key(key);
        naming.check(&self.list);
        self.typing = Some(Typing::Name(naming));
        None
    }
}

fn draw_naming(frame: &mut Frame, area: Rect, look: &Look, naming: &Naming) {
    let theme = &look.theme;
    let said = match (&naming.complaint, naming.replace) {
        (Some(complaint), _) => Line::styled(format!(" {complaint}"), theme.style(theme.error)),
        (None, true) => Line::styled(" written in its place, comments kept", theme.style(theme.dim)),
        (None, false) => Line::styled(" written as a new preset, comments kept", theme.style(theme.dim)),
    };
    let lines = vec![Line::default(), Line::default(), said];
    let inner = popup(frame, area, look, "Save as", lines, 64);
    let field = Rect { x: inner.x + 1, width: inner.width.saturating_sub(2), height: 1.min(inner.height), ..inner };
    naming.input.draw(frame, field, theme.bold(theme.text));
}
