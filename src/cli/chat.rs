//! `finesift chat`: lines in, answers out, a word at a time.

use std::io::{self, BufRead, IsTerminal, Write};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use anyhow::{Context, Result};
use clap::Args;

use super::{Screens, config, warn};
use crate::chat::{Chat, Partner, Voice};
use crate::device::DeviceChoice;
use crate::hub::Hub;
use crate::model::Sampling;
use crate::preset::cache_folder;
use crate::signals::Signals;

const HELP: &str = "\
/again    another answer to the last question
/compare  whether the model answers too as it was before the run
/new      forget what was said
/help     this
/quit     leave; so does the end of the input
Ctrl-C ends an answer.
";

/// What `finesift chat` is given.
#[derive(Args)]
pub(super) struct Talk {
    /// A run, by name or folder; or a model, by folder or hub id
    partner: String,
    /// What the model is told at the beginning
    #[arg(long, value_name = "TEXT")]
    system: Option<String>,
    /// 0 takes the likeliest word each time
    #[arg(long, default_value_t = 0.7, value_parser = temperature)]
    temperature: f64,
    /// Draw from the likeliest words that together have this probability
    #[arg(long, default_value_t = 0.9, value_parser = share)]
    top_p: f64,
    /// Draw from so many of the likeliest words; 0 for any
    #[arg(long, default_value_t = 0)]
    top_k: usize,
    /// Tokens of an answer at most
    #[arg(long, default_value_t = 256, value_parser = clap::value_parser!(u32).range(1..=65536))]
    tokens: u32,
    /// Decides what is drawn
    #[arg(long, default_value_t = 42)]
    seed: u64,
    /// Answer too as the model was before the run
    #[arg(long)]
    compare: bool,
}

/// What an interrupt means now.
#[derive(Clone)]
struct Interrupts(Arc<AtomicU8>);

const WAITING: u8 = 0;
const ANSWERING: u8 = 1;
const INTERRUPTED: u8 = 2;

impl Talk {
    /// Talks until the input ends.
    pub fn run(self, screens: &Screens) -> Result<ExitCode> {
        let device = screens.device.parse::<DeviceChoice>()?.resolve()?;
        let partner = Partner::find(&self.partner, &screens.runs(&config()?), &cache_folder())?;
        let (mut chat, warnings) = Chat::open(&partner, &Hub::from_env(), device.device, &|_| {})?;
        warn(&warnings);
        chat.begin(self.system.as_deref());
        let interrupts = Interrupts::listen()?;
        let prompts = io::stdin().is_terminal();
        let mut compare = self.compare;
        if prompts {
            let _ = writeln!(io::stderr(), "{}; /help tells what there is besides asking", self.partner);
        }
        // Another answer to the same question should be another.
        let mut answers = 0;
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
                    chat.begin(self.system.as_deref());
                    continue;
                }
                "/compare" => {
                    compare = !compare;
                    continue;
                }
                "/again" if chat.take_back() => {}
                "/again" => continue,
                text => chat.ask(text),
            }
            let sampling = Sampling {
                temperature: self.temperature,
                top_k: self.top_k,
                top_p: self.top_p,
                seed: self.seed.wrapping_add(answers),
            };
            answers += 1;
            if compare && chat.has_base() {
                self.speak(&mut chat, Voice::Base, "before: ", &sampling, &interrupts)?;
                let answer = self.speak(&mut chat, Voice::Tuned, "after:  ", &sampling, &interrupts)?;
                chat.note(answer);
            } else {
                let answer = self.speak(&mut chat, Voice::Tuned, "", &sampling, &interrupts)?;
                chat.note(answer);
            }
        }
    }

    fn speak(
        &self,
        chat: &mut Chat,
        voice: Voice,
        label: &str,
        sampling: &Sampling,
        interrupts: &Interrupts,
    ) -> Result<String> {
        let mut out = io::stdout();
        let _ = write!(out, "{label}");
        interrupts.0.store(ANSWERING, Ordering::SeqCst);
        let answer = chat.answer(voice, self.tokens as usize, sampling, &mut |text| {
            // A reader that went away has heard enough.
            let told = out.write_all(shown(text).as_bytes()).and_then(|()| out.flush());
            told.is_ok() && interrupts.0.load(Ordering::SeqCst) == ANSWERING
        });
        interrupts.0.store(WAITING, Ordering::SeqCst);
        let _ = writeln!(io::stdout());
        answer
    }
}

/// A model can write anything, and a terminal obeys some of it: control characters become spaces.
fn shown(text: &str) -> String {
    text.chars().map(|c| if c.is_control() && c != '\n' && c != '\t' { ' ' } else { c }).collect()
}

impl Interrupts {
    /// While an answer is being given a first interrupt ends it; otherwise a signal ends the program.
    fn listen() -> Result<Interrupts> {
        let state = Arc::new(AtomicU8::new(WAITING));
        let told = state.clone();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let mut signals = runtime.block_on(async { Signals::listen() })?;
        std::thread::Builder::new().name("signals".into()).spawn(move || {
            loop {
                let signal = runtime.block_on(signals.next());
                let answering = told.compare_exchange(ANSWERING, INTERRUPTED, Ordering::SeqCst, Ordering::SeqCst);
                if signal != crate::signals::Signal::Interrupt || answering.is_err() {
                    // At once: libtorch computes on another thread, and must not find its own statics gone.
                    signal_hook::low_level::exit(signal.exit_code());
                }
            }
        })?;
        Ok(Interrupts(state))
    }
}

fn temperature(text: &str) -> Result<f64, String> {
    text.parse().ok().filter(|t: &f64| t.is_finite() && *t >= 0.0).ok_or_else(|| "expected a number from 0 on".into())
}

fn share(text: &str) -> Result<f64, String> {
    let share = text.parse().ok().filter(|share: &f64| *share > 0.0 && *share <= 1.0);
    share.ok_or_else(|| "expected a share above 0 and at most 1".into())
}
