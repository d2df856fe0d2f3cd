//! The running analysis: how it begins, and how it ends.

use super::App;
use crate::analysis::AnalysisUpdate;
use crate::preset::Preset;
use crate::ui::message::Effect;
use crate::ui::overlay::{Overlay, Question};
use crate::ui::screen::Screen;

impl App {
    /// Starts an analysis, unless one is running.
    pub(super) fn analyze(&mut self, preset: Box<Preset>) -> Option<Effect> {
        if self.analysis.is_running() {
            self.toasts.error("an analysis is still running; wait for it, or cancel it on its screen with X");
            return None;
        }
        Some(Effect::Analyze(preset))
    }

    /// Applies an update of the analysis, and reports its end where it is not on the screen.
    pub(super) fn on_analysis(&mut self, update: AnalysisUpdate) -> Option<Effect> {
        let hidden = self.screen != Screen::Analysis;
        let title = self.analysis.title().to_owned();
        match &update {
            AnalysisUpdate::Progress(_) | AnalysisUpdate::Partial(_) => {}
            AnalysisUpdate::Done(_) if hidden => self.toasts.info(format!("{title}: the analysis is done")),
            AnalysisUpdate::Failed(error) if hidden => self.toasts.error(format!("{title}: {error:#}")),
            AnalysisUpdate::Cancelled if hidden => self.toasts.info(format!("cancelled: {title}")),
            AnalysisUpdate::Done(_) | AnalysisUpdate::Failed(_) | AnalysisUpdate::Cancelled => {}
        }
        self.analysis.on_update(update);
        // The question about it has nothing left to ask.
        if !self.analysis.is_running() && matches!(self.overlay, Some(Overlay::Quit(Question::Analysis, _))) {
            self.overlay = None;
        }
        None
    }
}
