//! A conversation with a language model: what was said, and the answers, token by token. It knows no terminal.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use tch::Device;

use crate::Usage;
use crate::data::instruct::{InstructionFormat, Message, PromptEncoder};
use crate::hub::Hub;
use crate::model::{Fingerprint, Generator, LoadOptions, ModelConfig, Network, Sampling};
use crate::preset::{DataSource, Dtype, Preset, read_file};
use crate::protocol::Progress;
use crate::runs::{self, checkpoint};
use crate::train::WeightDelta;

/// What to talk to.
pub struct Partner {
    /// Hub id or folder of the model.
    pub model: String,
    /// Folder of a run that has changed it.
    pub run: Option<PathBuf>,
    /// How it was taught; `None` for conversations where the model has a chat template, else instructions.
    pub format: Option<InstructionFormat>,
    /// Type of the weights.
    pub dtype: Dtype,
}

/// A partner in memory.
pub struct LoadedPartner {
    /// Its weights are the tuned ones, where there is a run.
    pub network: Network,
    /// Makes tokens of text.
    pub phrasing: PromptEncoder,
    /// The values that the run's checkpoint replaced: of the best evaluation, or else the newest good one.
    pub increment: Option<WeightDelta>,
    /// Which checkpoints are damaged and were passed over.
    pub warnings: Vec<String>,
}

/// A conversation under way.
pub struct Chat {
    network: Network,
    phrasing: PromptEncoder,
    /// The checkpoint's values while the base model answers, its values while the tuned one does.
    increment: Option<WeightDelta>,
    messages: Vec<Message>,
    longest: usize,
}

/// Which of the two answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Voice {
    /// The model as it is loaded, with the checkpoint where there is one.
    Tuned,
    /// The model as it was pre-trained.
    Base,
}

impl Partner {
    /// A run's folder, a run of that name, a model's folder or a hub id.
    ///
    /// # Errors
    /// [`Usage`]: a run without a checkpoint, or one whose model does not write.
    pub fn find(name: &str, runs: &Path, cache: &Path) -> Result<Partner> {
        let Ok(run) = runs::find(runs, name) else {
            return Ok(Partner { model: name.to_owned(), run: None, format: None, dtype: Dtype::F32 });
        };
        let path = run.join("preset.toml");
        let text = read_file(&path)?;
        let preset = Preset::parse(name, &path.display().to_string(), &text, &[], cache)?;
        let DataSource::Instructions(data) = &preset.data.source else {
            bail!(Usage(format!("{}: the run is of a classifier, which does not write", run.display())));
        };
        // Before a model is loaded for it.
        if checkpoint::list(&run.join("checkpoints"))?.is_empty() {
            bail!(Usage(format!("{}: the run has no checkpoint", run.display())));
        }
        Ok(Partner {
            model: preset.model.id.clone(),
            format: Some(data.format),
            dtype: preset.model.dtype,
            run: Some(run),
        })
    }

    /// Loads it, with what the run has made of it in place. `format` says how it is asked: as it was taught where there is none.
    ///
    /// # Errors
    /// [`Usage`]: a model that is not there, does not write, or is not the one of the run; a run
    /// without a good checkpoint.
    pub fn load(
        &self,
        format: Option<InstructionFormat>,
        hub: &Hub,
        device: Device,
        progress: &dyn Fn(Progress),
    ) -> Result<LoadedPartner> {
        let folder = hub.model(&self.model, progress)?;
        let ModelConfig::Decoder(config) = ModelConfig::read(&folder)? else {
            bail!(Usage(format!("{}: an encoder does not write", self.model)));
        };
        let longest = config.max_tokens() as usize;
        let phrasing = match format.or(self.format) {
            Some(format) => PromptEncoder::open(&folder, format, longest)?,
            None => PromptEncoder::open(&folder, InstructionFormat::Messages, longest)
                .or_else(|_| PromptEncoder::open(&folder, InstructionFormat::Alpaca, longest))?,
        };
        phrasing.fits(config.vocab_size)?;
        let options = LoadOptions { labels: 0, dtype: self.dtype.into(), device, seed: 0 };
        let (network, _) = Network::open(&folder, &options, progress)?;
        let mut loaded = LoadedPartner { network, phrasing, increment: None, warnings: Vec::new() };
        if let Some(run) = &self.run {
            let mut found = WeightDelta::of_run(run, &loaded.network, &Fingerprint::of(&folder)?.weights)?;
            found.increment.exchange(&loaded.network);
            let passed_over = |damage| format!("damaged and passed over for step {}: {damage}", found.step);
            loaded.warnings = found.damage.into_iter().map(passed_over).collect();
            loaded.increment = Some(found.increment);
        }
        Ok(loaded)
    }
}

impl Chat {
    /// Begins a conversation, with what there is to warn of.
    ///
    /// # Errors
    /// As [`Partner::load`].
    pub fn open(
        partner: &Partner,
        hub: &Hub,
        device: Device,
        progress: &dyn Fn(Progress),
    ) -> Result<(Chat, Vec<String>)> {
        let LoadedPartner { network, phrasing, increment, warnings } = partner.load(None, hub, device, progress)?;
        let longest = network.config.max_tokens() as usize;
        Ok((Chat { network, phrasing, increment, messages: Vec::new(), longest }, warnings))
    }

    /// Whether there is a base model to compare with.
    pub fn has_base(&self) -> bool {
        self.increment.is_some()
    }

    /// Forgets what was said, and begins with what the system says, if anything.
    pub fn begin(&mut self, system: Option<&str>) {
        self.messages = system.map(|text| Message::plain("system", text.to_owned())).into_iter().collect();
    }

    /// The user says something.
    pub fn ask(&mut self, text: &str) {
        self.messages.push(Message::plain("user", text.to_owned()));
    }

    /// Takes back the last answer, so that there can be another. `false` if there is none.
    pub fn take_back(&mut self) -> bool {
        let answered = self.messages.last().is_some_and(|message| message.role == "assistant");
        if answered {
            self.messages.pop();
        }
        answered
    }

    /// Answers what was said last, without taking note of it. `tell` is given each piece of text as it is complete, and
    /// says whether to go on.
    ///
    /// # Errors
    /// [`Usage`]: the message is too long for the model, or its chat template refuses the conversation.
    pub fn answer(
        &mut self,
        voice: Voice,
        most: usize,
        sampling: &Sampling,
        tell: &mut dyn FnMut(&str) -> bool,
    ) -> Result<String> {
        let question = self.question(most)?;
        let Chat { network, phrasing, increment, .. } = self;
        let mut exchange = || {
            if let (Voice::Base, Some(increment)) = (voice, increment.as_mut()) {
                increment.exchange(network);
            }
        };
        exchange();
        let answer = write(network, phrasing, &question, most, sampling, tell);
        exchange();
        answer
    }

    /// Takes note of an answer, so that the conversation goes on from it.
    pub fn note(&mut self, answer: String) {
        self.messages.push(Message::plain("assistant", answer));
    }

    /// The conversation as tokens; its oldest turns are forgotten where there is no room for them and an answer.
    fn question(&mut self, most: usize) -> Result<Vec<i64>> {
        loop {
            let question = self.phrasing.question(&self.messages)?;
            if question.len() + most <= self.longest {
                return Ok(question);
            }
            let first = self.messages.iter().position(|message| message.role != "system").unwrap_or(0);
            if self.messages.len() < first + 3 {
                bail!(Usage(format!(
                    "{} tokens and an answer of {most} are more than the {} the model has places for",
                    question.len(),
                    self.longest
                )));
            }
            self.messages.drain(first..first + 2);
        }
    }
}

fn write(
    network: &Network,
    phrasing: &PromptEncoder,
    question: &[i64],
    most: usize,
    sampling: &Sampling,
    tell: &mut dyn FnMut(&str) -> bool,
) -> Result<String> {
    let Some(decoder) = network.decoder() else { return Ok(String::new()) };
    let (mut ids, mut told) = (Vec::new(), 0);
    for token in Generator::new(decoder, question, most, phrasing.stop(), sampling) {
        ids.push(token);
        let text = phrasing.text(&ids)?;
        // A character may be spread over several tokens.
        if text.ends_with('\u{fffd}') {
            continue;
        }
        let go_on = text.get(told..).is_none_or(&mut *tell);
        told = text.len();
        if !go_on {
            break;
        }
    }
    phrasing.text(&ids)
}
