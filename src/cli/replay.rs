//! `finesift replay`: a recorded run in the screens, at once or at a multiple of its own pace.

use std::process::ExitCode;

use anyhow::{Result, bail};
use clap::Args;

use super::args::WorkbenchArgs;
use super::backend::LocalBackend;
use super::{is_dumb, on_terminal, report, watch};
use crate::runs::find;
use crate::ui::backend::Backend;
use crate::{Usage, ui};

#[derive(Args)]
#[command(after_help = "Examples:
  finesift replay RUN                 open a recorded run in the screens
  finesift replay RUN --speed 10      play its events ten times as fast as they were recorded

While it plays, space pauses, [ and ] change the speed.")]
pub(super) struct Replay {
    /// Name of the run, or path of its folder
    run: String,
    /// Play the events at this multiple of their own pace [default: all at once]
    #[arg(long, value_name = "FACTOR", value_parser = speed)]
    speed: Option<f64>,
    #[command(flatten)]
    workbench: WorkbenchArgs,
}

impl Replay {
    /// Shows the run until the user leaves.
    pub(super) fn run(self) -> Result<ExitCode> {
        if !on_terminal() || is_dumb() {
            bail!(Usage(
                "a replay needs a terminal with screens; the events are in events.jsonl of the run folder".into()
            ));
        }
        let (config, options) = self.workbench.screen.settings()?;
        let backend = LocalBackend::new(self.workbench.runs.folder_with(&config), &self.workbench.device)?;
        let folder = find(backend.runs(), &self.run)?;
        let outcome = ui::replay(backend, folder, self.speed, options)?;
        report(&outcome, &watch::detached_note(&outcome))
    }
}

/// A speed that time can pass at.
fn speed(text: &str) -> Result<f64, String> {
    let speed: f64 = text.trim_end_matches('x').parse().map_err(|_| format!("\"{text}\" is not a number"))?;
    if (0.01..=1e6).contains(&speed) { Ok(speed) } else { Err("expected a factor from 0.01 to 1000000".into()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_speed_is_a_finite_factor() {
        assert_eq!([speed("10"), speed("2.5x")], [Ok(10.0), Ok(2.5)]);
        for wrong in ["", "fast", "0", "-1", "NaN", "inf"] {
            assert!(speed(wrong).is_err(), "{wrong}");
        }
    }
}
