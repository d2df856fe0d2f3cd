//! A language model to chat with: a run or a model, found and loaded.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use tch::{Device, Kind};

use super::request::Loaded;
use crate::Usage;
use crate::data::instruct::{InstructionFormat, PromptEncoder};
use crate::delta::WeightDelta;
use crate::hub::Hub;
use crate::model::{DecoderConfig, Fingerprint, Head, Layout, LoadOptions, ModelConfig, Network};
use crate::preset::{DataSource, Dtype, Preset, read_file};
use crate::protocol::Progress;
use crate::runs::{self, Lister, RunState, checkpoint};

/// A language model to chat with, found but not loaded.
pub struct ChatModel {
    /// Hub id or folder of the base model.
    model: String,
    /// Folder of the run that fine-tuned it.
    pub run: Option<PathBuf>,
    /// The run's data format. Without a run: the chat template if the model has one, else Alpaca's prompt.
    format: Option<InstructionFormat>,
    dtype: Dtype,
}

/// A language model in memory.
pub struct LoadedChatModel {
    /// With the run's weights in place, if there is a run.
    pub network: Network,
    pub encoder: PromptEncoder,
    /// The base values that the run's checkpoint replaced (the best checkpoint, else the latest undamaged one).
    pub delta: Option<WeightDelta>,
    /// Optimizer steps of that checkpoint.
    pub step: Option<u64>,
    /// Damaged checkpoints that were skipped.
    pub warnings: Vec<String>,
}

/// The memory that a model takes, in bytes.
pub struct ChatMemory {
    pub weights: u64,
    /// Keys and values of as many tokens as the model has positions: more than most conversations need.
    pub kv_cache: u64,
}

impl ChatModel {
    /// Finds a run (by folder or name), a model folder or a hub id.
    ///
    /// # Errors
    /// [`Usage`]: a run without a checkpoint, or of a classifier.
    pub fn find(name: &str, runs: &Path, cache: &Path) -> Result<ChatModel> {
        let Ok(run) = runs::find(runs, name) else {
            return Ok(ChatModel { model: name.to_owned(), run: None, format: None, dtype: Dtype::F32 });
        };
        let path = run.join("preset.toml");
        let text = read_file(&path)?;
        let preset = Preset::parse_stored(name, &path.display().to_string(), &text, &[], cache)?;
        let DataSource::Instructions(data) = &preset.data.source else {
            bail!(Usage(format!(
                "{}: a run of a classifier, which generates no text; use `finesift predict`",
                run.display()
            )));
        };
        // Checked before the model is loaded.
        if checkpoint::list(&run.join("checkpoints"))?.is_empty() {
            bail!(Usage(format!("{}: the run has no checkpoint", run.display())));
        }
        Ok(ChatModel {
            model: preset.model.id.clone(),
            format: Some(data.format),
            dtype: preset.model.dtype,
            run: Some(run),
        })
    }

    /// Loads the model and puts the run's weights in place. `format` is the prompt format, by default the run's.
    ///
    /// # Errors
    /// [`Usage`]: no such model, an encoder, a base model other than the run's, or a run without an undamaged checkpoint.
    pub fn load(
        &self,
        format: Option<InstructionFormat>,
        hub: &Hub,
        device: Device,
        progress: &dyn Fn(Progress),
    ) -> Result<LoadedChatModel> {
        let (folder, config) = self.open(hub, progress)?;
        let max_length = config.max_tokens() as usize;
        let encoder = match format.or(self.format) {
            Some(format) => PromptEncoder::open(&folder, format, max_length)?,
            None => PromptEncoder::open(&folder, InstructionFormat::Messages, max_length)
                .or_else(|_| PromptEncoder::open(&folder, InstructionFormat::Alpaca, max_length))?,
        };
        encoder.check_vocab_size(config.vocab_size)?;
        let options =
            LoadOptions { head: Head::as_stored(0), dtype: self.dtype.into(), device, offload: None, seed: 0 };
        let (network, _) = Network::open(&folder, &options, progress)?;
        let mut loaded = LoadedChatModel { network, encoder, delta: None, step: None, warnings: Vec::new() };
        if let Some(run) = &self.run {
            let mut found = WeightDelta::of_run(run, &mut loaded.network, &Fingerprint::of(&folder)?.weights)?;
            found.delta.exchange(&loaded.network);
            let skipped = |damage| format!("skipped a damaged checkpoint, using step {}: {damage}", found.step);
            loaded.warnings = found.damage.into_iter().map(skipped).collect();
            (loaded.delta, loaded.step) = (Some(found.delta), Some(found.step));
        }
        Ok(loaded)
    }

    /// The memory that loading takes. It may download the model.
    ///
    /// # Errors
    /// [`Usage`]: no such model, or an encoder.
    pub fn memory(&self, hub: &Hub, progress: &dyn Fn(Progress)) -> Result<ChatMemory> {
        let (_, config) = self.open(hub, progress)?;
        let element = Kind::from(self.dtype).elt_size_in_bytes() as i64;
        let kv_cache =
            2 * config.num_hidden_layers * config.num_key_value_heads * config.head_dim * config.max_tokens();
        let weights = Layout::of(&ModelConfig::Decoder(config), 0).components();
        let bytes = |elements: i64| u64::try_from(elements.saturating_mul(element)).unwrap_or(0);
        Ok(ChatMemory { weights: bytes(weights), kv_cache: bytes(kv_cache) })
    }

    /// What a front end shows of the loaded model.
    pub fn describe(&self, loaded: &LoadedChatModel) -> Loaded {
        let mut warnings = loaded.warnings.clone();
        if let (Some(run), Some(step)) = (&self.run, loaded.step)
            && Lister::state_of(run) == RunState::Running
        {
            warnings.push(format!("the run is still training; this is its checkpoint of step {step}"));
        }
        Loaded {
            model: self.model.clone(),
            run: self.run.clone(),
            step: loaded.step,
            max_length: loaded.max_length(),
            conversations: loaded.encoder.renders_conversations(),
            warnings,
        }
    }

    /// The folder and config of the base model.
    fn open(&self, hub: &Hub, progress: &dyn Fn(Progress)) -> Result<(PathBuf, DecoderConfig)> {
        let folder = hub.model(&self.model, progress)?;
        match ModelConfig::read(&folder)? {
            ModelConfig::Decoder(config) => Ok((folder, config)),
            ModelConfig::Encoder(_) => {
                bail!(Usage(format!("{}: an encoder generates no text; chat needs a language model", self.model)))
            }
        }
    }
}

impl LoadedChatModel {
    /// Tokens of prompt and completion at most.
    pub fn max_length(&self) -> usize {
        self.network.config.max_tokens() as usize
    }
}
