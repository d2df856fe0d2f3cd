//! `train` and `resume`: a run is begun or taken up again, and watched until it ends.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::Args;

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

/// Where a run is made, and how it is watched.
#[derive(Args)]
struct How {
    /// Folder of all runs
    #[arg(long, value_name = "DIR", env = "FINESIFT_RUNS", default_value = "runs")]
    runs: PathBuf,
    /// auto, cpu or cuda:N
    #[arg(long, default_value = "auto")]
    device: String,
    /// Show no screen, also on a terminal
    #[arg(long)]
    headless: bool,
    /// Write each event as a line of JSON on stdout; shows no screen
    #[arg(long)]
    json: bool,
    /// Draw with characters that every terminal has
    #[arg(long)]
    ascii: bool,
}

#[cfg(not(feature = "torch"))]
mod run {
    use super::*;
    use crate::Usage;
    use crate::preset::{Preset, cache_folder};

    impl Train {
        pub fn run(self) -> Result<ExitCode> {
            Preset::load(&self.preset, &self.set, &cache_folder())?;
            without_torch()
        }
    }

    impl Resume {
        pub fn run(self) -> Result<ExitCode> {
            crate::runs::find(&self.how.runs, &self.run)?;
            without_torch()
        }
    }

    fn without_torch() -> Result<ExitCode> {
        anyhow::bail!(Usage("this build is without libtorch and cannot train; build it with the feature torch".into()))
    }
}

#[cfg(feature = "torch")]
mod run {
    use std::io::{self, IsTerminal};
    use std::path::Path;
    use std::sync::Arc;

    use anyhow::{Context, bail};

    use super::*;
    use crate::hub::Hub;
    use crate::outcome::Outcome;
    use crate::preset::{Preset, cache_folder, read_file};
    use crate::protocol::{Event, Finished, Reason};
    use crate::runs::{EventLog, EventRange, RealDisk, RunFolder};
    use crate::session::Session;
    use crate::train::{self, From, Job};
    use crate::{Usage, headless, ui};

    impl Train {
        pub fn run(self) -> Result<ExitCode> {
            let preset = Preset::load(&self.preset, &self.set, &cache_folder())?;
            let device = self.how.device.parse()?;
            let name = preset.name.replace('/', "-");
            let folder = RunFolder::create(&self.how.runs, self.run.as_deref(), &name, &preset.toml)?;
            let events = folder.events();
            let log = EventLog::open(&events).with_context(|| format!("{}: cannot write", events.display()))?;
            let job = job(preset, folder.clone(), device, None);
            let session =
                Session::spawn(Some(log), move |port| train::run(job, port)).context("cannot start the trainer")?;
            let outcome = self.how.watch(session);
            if let Err(error) = &outcome
                && error.is::<Usage>()
            {
                // What could not begin for a mistake leaves nothing behind.
                let _ = std::fs::remove_dir_all(folder.path());
            }
            Ok(self.how.close(outcome?, folder.path()))
        }
    }

    impl Resume {
        pub fn run(self) -> Result<ExitCode> {
            let device = self.how.device.parse()?;
            let from: From = self.from.as_deref().map_or(Ok(From::Newest), str::parse)?;
            let folder = RunFolder::open(&self.how.runs, &self.run)?;
            if folder.completed() {
                bail!(Usage(format!(
                    "{}: this run took all its steps; there is nothing to resume",
                    folder.path().display()
                )));
            }
            let preset = folder.preset();
            let text = read_file(&preset)?;
            let preset =
                Preset::parse(&preset_name(&folder), &preset.display().to_string(), &text, &[], &cache_folder())?;
            let job = job(preset, folder.clone(), device, Some(train::Resume { from, force: self.force }));
            let session =
                Session::spawn(None, move |port| train::run(job, port)).context("cannot start the trainer")?;
            // A screen shows all of the run; who reads lines has read the earlier ones.
            let session = if self.how.watched() { session.with_history() } else { session };
            let outcome = self.how.watch(session)?;
            Ok(self.how.close(outcome, folder.path()))
        }
    }

    impl How {
        fn watched(&self) -> bool {
            !self.headless && !self.json && io::stdout().is_terminal() && io::stdin().is_terminal()
        }

        fn watch(&self, session: Session) -> Result<Outcome> {
            if self.watched() { ui::monitor(session, self.ascii) } else { headless::run(session, self.json) }
        }

        /// Says how it ended.
        fn close(&self, Outcome { finished, signal }: Outcome, folder: &Path) -> ExitCode {
            if let Some(finished) = &finished
                && !self.json
            {
                super::super::print(&summary(finished, folder));
            }
            signal.map_or(ExitCode::SUCCESS, |signal| ExitCode::from(signal.exit_code() as u8))
        }
    }

    fn job(preset: Preset, folder: RunFolder, device: train::DeviceChoice, resume: Option<train::Resume>) -> Job {
        let disk = Arc::new(RealDisk);
        Job { preset, folder, device, hub: Hub::from_env(), cache: cache_folder(), disk, resume }
    }

    /// As it was called when the run began.
    fn preset_name(folder: &RunFolder) -> String {
        let events = EventRange::open(&folder.events(), 0..u64::MAX).into_iter().flatten();
        let started = events.into_iter().find_map(|event| match event {
            Event::Started(started) => Some(started.preset),
            _ => None,
        });
        started.unwrap_or_else(|| folder.name().to_owned())
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
}
