//! `finesift bench`: step time and memory of each method, side by side.

mod operations_table;
mod profile_table;
mod table;

use std::io::{self, IsTerminal};
use std::path::PathBuf;
use std::process::{Command, ExitCode};

use anyhow::{Context, Result, bail};
use clap::{Args, ValueEnum};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde::Serialize;

use super::args::DeviceArg;
use super::{print, values};
use crate::Usage;
use crate::bench::{
    BenchInputs, BenchMachine, BenchModel, Coordinator, Kill, Method, Report, Setup, Spec, StepKind, Worker,
};
use crate::data::instruct::InstructionFormat;
use crate::preset;
use crate::signals::{Signal, Signals};

/// Untimed steps: the first ones allocate memory and tune kernels.
const WARM_UP: usize = 2;

#[derive(Args)]
#[command(after_help = "Examples:
  finesift bench --config benches/shapes/roberta-large.json --batch 32 --seq 128
  finesift bench --model FOLDER --data FILE --plan
  finesift bench --model FOLDER --methods lora,sift-sampled,sift-columns --profile
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
    /// Precision of products of f32 matrices: tf32 needs a GPU, bf16 a CPU
    #[arg(long, default_value = "f32")]
    matmul: Matmul,
    /// Recompute activations in the backward pass (gradient checkpointing)
    #[arg(long)]
    checkpointing: bool,
    /// Keep the weights of blocks in host memory and stream them to the GPU, with gradient checkpointing
    #[arg(long)]
    offload: bool,
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
    /// Rank of the adapters of the method lora
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(i64).range(1..=65536))]
    lora_r: i64,
    /// Methods to time: forward, full, lora, sift-dense, sift-sampled, sift-columns, sift-rows, sift-blocks
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
    /// Profile as many further steps: print where the time of a step is spent; needs the CPU
    #[arg(long)]
    profile: bool,
    /// Count the tensor operations of as many further steps, forward, backward and of the method; needs the CPU
    #[arg(long = "ops")]
    operations: bool,
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

/// Precision of products of fp32 matrices.
#[derive(Clone, Copy, ValueEnum)]
enum Matmul {
    F32,
    Tf32,
    Bf16,
}

impl From<Matmul> for preset::Matmul {
    fn from(matmul: Matmul) -> preset::Matmul {
        match matmul {
            Matmul::F32 => preset::Matmul::F32,
            Matmul::Tf32 => preset::Matmul::Tf32,
            Matmul::Bf16 => preset::Matmul::Bf16,
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
        for method in &self.methods {
            bar.set_message(format!("{}: preparing", method.name()));
            coordinator.start(method.name(), self.worker(*method)?)?;
            if self.apart {
                self.take_steps(&mut coordinator, &mut on_step);
            }
        }
        if !self.apart {
            self.take_steps(&mut coordinator, &mut on_step);
        }
        bar.finish_and_clear();
        let reports = coordinator.reports()?;
        let machine = BenchMachine::of(&reports)?;
        print(&if self.json { as_json(&machine, &reports)? } else { table::of(&machine, &reports, self.plan) })?;
        if kill.was_used() {
            return Ok(ExitCode::from(signal.recv().map_or(1, Signal::exit_code) as u8));
        }
        Ok(if reports.iter().any(|report| report.failed.is_some()) { ExitCode::FAILURE } else { ExitCode::SUCCESS })
    }

    /// Runs the steps of the methods that have started, and ends them.
    fn take_steps(&self, coordinator: &mut Coordinator, on_step: &mut dyn FnMut(&str)) {
        for (kind, number) in self.step_numbers() {
            coordinator.steps(number, kind, on_step);
        }
        coordinator.finish();
    }

    /// Steps of each method, in their order.
    fn step_numbers(&self) -> [(StepKind, usize); 4] {
        let steps = self.steps as usize;
        let if_asked = |asked: bool| if asked { steps } else { 0 };
        [
            (StepKind::WarmUp, WARM_UP),
            (StepKind::Timed, steps),
            (StepKind::Profiled, if_asked(self.profile)),
            (StepKind::Counted, if_asked(self.operations)),
        ]
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
            matmul: self.matmul.into(),
            device: self.device.device.parse()?,
            checkpointing: self.checkpointing,
            offload: self.offload,
            dropout: self.dropout,
            learning_rate: self.learning_rate,
            clip: self.clip,
            lora_r: self.lora_r,
            probe_every: self.probe_every,
            profile: self.profile,
            operations: self.operations,
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
        let steps: usize = self.step_numbers().iter().map(|(_, number)| number).sum();
        let bar = ProgressBar::new((steps * self.methods.len()) as u64);
        bar.set_style(ProgressStyle::with_template("{wide_bar} {pos}/{len} steps {msg} {eta}")?);
        if !io::stderr().is_terminal() {
            bar.set_draw_target(ProgressDrawTarget::hidden());
        }
        Ok(bar)
    }
}

/// A line for each method. Each names the machine, so that it stands for itself.
fn as_json(machine: &BenchMachine, reports: &[Report]) -> Result<String> {
    #[derive(Serialize)]
    struct Line<'a> {
        #[serde(flatten)]
        report: &'a Report,
        machine: &'a BenchMachine,
    }
    reports.iter().map(|report| Ok(serde_json::to_string(&Line { report, machine })? + "\n")).collect()
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
