//! What other screens ask for a run. It is done when the run is listed, since dialogs need to know its checkpoints.

use std::path::{Path, PathBuf};

use super::Runs;
use super::export::ExportForm;
use super::list::RunList;
use super::mode::Mode;
use crate::export::ExportFormat;
use crate::ui::format::plain;
use crate::ui::intent::{Intent, RunRequest};

impl Runs {
    /// Notes a request. The next listing answers it.
    pub fn request(&mut self, run: PathBuf, request: RunRequest) {
        self.mode = Mode::List;
        self.requested = Some((run, request));
    }

    /// Answers the noted request, now that the runs are listed.
    pub(super) fn answer_request(&mut self) -> Option<Intent> {
        // While the user types, a dialog would take keys meant for something else.
        if self.typing() {
            return None;
        }
        let (run, request) = self.requested.take()?;
        if !select(&mut self.list, &run) {
            let run = plain(&run.display().to_string());
            return Some(Intent::Refuse(format!("{run} is not among the runs listed here")));
        }
        match request {
            RunRequest::Export => self.mode = Mode::Export(ExportForm::new(self.list.current()?)),
            RunRequest::Report => {
                self.mode = Mode::Export(ExportForm::new(self.list.current()?).set_to(ExportFormat::Html));
            }
            RunRequest::Resume => return self.resume(),
        }
        None
    }
}

/// Puts the cursor on a run, which a filter may have hidden. Whether it is listed.
fn select(list: &mut RunList, run: &Path) -> bool {
    let place = |list: &RunList| list.runs().position(|entry| entry.path == run);
    let Some(place) = place(list).or_else(|| {
        list.set_filter(String::new());
        place(list)
    }) else {
        return false;
    };
    list.cursor = place;
    true
}
