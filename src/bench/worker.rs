//! One method at work, in a process of its own.

use std::io::{BufRead, Write};
use std::time::Instant;

use anyhow::Result;
use tch::Device;

use super::report::{Opened, PredictedMemory, Step, WorkerMessage};
use super::{Method, Spec, Subject};
use crate::Usage;
use crate::data::Batch;
use crate::device;
use crate::eval::DeviceBatch;
use crate::model::{Network, ParameterSpec};
use crate::panics::catch_panic;
use crate::preset::Select;
use crate::sift::{AdamW, Rules, SparseDecay, TrainableParameter};
use crate::system::{self, resident};
use crate::train::{Chooser, Learner, Settings, choose};

/// A method whose network is in memory.
pub struct Worker {
    subject: Subject,
    learning_rate: f64,
    taker: Taker,
    device: Device,
    /// Steps taken.
    taken: usize,
}

/// What takes a step.
enum Taker {
    Forward(Box<Network>),
    Training(Box<Learner>),
}

impl Worker {
    /// Does what is asked on `input`, a line for each step, and answers on `output`. Ends with the input.
    ///
    /// # Errors
    /// An output that cannot be written; the method's own are told.
    pub fn serve(spec: &Spec, method: Method, input: impl BufRead, mut output: impl Write) -> Result<()> {
        let mut tell = |told: &WorkerMessage| -> Result<()> {
            serde_json::to_writer(&mut output, told)?;
            output.write_all(b"\n")?;
            Ok(output.flush()?)
        };
        let failed =
            |error: anyhow::Error| WorkerMessage::Failed { error: format!("{error:#}"), usage: error.is::<Usage>() };
        let (mut worker, opened) = match catch_panic(|| Worker::open(spec, method)) {
            Ok(opened) => opened,
            Err(error) => return tell(&failed(error)),
        };
        tell(&WorkerMessage::Opened(opened))?;
        let mut timed = false;
        for line in input.lines() {
            let now = line? == TIMED;
            if now && !timed {
                timed = resident::forget_peak();
            }
            match catch_panic(|| worker.step(now)) {
                Ok(step) => tell(&WorkerMessage::Step(step))?,
                Err(error) => return tell(&failed(error)),
            }
        }
        Ok(())
    }

    fn open(spec: &Spec, method: Method) -> Result<(Worker, Opened)> {
        let device = spec.device.resolve()?.device;
        let subject = Subject::find(spec)?;
        let (start, base) = (Instant::now(), in_use(device));
        let network = subject.network(spec, device)?;
        let (loaded, parameters) = (in_use(device), network.parameters.components());
        let rules = match method {
            Method::Full => everything(),
            _ => subject.rules.clone(),
        };
        let plan = match method {
            // Nothing is kept of a pass that is not walked back, and the formula is of those that are.
            Method::Forward => Vec::new(),
            _ => subject.plan(spec, device != Device::Cpu, &rules).memory,
        };
        let plan = plan.into_iter().map(|part| PredictedMemory { part: part.name.into(), bytes: part.bytes }).collect();
        let taker = match method {
            Method::Forward => Taker::Forward(Box::new(network)),
            _ => Taker::Training(Box::new(learner(spec, method, &subject, network, &rules)?)),
        };
        let trained = match &taker {
            Taker::Forward(_) => 0,
            Taker::Training(learner) => learner.values().total() as u64,
        };
        let setup = start.elapsed().as_secs_f64();
        let opened = Opened {
            device: device::name(device),
            threads: tch::get_num_threads(),
            parameters,
            trained,
            base,
            loaded,
            setup,
            plan,
        };
        Ok((Worker { subject, learning_rate: spec.learning_rate, taker, device, taken: 0 }, opened))
    }

    fn step(&mut self, timed: bool) -> Result<Step> {
        let start = Instant::now();
        let batch = self.subject.batch(self.taken);
        let batch_seconds = start.elapsed().as_secs_f64();
        let tokens = batch.tokens;
        let start = Instant::now();
        let loss = match &mut self.taker {
            Taker::Forward(network) => forward(network, &batch),
            Taker::Training(learner) => learner.step(self.taken as u64, &[batch], self.learning_rate)?.loss,
        };
        let seconds = start.elapsed().as_secs_f64();
        self.taken += 1;
        // libtorch keeps what it took of a GPU, so what is in use afterwards is the most there was.
        let peak = if self.device == Device::Cpu { resident::peak() } else { in_use(self.device) };
        Ok(Step { timed, seconds, batch_seconds, loss, tokens, peak })
    }
}

/// What asks for a step that counts, and for one that warms up.
pub(super) const TIMED: &str = "timed";
pub(super) const WARM_UP: &str = "warm-up";

fn learner(spec: &Spec, method: Method, subject: &Subject, network: Network, rules: &Rules) -> Result<Learner> {
    let settings = Settings {
        adamw: AdamW { betas: (0.9, 0.999), eps: 1e-8, sparse_decay: SparseDecay::None, dense_decay: 0.0 },
        clip: (spec.clip > 0.0).then_some(spec.clip),
        dropout: spec.dropout,
        checkpointing: spec.checkpointing,
        // A target is formed whole in a step that measures its gradient mass: in each, where all are to be.
        probe_every: if method == Method::SiftDense { 1 } else { spec.probe_every },
        micro_batches: 1,
        seed: spec.seed,
    };
    let choices = match method {
        Method::Full => {
            let all = |of: &ParameterSpec| TrainableParameter {
                name: of.name.clone(),
                weights: network.parameters.get(&of.name),
                selected: None,
            };
            network.parameters.specs().iter().map(all).collect()
        }
        _ => {
            let chooser = Chooser { rules, select: Select::Gradient, seed: spec.seed, walk: settings.walk(0) };
            choose(&network, &chooser, &[subject.batch(0)])?.choices
        }
    };
    Ok(Learner::new(network, &choices, settings))
}

/// Every parameter is trained: each name contains nothing.
fn everything() -> Rules {
    Rules { rate: 1.0, modules: Vec::new(), dense: vec![String::new()], biases: true }
}

fn forward(network: &Network, batch: &Batch) -> f64 {
    let loaded = DeviceBatch::new(batch, network.parameters.device());
    let output = network.output(&loaded.inputs);
    let scale = 1.0 / batch.targets.count().max(1) as f64;
    // Reading it waits for the device.
    network.objective(&loaded.targets, scale).loss(&output).double_value(&[])
}

/// Bytes in use: of this process, or of the GPU by it where the driver tells, else by all.
fn in_use(device: Device) -> Option<u64> {
    match device::gpu(device) {
        None => resident::resident(),
        Some(gpu) => system::gpu_now(&gpu).map(|gpu| gpu.process_memory.unwrap_or(gpu.memory_used)),
    }
}
