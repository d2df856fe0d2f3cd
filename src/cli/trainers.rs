//! The joint between the screens and the trainer: what the screens ask for is done here.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Result;

use super::Screens;
use crate::config::Config;
use crate::preset::{Preset, cache_folder};
use crate::ui::backend::{Backend, Launched, Outlook};

/// Starts trainers on one device, with their runs in one folder.
pub struct Trainers {
    runs: PathBuf,
    #[cfg(feature = "torch")]
    device: crate::train::DeviceChoice,
    cache: PathBuf,
}

impl Trainers {
    /// As the command line says.
    ///
    /// # Errors
    /// A device that is written wrong.
    pub fn new(screens: &Screens, config: &Config) -> Result<Arc<Trainers>> {
        Ok(Arc::new(Trainers {
            runs: screens.runs(config),
            #[cfg(feature = "torch")]
            device: screens.device.parse()?,
            cache: cache_folder(),
        }))
    }

    /// Starts a run; without a name it gets one of the preset's and the time.
    ///
    /// # Errors
    /// A folder that cannot be made.
    #[cfg(feature = "torch")]
    pub fn start(&self, preset: Preset, name: Option<&str>) -> Result<Launched> {
        use crate::hub::Hub;
        use crate::runs::{EventLog, RunFolder};
        use crate::session::Session;
        use crate::train::{self, Job};
        use anyhow::Context;

        let folder = RunFolder::create(&self.runs, name, &preset.name.replace('/', "-"), &preset.toml)?;
        let events = folder.events();
        let log = EventLog::open(&events).with_context(|| format!("{}: cannot write", events.display()))?;
        let (hub, cache) = (Hub::from_env(), self.cache.clone());
        let job = Job { preset, folder: folder.clone(), device: self.device, hub, cache };
        let session =
            Session::spawn(Some(log), move |port| train::run(job, port)).context("cannot start the trainer")?;
        Ok(Launched { session, folder })
    }

    /// Says that this build cannot.
    ///
    /// # Errors
    /// Always.
    #[cfg(not(feature = "torch"))]
    pub fn start(&self, _preset: Preset, _name: Option<&str>) -> Result<Launched> {
        use crate::Usage;
        anyhow::bail!(Usage("this build is without libtorch and cannot train; build it with the feature torch".into()))
    }
}

impl Backend for Trainers {
    fn launch(&self, preset: Preset) -> Result<Launched> {
        self.start(preset, None)
    }

    fn runs(&self) -> &Path {
        &self.runs
    }

    fn cache(&self) -> &Path {
        &self.cache
    }

    fn outlook(&self, _preset: &Preset) -> Result<Outlook> {
        Ok(Outlook::default())
    }
}
