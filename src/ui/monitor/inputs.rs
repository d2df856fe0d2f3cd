//! Keys and the mouse on the monitor: the prompt, the card or the tab in front gets them.

use super::card::{Card, CardAction, CardContent, CardOutcome};
use super::prompt::PromptOutcome;
use super::view::Tab;
use super::{Monitor, completions, examples, header, layers, prompt};
use crate::ui::input::UserInput;
use crate::ui::intent::Intent;
use crate::ui::keymap::{Action, Context, Keymap};
use crate::ui::theme::Look;
use crossterm::event::KeyEvent;
use ratatui::layout::{Position, Rect};
use std::ops::ControlFlow;

impl Monitor {
    /// Handles an input. `area` is the one that [`Monitor::draw`] draws on.
    pub fn handle(&mut self, input: &UserInput, area: Rect, keymap: &Keymap, look: &Look) -> Option<Intent> {
        if self.health.listed.is_some() {
            return self.handle_on_health(input, self.parts(area)[2], keymap);
        }
        match input {
            UserInput::Key(key) => match self.type_key(key) {
                ControlFlow::Break(intent) => intent,
                ControlFlow::Continue(()) => match self.card_in_front(|card, content| card.key(key, content)) {
                    None | Some(CardOutcome::Ignored) => self.act(keymap.action(Context::Monitor, key)?, area),
                    Some(outcome) => self.on_card(outcome),
                },
            },
            UserInput::Paste(text) => {
                self.paste(text);
                None
            }
            UserInput::Click(at) => self.click(*at, area, look),
            UserInput::Drag(at) => {
                if self.view.tab == Tab::Layers && !self.view.full {
                    let body = self.parts(area)[2];
                    layers::drag(&mut self.view, &self.run, *at, body, look);
                }
                None
            }
            UserInput::ScrollUp(at) => self.scroll(*at, area, true),
            UserInput::ScrollDown(at) => self.scroll(*at, area, false),
        }
    }

    /// Types a key into the prompt or the filter of the log, if one of them is open and the key is text.
    pub(super) fn type_key(&mut self, key: &KeyEvent) -> ControlFlow<Option<Intent>> {
        if let Some(prompt) = &mut self.prompt {
            return match prompt.key(key) {
                PromptOutcome::Editing => ControlFlow::Break(None),
                PromptOutcome::Submitted(prompt) => ControlFlow::Break(Some(self.sample(prompt))),
                PromptOutcome::Cancelled => {
                    self.prompt = None;
                    ControlFlow::Break(None)
                }
                PromptOutcome::Ignored => ControlFlow::Continue(()),
            };
        }
        let typed = self.filtering() && self.view.lines.key(key);
        if typed { ControlFlow::Break(None) } else { ControlFlow::Continue(()) }
    }

    pub(super) fn paste(&mut self, text: &str) {
        if let Some(prompt) = &mut self.prompt {
            prompt.pasted(text);
        } else if self.filtering() {
            self.view.lines.pasted(text);
        }
    }

    pub(super) fn click(&mut self, at: Position, area: Rect, look: &Look) -> Option<Intent> {
        let [header, badges, body] = self.parts(area);
        if self.prompt.is_some() {
            // A click beside the dialog closes it, as esc does, and does nothing else.
            self.prompt = self.prompt.take().filter(|_| prompt::area(body).contains(at));
            return None;
        }
        if let Some(index) = self.health.badge_at(at, badges) {
            self.health.listed = Some(index);
            return None;
        }
        if let Some(number) = header::tabs(header).into_iter().position(|area| area.contains(at)) {
            return self.act(Action::Tab(number), area);
        }
        if let Some(outcome) = self.card_in_front(|card, content| card.click(at, content, body)) {
            return self.on_card(outcome);
        }
        let (view, run) = (&mut self.view, &self.run);
        match view.tab {
            Tab::Overview | Tab::System => self.click_chart(at, body),
            Tab::Layers if view.full => self.click_chart(at, body),
            Tab::Layers => layers::click(view, run, at, body, look),
            Tab::Samples if run.writes() => completions::click(view, run, at, body),
            Tab::Samples => examples::click(view, run, at, body),
            Tab::Log | Tab::Preset => {}
        }
        None
    }

    /// The wheel zooms a full-screen chart, focuses the chart under the pointer, and scrolls what scrolls.
    pub(super) fn scroll(&mut self, at: Position, area: Rect, up: bool) -> Option<Intent> {
        let body = self.parts(area)[2];
        if self.scrolls_ranks_at(at, up, body) {
            return None;
        }
        match self.view.tab {
            _ if self.view.full => self.act(if up { Action::ZoomIn } else { Action::ZoomOut }, area),
            Tab::Overview | Tab::System => {
                self.focus_at(at, body);
                None
            }
            _ => self.act(if up { Action::Up } else { Action::Down }, area),
        }
    }

    pub(super) fn filtering(&self) -> bool {
        self.view.tab == Tab::Log && self.view.lines.typing
    }

    /// Hands an input to the card, if it is in front.
    pub(super) fn card_in_front(
        &mut self,
        input: impl FnOnce(&mut Card, &CardContent) -> CardOutcome,
    ) -> Option<CardOutcome> {
        let card = self.card.as_mut().filter(|_| self.view.tab == Tab::Overview && self.prompt.is_none())?;
        Some(input(card, &CardContent::of(&self.run, self.files.as_ref())?))
    }

    pub(super) fn on_card(&mut self, outcome: CardOutcome) -> Option<Intent> {
        match outcome {
            CardOutcome::Stay | CardOutcome::Ignored => {}
            CardOutcome::Close => self.card = None,
            CardOutcome::Chosen(CardAction::Ask(intent)) => return Some(*intent),
            CardOutcome::Chosen(CardAction::OpenLog) => self.view.open_tab(Tab::Log),
        }
        None
    }

    /// Whether the card of the run's end is in front.
    pub(super) fn has_card(&self) -> bool {
        self.card.is_some() && self.view.tab == Tab::Overview && self.prompt.is_none() && self.run.end.is_some()
    }
}
