//! A preset opened for an analysis: its network, and the batches of its training data.

use anyhow::Result;

use super::link::Reporter;
use crate::device::DeviceChoice;
use crate::hub::Hub;
use crate::inputs::{self, Access, CompletePreset, Downloads, sift_rules};
use crate::model::{Head, LoadOptions, ModelConfig, Network};
use crate::preset::{Preset, cache_folder};
use crate::protocol::Event;
use crate::sift::Rules;
use crate::train::Loader;

/// A preset whose model is loaded.
pub struct OpenedForAnalysis {
    pub network: Network,
    /// Of SIFT, whatever method the preset trains with.
    pub rules: Rules,
    pub loader: Loader,
    /// The name of the data: a task's id or a file's name.
    pub data: String,
    config: ModelConfig,
    options: LoadOptions,
}

impl OpenedForAnalysis {
    /// Opens what the preset names, as training does, and loads the weights.
    ///
    /// # Errors
    /// [`Usage`](crate::Usage): a mistake in the preset, or files that do not fit it. Others: the network or the disk.
    pub fn open(preset: &Preset, device: DeviceChoice, reporter: &Reporter) -> Result<OpenedForAnalysis> {
        let device = device.enter()?.device;
        let hub = Hub::from_env();
        let access = Access { hub: &hub, cache: &cache_folder(), downloads: Downloads::Allowed };
        let report = |event| {
            if let Event::Progress(progress) = event {
                reporter.progress(progress);
            }
        };
        let CompletePreset { model, data, examples } = inputs::open(preset, &access, &report)?.complete()?;
        reporter.check()?;
        let options = LoadOptions {
            head: Head { outputs: data.labels, rows: data.head },
            dtype: preset.model.dtype.into(),
            device,
            offload: None,
            seed: preset.train.seed,
        };
        let (network, _) = Network::open(&model.folder, &options, &|progress| reporter.progress(progress))?;
        reporter.check()?;
        let loader = Loader::new(examples.train, &preset.train, model.config.pad_token_id(), data.steps);
        Ok(OpenedForAnalysis {
            network,
            rules: sift_rules(preset),
            loader,
            data: data.name,
            config: model.config,
            options,
        })
    }

    /// A network of the same shape with newly initialised weights, as transformers initialises one: normal with the config's
    /// `initializer_range`, biases 0, norms 1.
    ///
    /// # Errors
    /// Those of [`Network::random`].
    pub fn random_twin(&self) -> Result<Network> {
        Network::random(self.config.clone(), &self.options)
    }
}
