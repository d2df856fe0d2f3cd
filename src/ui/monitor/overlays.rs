//! The runs that can be overlaid on the monitor, and whether they are. A run is never laid over itself.

use std::path::{Path, absolute};

use super::files::Files;
use crate::runs::History;
use crate::ui::comparison::ComparedRun;

/// The marked runs, and whether they are shown.
#[derive(Default)]
pub(super) struct Overlays {
    pub(super) runs: Vec<ComparedRun>,
    pub(super) shown: bool,
}

impl Overlays {
    /// Shows the runs from now on.
    ///
    /// # Errors
    /// There is none but the one on the monitor.
    pub(super) fn show(&mut self, run: &History, files: Option<&Files>) -> Result<(), String> {
        match self.runs.as_slice() {
            [] => Err("no runs to overlay: mark some in Runs".into()),
            [only] if is_own(only, run, files) => {
                Err(format!("{} is on the monitor already; mark another run to overlay it", only.name))
            }
            _ => {
                self.shown = true;
                Ok(())
            }
        }
    }
}

/// Whether this is the run on the monitor.
pub(super) fn is_own(compared: &ComparedRun, run: &History, files: Option<&Files>) -> bool {
    match files {
        Some(files) => is_same(&files.folder, &compared.path),
        None => run.name() == compared.name,
    }
}

/// Whether two paths lead to one folder, one of them from the current folder perhaps.
fn is_same(a: &Path, b: &Path) -> bool {
    a == b || a.file_name() == b.file_name() && absolute(a).ok() == absolute(b).ok()
}
