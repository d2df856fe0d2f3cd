//! Leaving the program: one question after the other, and what the answers do.

use super::App;
use crate::protocol::Command;
use crate::ui::message::Effect;
use crate::ui::overlay::{Completion, Overlay, Question};
use ratatui::layout::Rect;

impl App {
    /// Asks the first question from this one on that applies. Leaves if none does.
    pub(super) fn ask(&mut self, from: Option<Question>) -> Option<Effect> {
        let scene = self.scene().below_overlay(Rect::ZERO);
        match std::iter::successors(from, |question| question.next()).find(|question| question.applies(&scene)) {
            Some(question) => {
                self.overlay = Some(Overlay::Quit(question, 0));
                None
            }
            None => Some(Effect::Leave),
        }
    }

    pub(super) fn on_answer(&mut self, question: Question, answer: Completion) -> Option<Effect> {
        match answer {
            Completion::Stay => None,
            Completion::Leave => self.ask(question.next()),
            Completion::SavePresets => {
                let requests = self.home.unsaved().into_iter().filter_map(|unsaved| unsaved.request.ok());
                Some(Effect::SaveAll(requests.collect()))
            }
            Completion::Wait => {
                self.overlay = Some(Overlay::Quit(Question::Waiting, 0));
                None
            }
            // Leaving cancels the analysis.
            Completion::CancelAnalysis => self.ask(question.next()),
            // Leaving cancels the export anyway.
            Completion::CancelExport => self.ask(question.next()).or(Some(Effect::CancelExport)),
            Completion::SaveAndStop => self.stop_and_leave("stopping…", true, Effect::Send),
            Completion::DiscardAndStop => self.stop_and_leave("stopping…", false, Effect::Send),
            Completion::Detach => self.stop_and_leave("detaching…", true, |_| Effect::Detach),
        }
    }

    /// Leaves as soon as the live run has stopped; at once if it ended while the question was asked.
    pub(super) fn stop_and_leave(
        &mut self,
        word: &'static str,
        save: bool,
        effect: fn(Command) -> Effect,
    ) -> Option<Effect> {
        self.leaving = true;
        let stop = self.monitors.live.as_mut().and_then(|live| live.request(word, Command::Stop { save }));
        Some(stop.map_or(Effect::Leave, effect))
    }
}
