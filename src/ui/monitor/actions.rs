//! What actions do on the monitor, from keys and from the palette.

use super::card::CardOutcome;
use super::prompt::Prompt;
use super::view::Tab;
use super::{Monitor, completions, examples, layers, log, preset};
use crate::protocol::Command;
use crate::ui::intent::Intent;
use crate::ui::keymap::Action;
use ratatui::layout::Rect;

impl Monitor {
    /// Performs an action. `area` is the one that [`Monitor::draw`] draws on.
    pub fn act(&mut self, action: Action, area: Rect) -> Option<Intent> {
        let body = self.parts(area)[2];
        if let Some(cursor) = self.health.listed {
            return self.act_on_health(action, cursor);
        }
        // Below a card, charts do not move.
        match self.card_in_front(|card, content| card.act(action, content)) {
            None => {}
            Some(CardOutcome::Ignored) if matches!(action, Action::App(_) | Action::Tab(_) | Action::Summary) => {}
            Some(CardOutcome::Ignored) => return None,
            Some(outcome) => return self.on_card(outcome),
        }
        match action {
            Action::App(action) => return Some(Intent::App(action)),
            Action::Tab(number) => {
                if let Some((tab, _)) = Tab::ALL.get(number) {
                    self.view.open_tab(*tab);
                }
            }
            Action::PauseOrResume | Action::Slower | Action::Faster if self.pace.is_some() => {
                return self.change_pace(action);
            }
            Action::Summary => return self.toggle_card(),
            Action::PauseOrResume if self.run.held => return self.command("resuming…", Command::Resume),
            Action::PauseOrResume => return self.command("pausing…", Command::Pause),
            Action::Checkpoint => return self.command("saving a checkpoint…", Command::Checkpoint),
            Action::Evaluate => return self.command("evaluating…", Command::Evaluate),
            Action::StopAndSave => return self.command("stopping…", Command::Stop { save: true }),
            Action::Sample => match self.check_prompts() {
                Ok(()) => self.prompt = Some(Prompt::after(&self.run)),
                Err(why) => return Some(Intent::Refuse(why.into())),
            },
            Action::Back if self.view.cursor.is_some() && !self.view.full => self.view.clear_cursor(),
            Action::Back if self.view.tab == Tab::Samples && self.view.confusion.is_active() => {
                self.view.confusion.back()
            }
            Action::Back if !self.live && !self.view.full && !self.undoes_filter() => return Some(Intent::CloseReplay),
            Action::Overlay if self.overlays.shown => self.overlays.shown = false,
            Action::Overlay if self.has_overlays() => return Some(Intent::Overlay),
            Action::Overlay => return self.show_overlays().err().map(Intent::Refuse),
            Action::LogAxis => self.view.toggle_log(self.view.chart(&self.run)),
            Action::Smoothing => self.view.smoothing = self.view.smoothing.next(),
            Action::Axis => {
                self.view.time = !self.view.time;
                self.view.clear_cursor();
                self.view.window = None;
            }
            Action::Health => self.health.listed = Some(0),
            Action::WriteChart if self.files.is_none() => {
                return Some(Intent::Refuse("this run has no folder to write to".into()));
            }
            Action::WriteChart => return self.write_chart(),
            action => self.act_on_tab(action, body),
        }
        None
    }

    pub(super) fn act_on_tab(&mut self, action: Action, body: Rect) {
        let (view, run) = (&mut self.view, &self.run);
        match view.tab {
            Tab::Overview | Tab::System => self.act_on_charts(action, body),
            Tab::Layers if view.full => self.act_on_charts(action, body),
            Tab::Layers => layers::act(view, run, action, body),
            Tab::Samples if run.writes() => completions::act(view, run, action, body),
            Tab::Samples => examples::act(view, run, action, body),
            Tab::Log => log::act(view, run, action, body),
            Tab::Preset => preset::act(view, self.files.as_ref(), action, body),
        }
    }

    pub(super) fn change_pace(&mut self, action: Action) -> Option<Intent> {
        let pace = match action {
            Action::Slower => self.pace?.slower(),
            Action::Faster => self.pace?.faster(),
            _ => self.pace?.toggled(),
        };
        self.pace = Some(pace);
        Some(Intent::Pace(pace))
    }

    pub(super) fn command(&mut self, word: &'static str, command: Command) -> Option<Intent> {
        self.request(word, command).map(Intent::Send)
    }

    /// Opens the card of the run's end, or closes it.
    pub(super) fn toggle_card(&mut self) -> Option<Intent> {
        if self.run.end.is_none() {
            return Some(Intent::Refuse("this run has not ended; its summary comes at the end".into()));
        }
        self.card = match self.card {
            Some(_) if self.view.tab == Tab::Overview => None,
            card => Some(card.unwrap_or_default()),
        };
        if self.view.tab != Tab::Overview {
            self.view.open_tab(Tab::Overview);
        }
        None
    }

    /// Sends a prompt, and shows where the completion will appear. If it cannot be sent, it stays open to be edited.
    pub(super) fn sample(&mut self, prompt: String) -> Intent {
        if let Err(why) = self.check_prompts() {
            return Intent::Refuse(why.into());
        }
        let Some(command) = self.request("sampling…", Command::Sample { prompt }) else {
            return Intent::Refuse("the run has not confirmed the last command yet; try again in a moment".into());
        };
        self.prompt = None;
        self.view.open_tab(Tab::Samples);
        self.view.example = 0;
        Intent::Send(command)
    }
}
