//! `train` and `resume`: a run is begun or taken up again, and watched until it ends.

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Result;
use clap::Args;

use super::trainers::Trainers;
use super::{Screens, ended, is_dumb, on_terminal, print};
use crate::headless::Form;
use crate::outcome::Outcome;
use crate::preset::{Preset, cache_folder};
use crate::protocol::{Finished, Reason};
use crate::ui::backend::Launched;
use crate::{Usage, headless, ui};

#[derive(Args)]
pub(super) struct Train {
    /// Name of a preset, or path of a .toml file
    preset: String,
    /// Change a key of the preset, such as train.epochs=3; may be repeated
    #[arg(long = "set", value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// Name of the run; by default made of the preset's and the time
    #[arg(long, value_name = "NAME")]
    run: Option<String>,
    #[command(flatten)]
    how: How,
}

#[derive(Args)]
pub(super) struct Resume {
    /// Name of the run, or path of its folder
    run: String,
    /// Go back to the best evaluation, or to the checkpoint of a step; by default the newest
    #[arg(long, value_name = "best|STEP")]
    from: Option<String>,
    /// Go on also where preset, data or config.json have changed, so that the numbers will be others
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    how: How,
}

/// How a run is watched.
#[derive(Args)]
struct How {
    /// Show no screen, also on a terminal
    #[arg(long)]
    headless: bool,
    /// Write each event as a line of JSON on stdout; shows no screen
    #[arg(long)]
    json: bool,
}

impl Train {
    pub fn run(self, screens: &Screens) -> Result<ExitCode> {
        let (config, options) = screens.settings()?;
        let trainers = Trainers::new(screens, &config)?;
        let preset = Preset::load(&self.preset, &self.set, &cache_folder())?;
        let launched = trainers.start(preset, self.run.as_deref())?;
        self.how.watch(launched, trainers, screens, options)
    }
}

impl Resume {
    pub fn run(self, screens: &Screens) -> Result<ExitCode> {
        let (config, options) = screens.settings()?;
        let trainers = Trainers::new(screens, &config)?;
        // A screen shows all of the run; who reads lines has read the earlier ones.
        let launched =
            trainers.resume(&self.run, self.from.as_deref(), self.force, self.how.form(screens).is_none())?;
        self.how.watch(launched, trainers, screens, options)
    }
}

impl How {
    /// Whether there is a screen, and in which form things are told where there is none.
    fn form(&self, screens: &Screens) -> Option<Form> {
        match (self.json, screens.plain || is_dumb() && on_terminal()) {
            (true, _) => Some(Form::Json),
            (false, true) => Some(Form::Plain),
            (false, false) if self.headless || !on_terminal() => Some(Form::Bar),
            (false, false) => None,
        }
    }

    /// Shows a run until it ends, and says how it did.
    fn watch(
        &self,
        launched: Launched,
        trainers: Arc<Trainers>,
        screens: &Screens,
        options: ui::Options,
    ) -> Result<ExitCode> {
        let (folder, fresh) = (launched.folder.clone(), launched.fresh);
        let outcome = match self.form(screens) {
            None => ui::open(trainers, Some(launched), options),
            Some(form) => {
                let outcome = headless::run(launched.session, form);
                // What could not begin for a mistake leaves nothing behind.
                if fresh && outcome.as_ref().is_err_and(|error| error.is::<Usage>()) {
                    let _ = std::fs::remove_dir_all(folder.path());
                }
                outcome
            }
        }?;
        self.close(&outcome, folder.path());
        Ok(ended(&outcome))
    }

    fn close(&self, outcome: &Outcome, folder: &Path) {
        if let Some(finished) = &outcome.finished
            && !self.json
        {
            print(&summary(finished, folder));
        }
    }
}

/// What a run came to, in a few lines.
fn summary(finished: &Finished, folder: &Path) -> String {
    let how = match finished.reason {
        Reason::Completed => "completed",
        Reason::Stopped => "stopped",
    };
    let mut text = format!("{how} after {} steps and {:.1} s of work\n", finished.step, finished.elapsed);
    if let Some(best) = &finished.best {
        let scores: Vec<String> = best.scores.iter().map(|(name, score)| format!("{name} {score:.4}")).collect();
        text += &format!("best at step {}: {}, loss {:.4}\n", best.step, scores.join(", "), best.loss);
    }
    text += &format!("{}\n", folder.display());
    if finished.reason == Reason::Stopped {
        text += &format!("`finesift resume {}` goes on\n", folder.display());
    }
    text
}
