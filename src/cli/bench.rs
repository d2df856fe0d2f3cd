//! `finesift bench`: step time and memory of each method, side by side.

use std::fmt::Write as _;
use std::io::{self, IsTerminal};
use std::path::PathBuf;
use std::process::{Command, ExitCode};

use anyhow::{Context, Result, bail};
use clap::{Args, ValueEnum};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::args::DeviceArg;
use super::{print, values};
use crate::Usage;
use crate::bench::{BenchInputs, BenchModel, Coordinator, Kill, Method, Report, Setup, Spec, Worker};
use crate::data::instruct::InstructionFormat;
use crate::preset;
use crate::quantity::{bytes, grouped};
use crate::signals::{Signal, Signals};

/// Untimed steps: the first ones allocate memory and tune kernels.
const WARM_UP: usize = 2;

#[derive(Args)]
#[command(after_help = "Examples:
  finesift bench --config benches/shapes/roberta-large.json --batch 32 --seq 128
  finesift bench --model FOLDER --data FILE --plan
  finesift bench --model FOLDER --batches FILE.safetensors --methods sift-sampled --json")]
pub(super) struct Bench {
    /// Use random weights of this config.json's shape
    #[arg(long, value_name = "FILE", required_unless_present = "model", conflicts_with = "model")]
    config: Option<PathBuf>,
    /// Number of layers [default: the config's]
    #[arg(long, value_name = "N", requires = "config", value_parser = clap::value_parser!(u32).range(1..=4096))]
    layers: Option<u32>,
    /// Use the weights of a model folder or hub id
    #[arg(long, value_name = "FOLDER|ID")]
    model: Option<String>,
    /// Use the texts of a file instead of random tokens; an encoder's file has the columns text and label
    #[arg(long, value_name = "FILE", requires = "model")]
    data: Option<PathBuf>,
    /// Format of a decoder's texts: alpaca, sharegpt, messages, prompt_completion or text
    #[arg(long, default_value = "text", value_parser = values::format)]
    format: InstructionFormat,
    /// Use the batches of a safetensors file: PREFIX.input_ids, .attention_mask, .token_type_ids, .labels
    #[arg(long, value_name = "FILE", conflicts_with = "data")]
    batches: Option<PathBuf>,
    /// Prefix of the tensor names in --batches
    #[arg(long, requires = "batches")]
    prefix: Option<String>,
    /// Batch size
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u32).range(1..=65536))]
    batch: u32,
    /// Sequence length in tokens
    #[arg(long, default_value_t = 128, value_parser = clap::value_parser!(u32).range(2..=1_048_576))]
    seq: u32,
    /// Fraction of each target's components to train [default: 0.008 for encoders, 0.05 for decoders]
    #[arg(long, value_parser = values::fraction)]
    rate: Option<f64>,
    /// Substrings of the targets' names [default: attention's four matrices for encoders, all seven for decoders]
    #[arg(long, value_delimiter = ',')]
    modules: Option<Vec<String>>,
    /// Substrings of the names of dense trainable parameters [default: classifier]
    #[arg(long, value_delimiter = ',')]
    dense: Option<Vec<String>>,
    /// Weight dtype
    #[arg(long, default_value = "f32")]
    dtype: Dtype,
    /// Recompute activations in the backward pass (gradient checkpointing)
    #[arg(long)]
    checkpointing: bool,
    /// Apply the model's dropout
    #[arg(long)]
    dropout: bool,
    /// Learning rate of every step
    #[arg(long, default_value_t = 7e-5, value_parser = values::positive)]
    learning_rate: f64,
    /// Maximum gradient norm; 0 turns clipping off
    #[arg(long, default_value_t = 1.0)]
    clip: f64,
    /// Steps between two measurements of a target's gradient mass
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..))]
    probe_every: u64,
    /// Methods to time
    #[arg(long, value_delimiter = ',', default_value = "forward,full,sift-dense,sift-sampled", value_parser = values::method)]
    methods: Vec<Method>,
    /// Timed steps per method
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    steps: u32,
    /// CPU threads [default: all]
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=1024))]
    threads: Option<u32>,
    /// Run one method after the other instead of alternating steps, for models that do not fit in memory side by side
    #[arg(long)]
    apart: bool,
    /// Print the memory estimate beside the measurement
    #[arg(long)]
    plan: bool,
    /// Seed of random weights, tokens and dropout
    #[arg(long, default_value_t = 42)]
    seed: u64,
    /// Print each method as a line of JSON, with every sample
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    device: DeviceArg,
    /// The method that this process runs.
    #[arg(long, hide = true, value_parser = values::method)]
    worker: Option<Method>,
}

/// Weight dtype.
#[derive(Clone, Copy, ValueEnum)]
enum Dtype {
    F32,
    Bf16,
}

impl From<Dtype> for preset::Dtype {
    fn from(dtype: Dtype) -> preset::Dtype {
        match dtype {
            Dtype::F32 => preset::Dtype::F32,
            Dtype::Bf16 => preset::Dtype::Bf16,
        }
    }
}

impl Bench {
    /// Times the methods and prints a table or JSON lines.
    pub(super) fn run(self) -> Result<ExitCode> {
        let spec = self.spec()?;
        if let Some(method) = self.worker {
            if let Some(threads) = self.threads {
                tch::set_num_threads(threads as i32);
            }
            Worker::serve(&spec, method, io::stdin().lock(), io::stdout().lock())?;
            return Ok(ExitCode::SUCCESS);
        }
        // Usage errors show before any process starts.
        Setup::open(&spec)?;
        let mut coordinator = Coordinator::new();
        let kill = coordinator.kill_handle();
        let signal = kill_on_signal(kill.clone())?;
        let bar = self.bar()?;
        let mut on_step = |method: &str| {
            bar.inc(1);
            bar.set_message(method.to_owned());
        };
        let steps = self.steps as usize;
        for method in &self.methods {
            bar.set_message(format!("{}: preparing", method.name()));
            coordinator.start(method.name(), self.worker(*method)?)?;
            if self.apart {
                coordinator.steps(WARM_UP, false, &mut on_step);
                coordinator.steps(steps, true, &mut on_step);
                coordinator.finish();
            }
        }
        if !self.apart {
            coordinator.steps(WARM_UP, false, &mut on_step);
            coordinator.steps(steps, true, &mut on_step);
            coordinator.finish();
        }
        bar.finish_and_clear();
        let reports = coordinator.reports()?;
        print(&if self.json { as_json(&reports)? } else { self.as_table(&reports) })?;
        if kill.was_used() {
            return Ok(ExitCode::from(signal.recv().map_or(1, Signal::exit_code) as u8));
        }
        Ok(if reports.iter().any(|report| report.failed.is_some()) { ExitCode::FAILURE } else { ExitCode::SUCCESS })
    }

    fn spec(&self) -> Result<Spec> {
        let (rows, length) = (self.batch as usize, self.seq as usize);
        Ok(Spec {
            model: match (&self.config, &self.model) {
                (Some(config), _) => {
                    BenchModel::Random { config: config.clone(), layers: self.layers.map(|layers| layers as usize) }
                }
                (None, Some(model)) => BenchModel::Pretrained(model.clone()),
                (None, None) => bail!(Usage("give --config or --model".into())),
            },
            inputs: match (&self.batches, &self.data) {
                (Some(file), _) => BenchInputs::Batches { file: file.clone(), prefix: self.prefix.clone() },
                (None, Some(file)) => BenchInputs::File { file: file.clone(), format: self.format, rows, length },
                (None, None) => BenchInputs::Random { rows, length },
            },
            rate: self.rate,
            modules: self.modules.clone(),
            dense: self.dense.clone(),
            dtype: preset::Dtype::from(self.dtype).into(),
            device: self.device.device.parse()?,
            checkpointing: self.checkpointing,
            dropout: self.dropout,
            learning_rate: self.learning_rate,
            clip: self.clip,
            probe_every: self.probe_every,
            seed: self.seed,
        })
    }

    /// The command of a worker process: this program with the same arguments, for one method.
    fn worker(&self, method: Method) -> Result<Command> {
        let mut command = Command::new(std::env::current_exe().context("cannot find this program")?);
        command.args(std::env::args_os().skip(1)).args(["--worker", method.name()]);
        if let Some(threads) = self.threads {
            // Thread pools are sized before arguments are parsed.
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
            "method", "trainable", "s/step", "min", "tokens/s", "x forward", "peak", "above base", "base"
        );
        let forward = reports.iter().find(|report| report.method == Method::Forward.name());
        let forward = forward.and_then(|report| report.median);
        let amount = |amount: Option<u64>| amount.map_or("-".into(), |amount| bytes(amount as f64));
        let number = |number: Option<f64>, decimals: usize| number.map_or("-".into(), |n| format!("{n:.decimals$}"));
        for report in reports {
            let base = report.start.as_ref().and_then(|start| start.base);
            let trained = report.start.as_ref().map_or("-".into(), |start| grouped(start.trained));
            let ratio = report.median.zip(forward).map(|(own, forward)| own / forward);
            let above = report.steps_peak.zip(base).map(|(peak, base)| peak.saturating_sub(base));
            let _ = writeln!(
                text,
                "{:<13} {trained:>14} {:>10} {:>10} {:>11} {:>9} {:>11} {:>11} {:>11}",
                report.method,
                number(report.median, 4),
                number(report.min, 4),
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
            reports.iter().for_each(|report| write_estimate(report, &mut text));
        }
        text
    }
}

/// The estimate of a method's memory, part by part, and its error.
fn write_estimate(report: &Report, text: &mut String) {
    let Some(start) = report.start.as_ref().filter(|start| !start.plan.is_empty()) else { return };
    let _ = writeln!(text, "memory estimate of {}:", report.method);
    for part in start.plan.iter().filter(|part| part.bytes > 0) {
        let _ = writeln!(text, "  {:<18} {:>11}", part.part, bytes(part.bytes as f64));
    }
    let _ = write!(text, "  {:<18} {:>11}", "total", bytes(report.estimate() as f64));
    let _ = match report.steps_peak {
        Some(peak) => {
            let off = 100.0 * (report.estimate() as f64 / peak as f64 - 1.0);
            writeln!(text, ", measured {}: {off:+.1} %", bytes(peak as f64))
        }
        None => writeln!(text),
    };
}

fn as_json(reports: &[Report]) -> Result<String> {
    reports.iter().map(|report| Ok(serde_json::to_string(report)? + "\n")).collect()
}

/// Kills the workers at the first signal. The receiver gets the signal.
fn kill_on_signal(kill: Kill) -> Result<std::sync::mpsc::Receiver<Signal>> {
    let (sender, receiver) = std::sync::mpsc::channel();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut signals = {
        let _inside = runtime.enter();
        Signals::listen()?
    };
    std::thread::Builder::new().name("signals".into()).spawn(move || {
        let signal = runtime.block_on(signals.next());
        let _ = sender.send(signal);
        kill.now();
    })?;
    Ok(receiver)
}
