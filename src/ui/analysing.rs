//! The analysis that this process computes: it is started, watched and cancelled here.

use super::Workbench;
use super::analysis::AnalysisStart;
use super::message::Msg;
use super::screen::Screen;
use crate::analysis::{Analysis, AnalysisLink, AnalysisUpdate};
use crate::preset::Preset;

/// Updates that are applied between two looks at the keyboard.
const UPDATES_AT_ONCE: usize = 16;

impl Workbench {
    /// Begins with an analysis instead of Home.
    pub(super) fn open_analysis(&mut self, start: AnalysisStart) {
        self.app.screen = Screen::Analysis;
        match start {
            AnalysisStart::Earlier { report, folder } => self.app.analysis.show(report, folder),
            AnalysisStart::Run(analysis) => {
                for answer in self.run_analysis(analysis) {
                    self.app.update(answer);
                }
            }
        }
    }

    /// Analyzes the gradients of a preset.
    pub(super) fn analyze(&mut self, preset: &Preset) -> Vec<Msg> {
        if self.trains() {
            return vec![Msg::Refused("this process trains a run; analyze once it has ended".into())];
        }
        match self.backend.analyze(preset) {
            Ok(analysis) => self.run_analysis(analysis),
            Err(error) => vec![Msg::Refused(format!("{error:#}"))],
        }
    }

    fn run_analysis(&mut self, analysis: Analysis) -> Vec<Msg> {
        let (title, folder) = (analysis.title.clone(), analysis.folder.clone());
        match AnalysisLink::spawn(analysis) {
            Ok(link) => {
                self.analysis = Some(link);
                vec![Msg::AnalysisStarted { title, folder }]
            }
            Err(error) => vec![Msg::Refused(format!("cannot start the analysis: {error}"))],
        }
    }

    /// Applies an update, and those that wait behind it.
    pub(super) fn on_analysis(&mut self, update: Option<AnalysisUpdate>) -> Vec<Msg> {
        let mut updates: Vec<AnalysisUpdate> = update.into_iter().collect();
        if updates.is_empty() {
            self.analysis = None;
            return Vec::new();
        }
        let more = std::iter::from_fn(|| self.analysis.as_mut()?.try_next());
        updates.extend(more.take(UPDATES_AT_ONCE));
        updates.into_iter().map(Msg::Analysis).collect()
    }
}
