//! What the palette offers of the list of runs: its runs, and their exports.

use std::path::Path;

use super::Runs;
use super::export::ExportForm;
use super::mode::Mode;
use crate::export::ExportFormat;
use crate::runs::{RunEntry, RunState};
use crate::ui::intent::Intent;

impl Runs {
    /// All listed runs, hidden ones too.
    pub fn listed(&self) -> &[RunEntry] {
        self.list.entries.as_deref().unwrap_or_default()
    }

    /// The run under the cursor.
    pub fn selected(&self) -> Option<&RunEntry> {
        self.list.current()
    }

    /// The request to attach to the run in this folder if it is active, and else to replay it.
    pub fn open(&self, folder: &Path) -> Option<Intent> {
        let run = self.listed().iter().find(|run| run.path == folder)?;
        Some(if run.state == RunState::Running {
            Intent::Attach(run.path.clone())
        } else {
            Intent::Replay(run.path.clone())
        })
    }

    /// Sets up an export of the run in this folder.
    pub fn set_up_export(&mut self, folder: &Path, format: ExportFormat) {
        if let Some(run) = self.listed().iter().find(|run| run.path == folder) {
            self.mode = Mode::Export(ExportForm::in_format(run, format));
        }
    }
}
