//! `finesift chat`: the chat screen on a terminal, else prompts from stdin and completions to stdout, line by line.

use std::io::{self, BufRead, IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use anyhow::{Context, Result};
use clap::Args;

use super::args::{WorkbenchArgs, config};
use super::backend::LocalBackend;
use super::watch::detached_note;
use super::{is_dumb, on_terminal, print, report, values, warn};
use crate::chat::{ChatModel, LoadedChatModel, Settings, Weights};
use crate::data::instruct::Message;
use crate::hub::Hub;
use crate::preset::cache_folder;
use crate::signals::Signals;
use crate::ui::{self, ChatStart};

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
    workbench: WorkbenchArgs,
}

/// What Ctrl-C does now: see [`Interrupts::listen`].
#[derive(Clone)]
struct Interrupts(Arc<AtomicU8>);

const WAITING: u8 = 0;
const GENERATING: u8 = 1;
const INTERRUPTED: u8 = 2;

impl ChatCommand {
    /// Chats until the input ends, or on a terminal until the screen is left.
    pub(super) fn run(self) -> Result<ExitCode> {
        let config = config()?;
        let runs = self.workbench.runs.folder_with(&config);
        let model = ChatModel::find(&self.model, &runs, &cache_folder())?;
        if on_terminal() && !is_dumb() { self.open_screen(runs) } else { self.read_lines(&model) }
    }

    fn open_screen(self, runs: PathBuf) -> Result<ExitCode> {
        let (_, options) = self.workbench.screen.settings()?;
        let backend = LocalBackend::new(runs, &self.workbench.device)?;
        let settings = self.settings(self.seed);
        let start = ChatStart { model: self.model.into(), system: self.system, settings, base: self.compare };
        let outcome = ui::open_chat(backend, start, options)?;
        report(&outcome, &detached_note(&outcome))
    }

    fn read_lines(&self, model: &ChatModel) -> Result<ExitCode> {
        let device = self.workbench.device.enter()?;
        let mut loaded = model.load(None, &Hub::from_env(), device.device, &|_| {})?;
        warn(&loaded.warnings);
        let start: Vec<Message> = self.system.iter().map(|system| Message::plain("system", system.clone())).collect();
        let mut messages = start.clone();
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
                    messages.clone_from(&start);
                    continue;
                }
                "/compare" => {
                    compare = !compare;
                    continue;
                }
                "/again" if messages.pop_if(|last| last.role == "assistant").is_some() => {}
                "/again" => continue,
                text => messages.push(Message::plain("user", text.to_owned())),
            }
            let settings = self.settings(self.seed.wrapping_add(completions));
            completions += 1;
            let compared = compare && loaded.delta.is_some();
            if compared {
                self.complete(&mut loaded, &messages, Weights::Base, "base:       ", &settings, &interrupts)?;
            }
            let label = if compared { "fine-tuned: " } else { "" };
            let completion =
                self.complete(&mut loaded, &messages, Weights::FineTuned, label, &settings, &interrupts)?;
            messages.push(Message::plain("assistant", completion));
        }
    }

    fn settings(&self, seed: u64) -> Settings {
        Settings {
            temperature: self.temperature,
            top_k: self.top_k,
            top_p: self.top_p,
            max_new_tokens: self.tokens as usize,
            seed,
        }
    }

    /// Generates a completion and prints it as it comes.
    fn complete(
        &self,
        loaded: &mut LoadedChatModel,
        messages: &[Message],
        weights: Weights,
        label: &str,
        settings: &Settings,
        interrupts: &Interrupts,
    ) -> Result<String> {
        print(label)?;
        let mut unwritten = None;
        let prompt = loaded.encode(messages, settings.max_new_tokens)?;
        interrupts.0.store(GENERATING, Ordering::SeqCst);
        let completion = loaded.complete(&prompt.ids, weights, settings, &mut |text, _| {
            unwritten = print(&printable(text)).err();
            unwritten.is_none() && interrupts.0.load(Ordering::SeqCst) == GENERATING
        });
        interrupts.0.store(WAITING, Ordering::SeqCst);
        let completion = completion?.text;
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
