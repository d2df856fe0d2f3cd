//! `finesift chat`: reads prompts from stdin and streams completions to stdout.

use std::io::{self, BufRead, IsTerminal, Write};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use anyhow::{Context, Result};
use clap::Args;

use super::args::{DeviceArg, RunsArg};
use super::{print, values, warn};
use crate::chat::{Chat, ChatModel, Weights};
use crate::hub::Hub;
use crate::model::Sampling;
use crate::preset::cache_folder;
use crate::signals::Signals;

const HELP: &str = "\
/again    regenerate the last completion
/compare  turn completions of the base model on or off
/new      start a new conversation
/help     show this help
/quit     quit (or Ctrl-D)
Ctrl-C stops a completion.
";

#[derive(Args)]
#[command(after_help = "Examples:
  finesift chat RUN
  finesift chat RUN --compare
  echo 'What is a verb?' | finesift chat HuggingFaceTB/SmolLM2-135M-Instruct --temperature 0")]
pub(super) struct ChatCommand {
    /// Name or path of a run, model folder, or hub id
    model: String,
    /// System prompt
    #[arg(long, value_name = "TEXT")]
    system: Option<String>,
    /// Sampling temperature; 0 is greedy
    #[arg(long, default_value_t = 0.7, value_parser = values::non_negative)]
    temperature: f64,
    /// Nucleus sampling: keep the most likely tokens up to this total probability
    #[arg(long, default_value_t = 0.9, value_parser = values::fraction)]
    top_p: f64,
    /// Keep this many of the most likely tokens; 0 keeps all
    #[arg(long, default_value_t = 0)]
    top_k: usize,
    /// Maximum new tokens of a completion
    #[arg(long, default_value_t = 256, value_parser = clap::value_parser!(u32).range(1..=65536))]
    tokens: u32,
    /// Random seed
    #[arg(long, default_value_t = 42)]
    seed: u64,
    /// Also print the base model's completion
    #[arg(long)]
    compare: bool,
    #[command(flatten)]
    runs: RunsArg,
    #[command(flatten)]
    device: DeviceArg,
}

/// What Ctrl-C does now: see [`Interrupts::listen`].
#[derive(Clone)]
struct Interrupts(Arc<AtomicU8>);

const WAITING: u8 = 0;
const GENERATING: u8 = 1;
const INTERRUPTED: u8 = 2;

impl ChatCommand {
    /// Chats until the input ends.
    pub(super) fn run(self) -> Result<ExitCode> {
        let device = self.device.resolve()?;
        let model = ChatModel::find(&self.model, &self.runs.folder()?, &cache_folder())?;
        let (mut chat, warnings) = Chat::open(&model, &Hub::from_env(), device.device, &|_| {})?;
        warn(&warnings);
        chat.reset(self.system.as_deref());
        let interrupts = Interrupts::listen()?;
        let prompts = io::stdin().is_terminal();
        let mut compare = self.compare;
        if prompts {
            let _ = writeln!(io::stderr(), "{}; /help lists the commands", self.model);
        }
        // A regenerated completion gets another seed, or it would be the same.
        let mut completions = 0;
        let mut lines = io::stdin().lock().lines();
        loop {
            if prompts {
                let _ = write!(io::stderr(), "> ");
            }
            let Some(line) = lines.next() else { return Ok(ExitCode::SUCCESS) };
            let line = line.context("cannot read the input")?;
            match line.trim() {
                "" => continue,
                "/quit" => return Ok(ExitCode::SUCCESS),
                "/help" => {
                    let _ = write!(io::stderr(), "{HELP}");
                    continue;
                }
                "/new" => {
                    chat.reset(self.system.as_deref());
                    continue;
                }
                "/compare" => {
                    compare = !compare;
                    continue;
                }
                "/again" if chat.undo_completion() => {}
                "/again" => continue,
                text => chat.prompt(text),
            }
            let sampling = Sampling {
                temperature: self.temperature,
                top_k: self.top_k,
                top_p: self.top_p,
                seed: self.seed.wrapping_add(completions),
            };
            completions += 1;
            let compared = compare && chat.has_base();
            if compared {
                self.complete(&mut chat, Weights::Base, "base:       ", &sampling, &interrupts)?;
            }
            let label = if compared { "fine-tuned: " } else { "" };
            let completion = self.complete(&mut chat, Weights::FineTuned, label, &sampling, &interrupts)?;
            chat.add_completion(completion);
        }
    }

    /// Generates a completion and prints it as it comes.
    fn complete(
        &self,
        chat: &mut Chat,
        weights: Weights,
        label: &str,
        sampling: &Sampling,
        interrupts: &Interrupts,
    ) -> Result<String> {
        print(label)?;
        let mut unwritten = None;
        interrupts.0.store(GENERATING, Ordering::SeqCst);
        let completion = chat.complete(weights, self.tokens as usize, sampling, &mut |text| {
            unwritten = print(&printable(text)).err();
            unwritten.is_none() && interrupts.0.load(Ordering::SeqCst) == GENERATING
        });
        interrupts.0.store(WAITING, Ordering::SeqCst);
        let completion = completion?;
        match unwritten {
            Some(error) => return Err(error.into()),
            None => print("\n")?,
        }
        Ok(completion)
    }
}

/// Replaces control characters by spaces: a model can generate any, and a terminal would execute them.
fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() && c != '\n' && c != '\t' { ' ' } else { c }).collect()
}

impl Interrupts {
    /// During a completion the first Ctrl-C stops it. Any other signal ends the program.
    fn listen() -> Result<Interrupts> {
        let state = Arc::new(AtomicU8::new(WAITING));
        let shared = state.clone();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let mut signals = runtime.block_on(async { Signals::listen() })?;
        std::thread::Builder::new().name("signals".into()).spawn(move || {
            loop {
                let signal = runtime.block_on(signals.next());
                let generating = shared.compare_exchange(GENERATING, INTERRUPTED, Ordering::SeqCst, Ordering::SeqCst);
                if signal != crate::signals::Signal::Interrupt || generating.is_err() {
                    // Exit at once, without running destructors that libtorch's threads still need.
                    signal_hook::low_level::exit(signal.exit_code());
                }
            }
        })?;
        Ok(Interrupts(state))
    }
}
