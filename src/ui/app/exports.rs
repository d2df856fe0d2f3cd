//! The running export: how it begins, and how it ends.

use super::App;
use crate::export::{Cancelled, ChangedBiases, ExportRequest};
use crate::ui::message::Effect;
use crate::ui::overlay::{Overlay, Question};
use crate::ui::screen::Screen;

impl App {
    /// Starts an export, unless one is running.
    pub(super) fn export(&mut self, order: ExportRequest) -> Option<Effect> {
        if !self.runs.begin_export(&order) {
            self.toasts.error("an export is still running; wait for it, or cancel it with X");
            return None;
        }
        Some(Effect::Export(order))
    }

    /// Reports how an export has ended, and offers a remedy if there is one.
    pub(super) fn on_exported(&mut self, outcome: Result<(), anyhow::Error>) -> Option<Effect> {
        let order = self.runs.end_export()?;
        let mut leaving = false;
        if let Some(Overlay::Quit(question @ (Question::Export | Question::Waiting), _)) = self.overlay {
            self.overlay = None;
            leaving = question == Question::Waiting;
        }
        match outcome {
            Ok(()) => {
                self.toasts.info(format!("exported to {}", order.out.display()));
                if leaving {
                    return self.ask(Question::Waiting.next());
                }
            }
            Err(error) if error.is::<Cancelled>() => self.toasts.info("cancelled the export; nothing was written"),
            Err(error) => match error.downcast::<ChangedBiases>() {
                // On another screen, or while the user types, a question would take keys meant for something else.
                Ok(biases) if self.screen == Screen::Runs && !self.runs.typing() => {
                    self.runs.ask_about_biases(order, biases);
                }
                Ok(biases) => self.toasts.error(format!("no adapter: {biases}")),
                Err(error) => self.toasts.error(format!("{error:#}")),
            },
        }
        None
    }
}
