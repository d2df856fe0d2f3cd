//! A conversation with a language model, completed token by token. It knows no terminal.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use tch::Device;

use crate::Usage;
use crate::data::instruct::{InstructionFormat, Message, PromptEncoder};
use crate::delta::WeightDelta;
use crate::hub::Hub;
use crate::model::{Fingerprint, Generator, Head, LoadOptions, ModelConfig, Network, Sampling};
use crate::preset::{DataSource, Dtype, Preset, read_file};
use crate::protocol::Progress;
use crate::runs::{self, checkpoint};

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
    /// Damaged checkpoints that were skipped.
    pub warnings: Vec<String>,
}

/// A conversation and its model.
pub struct Chat {
    network: Network,
    encoder: PromptEncoder,
    /// The base values; while the base model generates, the fine-tuned ones.
    delta: Option<WeightDelta>,
    messages: Vec<Message>,
    max_length: usize,
}

/// Which weights generate a completion.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weights {
    /// The run's checkpoint, or the model as loaded where there is no run.
    FineTuned,
    /// The pre-trained weights.
    Base,
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
        let preset = Preset::parse(name, &path.display().to_string(), &text, &[], cache)?;
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
        let folder = hub.model(&self.model, progress)?;
        let ModelConfig::Decoder(config) = ModelConfig::read(&folder)? else {
            bail!(Usage(format!("{}: an encoder generates no text; chat needs a language model", self.model)));
        };
        let max_length = config.max_tokens() as usize;
        let encoder = match format.or(self.format) {
            Some(format) => PromptEncoder::open(&folder, format, max_length)?,
            None => PromptEncoder::open(&folder, InstructionFormat::Messages, max_length)
                .or_else(|_| PromptEncoder::open(&folder, InstructionFormat::Alpaca, max_length))?,
        };
        encoder.check_vocab_size(config.vocab_size)?;
        let options = LoadOptions { head: Head::as_stored(0), dtype: self.dtype.into(), device, seed: 0 };
        let (network, _) = Network::open(&folder, &options, progress)?;
        let mut loaded = LoadedChatModel { network, encoder, delta: None, warnings: Vec::new() };
        if let Some(run) = &self.run {
            let mut found = WeightDelta::of_run(run, &loaded.network, &Fingerprint::of(&folder)?.weights)?;
            found.delta.exchange(&loaded.network);
            let skipped = |damage| format!("skipped a damaged checkpoint, using step {}: {damage}", found.step);
            loaded.warnings = found.damage.into_iter().map(skipped).collect();
            loaded.delta = Some(found.delta);
        }
        Ok(loaded)
    }
}

impl Chat {
    /// Loads a model for an empty conversation. Returns warnings beside it.
    ///
    /// # Errors
    /// As [`ChatModel::load`].
    pub fn open(
        model: &ChatModel,
        hub: &Hub,
        device: Device,
        progress: &dyn Fn(Progress),
    ) -> Result<(Chat, Vec<String>)> {
        let LoadedChatModel { network, encoder, delta, warnings } = model.load(None, hub, device, progress)?;
        let max_length = network.config.max_tokens() as usize;
        Ok((Chat { network, encoder, delta, messages: Vec::new(), max_length }, warnings))
    }

    /// Whether there is a base model to compare with.
    pub fn has_base(&self) -> bool {
        self.delta.is_some()
    }

    /// Starts a new conversation with a system prompt, if any.
    pub fn reset(&mut self, system: Option<&str>) {
        self.messages = system.map(|text| Message::plain("system", text.to_owned())).into_iter().collect();
    }

    /// Adds a message of the user.
    pub fn prompt(&mut self, text: &str) {
        self.messages.push(Message::plain("user", text.to_owned()));
    }

    /// Removes the last completion, to generate another. `false` if there is none.
    pub fn undo_completion(&mut self) -> bool {
        let completed = self.messages.last().is_some_and(|message| message.role == "assistant");
        if completed {
            self.messages.pop();
        }
        completed
    }

    /// Generates a completion of at most `max_new_tokens` tokens without adding it to the conversation. `on_text` receives each
    /// piece of text and returns whether to continue.
    ///
    /// # Errors
    /// [`Usage`]: a prompt too long for the model, or one that the chat template rejects.
    pub fn complete(
        &mut self,
        weights: Weights,
        max_new_tokens: usize,
        sampling: &Sampling,
        on_text: &mut dyn FnMut(&str) -> bool,
    ) -> Result<String> {
        let prompt = self.encode(max_new_tokens)?;
        let Chat { network, encoder, delta, .. } = self;
        let mut exchange = || {
            if let (Weights::Base, Some(delta)) = (weights, delta.as_mut()) {
                delta.exchange(network);
            }
        };
        exchange();
        let completion = generate(network, encoder, &prompt, max_new_tokens, sampling, on_text);
        exchange();
        completion
    }

    /// Adds a completion to the conversation.
    pub fn add_completion(&mut self, completion: String) {
        self.messages.push(Message::plain("assistant", completion));
    }

    /// The conversation as token ids. Drops the oldest turns that leave no room for the completion.
    fn encode(&mut self, max_new_tokens: usize) -> Result<Vec<i64>> {
        loop {
            let prompt = self.encoder.prompt_ids(&self.messages)?;
            if prompt.len() + max_new_tokens <= self.max_length {
                return Ok(prompt);
            }
            let first = self.messages.iter().position(|message| message.role != "system").unwrap_or(0);
            if self.messages.len() < first + 3 {
                bail!(Usage(format!(
                    "the prompt has {} tokens, which with {max_new_tokens} new tokens exceeds the model's {} positions",
                    prompt.len(),
                    self.max_length
                )));
            }
            self.messages.drain(first..first + 2);
        }
    }
}

fn generate(
    network: &Network,
    encoder: &PromptEncoder,
    prompt: &[i64],
    max_new_tokens: usize,
    sampling: &Sampling,
    on_text: &mut dyn FnMut(&str) -> bool,
) -> Result<String> {
    let Some(decoder) = network.decoder() else { return Ok(String::new()) };
    let (mut ids, mut shown) = (Vec::new(), 0);
    for token in Generator::new(decoder, prompt, max_new_tokens, encoder.stop_ids(), sampling) {
        ids.push(token);
        let text = encoder.decode(&ids)?;
        // A character can span several tokens.
        if text.ends_with('\u{fffd}') {
            continue;
        }
        let proceed = text.get(shown..).is_none_or(&mut *on_text);
        shown = text.len();
        if !proceed {
            break;
        }
    }
    encoder.decode(&ids)
}
