//! The sweep that this process works on, seen from the event loop.

use std::path::PathBuf;

use super::Workbench;
use super::screen::Screen;
use super::sweep::SweepScreen;
use crate::sweep::{SweepLink, SweepPlan, Update};

/// A sweep to show.
pub struct SweepStart {
    pub name: String,
    /// The folder of its runs.
    pub folder: PathBuf,
    pub plan: SweepPlan,
    pub link: SweepLink,
}

impl Workbench {
    /// Begins with a sweep instead of Home.
    pub(super) fn start_sweep(&mut self, start: SweepStart) {
        let SweepStart { name, folder, plan, link } = start;
        self.app.sweep = Some(SweepScreen::new(name, folder, plan));
        self.app.screen = Screen::Sweep;
        self.sweep = Some(link);
    }

    /// Applies what has happened to the sweep; `None` is its end.
    pub(super) fn on_sweep(&mut self, update: Option<Update>) {
        let Some(screen) = &mut self.app.sweep else { return };
        match update {
            Some(update) => {
                if let Some(failed) = screen.on_update(update) {
                    self.app.toasts.error(failed);
                }
            }
            None => {
                self.sweep = None;
                let ended = screen.on_end();
                self.notification += &self.status.notification(&ended);
                self.app.toasts.info(ended);
            }
        }
    }
}
