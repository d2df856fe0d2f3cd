//! `finesift bench`: what steps take, in time and memory, method beside method.

use std::fmt::Write as _;
use std::io::{self, IsTerminal};
use std::path::PathBuf;
use std::process::{Command, ExitCode};

use anyhow::{Context, Result, bail};
use clap::{Args, ValueEnum};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use tch::Kind;

use super::{Screens, print};
use crate::Usage;
use crate::bench::{Director, Method, Model, Report, Spec, Stopped, Subject, Texts, Worker};
use crate::data::instruct::InstructionFormat;
use crate::device::DeviceChoice;
use crate::signals::{Signal, Signals};
use crate::ui::format::{bytes, grouped};

/// Steps that are not timed: what is allocated and tuned in the first is there in those that follow.
const WARM_UP: usize = 2;

/// What `finesift bench` is given.
#[derive(Args)]
pub(super) struct Bench {
    /// Random weights in the shape that this config.json describes
    #[arg(long, value_name = "FILE", required_unless_present = "model", conflicts_with = "model")]
    config: Option<PathBuf>,
    /// Blocks, where not as many as the config says
    #[arg(long, value_name = "N", requires = "config", value_parser = clap::value_parser!(u32).range(1..=4096))]
    layers: Option<u32>,
    /// Weights of a folder or of the hub
    #[arg(long, value_name = "FOLDER|ID")]
    model: Option<String>,
    /// A file of texts instead of random tokens; for an encoder with the columns text and label
    #[arg(long, value_name = "FILE", requires = "model")]
    data: Option<PathBuf>,
    /// How the texts are written down for a decoder: alpaca, sharegpt, messages, prompt_completion or text
    #[arg(long, default_value = "text", value_parser = super::eval_tasks::format)]
    format: InstructionFormat,
    /// Batches of a safetensors file instead: PREFIX.input_ids, .attention_mask, .token_type_ids, .labels
    #[arg(long, value_name = "FILE", conflicts_with = "data")]
    batches: Option<PathBuf>,
    /// What the names of its tensors begin with
    #[arg(long, requires = "batches")]
    prefix: Option<String>,
    /// Rows of a batch
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u32).range(1..=65536))]
    batch: u32,
    /// Tokens of a row
    #[arg(long, default_value_t = 128, value_parser = clap::value_parser!(u32).range(2..=1_048_576))]
    seq: u32,
    /// Share of each target's components to train; by default 0.008 of an encoder and 0.05 of a decoder
    #[arg(long, value_parser = rate)]
    rate: Option<f64>,
    /// Parts of the targets' names; by default the four matrices of attention of an encoder, all seven of a decoder
    #[arg(long, value_delimiter = ',')]
    modules: Option<Vec<String>>,
    /// Parts of the names of what is trained in full; by default the classifier
    #[arg(long, value_delimiter = ',')]
    dense: Option<Vec<String>>,
    /// Type of the weights
    #[arg(long, default_value = "f32")]
    dtype: Dtype,
    /// Compute activations twice instead of keeping them
    #[arg(long)]
    checkpointing: bool,
    /// Drop out as the model's config says
    #[arg(long)]
    dropout: bool,
    #[arg(long, default_value_t = 7e-5, value_parser = positive, help = "Of every step")]
    learning_rate: f64,
    /// Largest norm of the gradient; 0 for any
    #[arg(long, default_value_t = 1.0)]
    clip: f64,
    /// Steps in which each target's gradient mass is measured once
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..))]
    probe_every: u64,
    /// What to time
    #[arg(long, value_delimiter = ',', default_value = "forward,full,sift-dense,sift-sampled", value_parser = method)]
    methods: Vec<Method>,
    /// Timed steps of each method
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    steps: u32,
    /// Threads to compute with; by default all
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=1024))]
    threads: Option<u32>,
    /// One method after the other instead of step by step in turn, for what does not fit into memory side by side
    #[arg(long)]
    apart: bool,
    /// Print the memory plan beside what was measured
    #[arg(long)]
    plan: bool,
    /// Decides random weights and tokens, and what is dropped
    #[arg(long, default_value_t = 42)]
    seed: u64,
    /// A line of JSON for each method, with every sample
    #[arg(long)]
    json: bool,
    /// The method this process is there for
    #[arg(long, hide = true, value_parser = method)]
    worker: Option<Method>,
}

/// Type of the weights.
#[derive(Clone, Copy, ValueEnum)]
enum Dtype {
    F32,
    Bf16,
}

impl Bench {
    /// Times and prints.
    pub fn run(self, screens: &Screens) -> Result<ExitCode> {
        let spec = self.spec(screens)?;
        if let Some(method) = self.worker {
            if let Some(threads) = self.threads {
                tch::set_num_threads(threads as i32);
            }
            Worker::serve(&spec, method, io::stdin().lock(), io::stdout().lock())?;
            return Ok(ExitCode::SUCCESS);
        }
        // A mistake shows before any process is started.
        Subject::find(&spec)?;
        let mut director = Director::new();
        let stopped = director.stop();
        let signal = stop_on_signal(stopped.clone())?;
        let bar = self.bar()?;
        let mut each = |method: &str| {
            bar.inc(1);
            bar.set_message(method.to_owned());
        };
        let steps = self.steps as usize;
        for method in &self.methods {
            bar.set_message(format!("{}: preparing", method.name()));
            director.start(method.name(), self.worker(*method)?)?;
            if self.apart {
                director.steps(WARM_UP, false, &mut each);
                director.steps(steps, true, &mut each);
                director.finish();
            }
        }
        if !self.apart {
            director.steps(WARM_UP, false, &mut each);
            director.steps(steps, true, &mut each);
            director.finish();
        }
        bar.finish_and_clear();
        let reports = director.reports().map_err(Usage)?;
        print(&if self.json { as_json(&reports)? } else { self.as_table(&reports) });
        if stopped.is() {
            return Ok(ExitCode::from(signal.recv().map_or(1, Signal::exit_code) as u8));
        }
        Ok(if reports.iter().any(|report| report.failed.is_some()) { ExitCode::FAILURE } else { ExitCode::SUCCESS })
    }

    fn spec(&self, screens: &Screens) -> Result<Spec> {
        let (rows, length) = (self.batch as usize, self.seq as usize);
        Ok(Spec {
            model: match (&self.config, &self.model) {
                (Some(config), _) => {
                    Model::Random { config: config.clone(), layers: self.layers.map(|layers| layers as usize) }
                }
                (None, Some(model)) => Model::DeviceBatch(model.clone()),
                (None, None) => bail!(Usage("--config or --model has to say which network".into())),
            },
            texts: match (&self.batches, &self.data) {
                (Some(file), _) => Texts::Batches { file: file.clone(), prefix: self.prefix.clone() },
                (None, Some(file)) => Texts::File { file: file.clone(), format: self.format, rows, length },
                (None, None) => Texts::Random { rows, length },
            },
            rate: self.rate,
            modules: self.modules.clone(),
            dense: self.dense.clone(),
            dtype: match self.dtype {
                Dtype::F32 => Kind::Float,
                Dtype::Bf16 => Kind::BFloat16,
            },
            device: screens.device.parse::<DeviceChoice>()?,
            checkpointing: self.checkpointing,
            dropout: self.dropout,
            learning_rate: self.learning_rate,
            clip: self.clip,
            probe_every: self.probe_every,
            seed: self.seed,
        })
    }

    /// This program again, with the same arguments, for one method.
    fn worker(&self, method: Method) -> Result<Command> {
        let mut command = Command::new(std::env::current_exe().context("cannot find this program")?);
        command.args(std::env::args_os().skip(1)).args(["--worker", method.name()]);
        if let Some(threads) = self.threads {
            // Thread pools take their size when they are made, which is before an argument is read.
            for name in ["OMP_NUM_THREADS", "RAYON_NUM_THREADS"] {
                command.env(name, threads.to_string());
            }
        }
        Ok(command)
    }

    fn bar(&self) -> Result<ProgressBar> {
        let steps = (WARM_UP + self.steps as usize) * self.methods.len();
        let bar = ProgressBar::new(steps as u64);
        bar.set_style(ProgressStyle::with_template("{wide_bar} {pos}/{len} steps {msg} {eta}")?);
        if !io::stderr().is_terminal() {
            bar.set_draw_target(ProgressDrawTarget::hidden());
        }
        Ok(bar)
    }

    fn as_table(&self, reports: &[Report]) -> String {
        let mut text = format!(
            "{:<13} {:>14} {:>10} {:>10} {:>11} {:>9} {:>11} {:>11} {:>11}\n",
            "method", "trained", "s/step", "least", "tokens/s", "x forward", "steps peak", "above base", "base"
        );
        let forward = reports.iter().find(|report| report.method == Method::Forward.name());
        let forward = forward.and_then(|report| report.median);
        let amount = |amount: Option<u64>| amount.map_or("-".into(), |amount| bytes(amount as f64));
        let number = |number: Option<f64>, decimals: usize| number.map_or("-".into(), |n| format!("{n:.decimals$}"));
        for report in reports {
            let base = report.opened.as_ref().and_then(|opened| opened.base);
            let trained = report.opened.as_ref().map_or("-".into(), |opened| grouped(opened.trained));
            let ratio = report.median.zip(forward).map(|(own, forward)| own / forward);
            let above = report.steps_peak.zip(base).map(|(peak, base)| peak.saturating_sub(base));
            let _ = writeln!(
                text,
                "{:<13} {trained:>14} {:>10} {:>10} {:>11} {:>9} {:>11} {:>11} {:>11}",
                report.method,
                number(report.median, 4),
                number(report.least, 4),
                number(report.tokens_per_second, 0),
                number(ratio, 2),
                amount(report.steps_peak),
                amount(above),
                amount(base),
            );
            if let Some(error) = &report.failed {
                let _ = writeln!(text, "  {error}");
            }
        }
        for report in reports.iter().filter(|report| !report.losses.is_empty()) {
            let losses: Vec<String> = report.losses.iter().map(|loss| format!("{loss:.5}")).collect();
            let _ = writeln!(text, "losses of {}: {}", report.method, losses.join(" "));
        }
        if self.plan {
            reports.iter().for_each(|report| plan(report, &mut text));
        }
        text
    }
}

/// What was foreseen of a method's memory, beside what it took.
fn plan(report: &Report, text: &mut String) {
    let Some(opened) = report.opened.as_ref().filter(|opened| !opened.plan.is_empty()) else { return };
    let _ = writeln!(text, "plan of {}:", report.method);
    for part in opened.plan.iter().filter(|part| part.bytes > 0) {
        let _ = writeln!(text, "  {:<18} {:>11}", part.part, bytes(part.bytes as f64));
    }
    let _ = write!(text, "  {:<18} {:>11}", "all together", bytes(report.foreseen() as f64));
    let _ = match report.steps_peak {
        Some(peak) => {
            let off = 100.0 * (report.foreseen() as f64 / peak as f64 - 1.0);
            writeln!(text, ", measured {}: {off:+.1} %", bytes(peak as f64))
        }
        None => writeln!(text),
    };
}

fn as_json(reports: &[Report]) -> Result<String> {
    reports.iter().map(|report| Ok(serde_json::to_string(report)? + "\n")).collect()
}

/// Ends the workers at the first signal, and tells which it was.
fn stop_on_signal(stopped: Stopped) -> Result<std::sync::mpsc::Receiver<Signal>> {
    let (sender, receiver) = std::sync::mpsc::channel();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut signals = {
        let _inside = runtime.enter();
        Signals::listen()?
    };
    std::thread::Builder::new().name("signals".into()).spawn(move || {
        let signal = runtime.block_on(signals.next());
        let _ = sender.send(signal);
        stopped.now();
    })?;
    Ok(receiver)
}

fn method(name: &str) -> Result<Method, String> {
    let known = Method::ALL.into_iter().find(|method| method.name() == name);
    known.ok_or_else(|| format!("expected {}", Method::ALL.map(Method::name).join(", ")))
}

fn rate(text: &str) -> Result<f64, String> {
    let number = text.parse().ok().filter(|rate| *rate > 0.0 && *rate <= 1.0);
    number.ok_or_else(|| "expected a number above 0 and up to 1".into())
}

fn positive(text: &str) -> Result<f64, String> {
    let number = text.parse().ok().filter(|number: &f64| *number > 0.0 && number.is_finite());
    number.ok_or_else(|| "expected a number above 0".into())
}
