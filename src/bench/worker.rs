//! The process of one method: runs a step per request line and answers with its time and memory.

use std::io::{BufRead, Write};
use std::time::Instant;

use anyhow::{Result, bail};
use tch::Device;

use super::method::Method;
use super::operations;
use super::profile;
use super::report::{EstimatedPart, StepKind, StepTime, WorkerMessage, WorkerStart};
use super::setup::Setup;
use super::spec::Spec;
use crate::Usage;
use crate::data::Batch;
use crate::device;
use crate::device::matmul::{MatmulPrecision, Unsupported};
use crate::device::shim::{TensorCount, count_tensors};
use crate::estimate::advice::Settings;
use crate::estimate::oom::{self, MemoryContext};
use crate::eval::DeviceBatch;
use crate::model::{Network, ParameterSpec};
use crate::panics::catch_panic;
use crate::sift::{AdamW, Role, Rules, SparseDecay, TrainableParameter};
use crate::system::{self, KeptPages, ResourceUsage, resident};
use crate::train::{Learner, LearnerOptions, SelectionOptions, select_components};

/// A method with its network in memory.
pub struct Worker {
    setup: Setup,
    learning_rate: f64,
    stepper: Stepper,
    device: Device,
    /// For the error when memory runs out.
    memory: MemoryContext,
    /// Steps run so far.
    step: usize,
    /// Of what was made since the model was loaded, up to the first timed step. On a CPU only.
    count: Option<TensorCount>,
    /// That of products while it lives.
    _precision: MatmulPrecision,
}

/// What runs a step.
enum Stepper {
    Forward(Box<Network>),
    Training(Box<Learner>),
}

impl Worker {
    /// Runs a step for each line of `input` and writes a [`WorkerMessage`] to `output`. Ends with the input.
    ///
    /// # Errors
    /// An output that cannot be written. Errors of the method become messages.
    pub fn serve(spec: &Spec, method: Method, input: impl BufRead, mut output: impl Write) -> Result<()> {
        let mut send = |message: &WorkerMessage| -> Result<()> {
            serde_json::to_writer(&mut output, message)?;
            output.write_all(b"\n")?;
            Ok(output.flush()?)
        };
        let failed =
            |error: anyhow::Error| WorkerMessage::Failed { error: format!("{error:#}"), usage: error.is::<Usage>() };
        let pages = KeptPages::start();
        let (mut worker, start) = match catch_panic(|| Worker::open(spec, method)) {
            Ok(opened) => opened,
            Err(error) => return send(&failed(error)),
        };
        // As a run does between its selection and its steps.
        pages.purge();
        device::empty_cache(worker.device);
        send(&WorkerMessage::Started(start))?;
        let mut forgotten = false;
        for line in input.lines() {
            let kind = serde_json::from_str(&line?)?;
            if kind == StepKind::Timed && !forgotten {
                forgotten = resident::forget_peak();
            }
            match catch_panic(|| worker.run_step(kind)) {
                Ok(step) => send(&WorkerMessage::Step(step))?,
                Err(error) => return send(&failed(error)),
            }
        }
        Ok(())
    }

    fn open(spec: &Spec, method: Method) -> Result<(Worker, WorkerStart)> {
        let device = spec.device.enter()?.device;
        if device != Device::Cpu {
            let name = device::name(device);
            if spec.profile {
                bail!(Usage(format!(
                    "--profile: operators return before {name} has computed them, so their times say nothing; add --device cpu"
                )));
            }
            if spec.operations {
                bail!(Usage(format!(
                    "--ops: on {name} the backward pass runs on a thread that is not observed; add --device cpu"
                )));
            }
        }
        let precision = MatmulPrecision::set(spec.matmul, device).map_err(|error| match error.downcast_ref() {
            Some(unsupported @ (Unsupported::Gpu | Unsupported::Processor)) => {
                Usage(format!("--matmul {}: {unsupported}", spec.matmul.name())).into()
            }
            None => error,
        })?;
        let setup = Setup::open(spec)?;
        let (started, base) = (Instant::now(), in_use(device));
        let (rules, adapters) = setup.trained(spec, method)?;
        let shape = setup.shape(spec, device != Device::Cpu, &rules, adapters.as_ref());
        let memory = MemoryContext { shape, device, settings: Settings::Bench };
        let mut network = oom::explain_loading(&memory, || setup.network(spec, device))?;
        let (loaded, parameters) = (in_use(device), network.parameters.components());
        if let Some(adapters) = &adapters {
            network.add_adapters(adapters, spec.seed);
        }
        let count = if device == Device::Cpu { Some(count_tensors()?) } else { None };
        let estimate = match method {
            // The estimate is of training; a forward pass alone keeps no activations.
            Method::Forward => Vec::new(),
            _ => memory.shape.estimate().memory,
        };
        let plan =
            estimate.into_iter().map(|part| EstimatedPart { part: part.name.into(), bytes: part.bytes }).collect();
        let stepper = match method {
            Method::Forward => Stepper::Forward(Box::new(network)),
            _ => {
                let selecting = [setup.batch(0)];
                let learner = oom::explain(&memory, &selecting, || learner(spec, method, &selecting, network, &rules))?;
                Stepper::Training(Box::new(learner))
            }
        };
        let trained = match &stepper {
            Stepper::Forward(_) => 0,
            Stepper::Training(learner) => learner.values().total() as u64,
        };
        let seconds = started.elapsed().as_secs_f64();
        let start = WorkerStart {
            device: device::name(device),
            matmul: precision.name().into(),
            threads: tch::get_num_threads(),
            parameters,
            layers: setup.layers(),
            trained,
            base,
            loaded,
            setup: seconds,
            plan,
        };
        let worker = Worker {
            setup,
            learning_rate: spec.learning_rate,
            stepper,
            device,
            memory,
            step: 0,
            count,
            _precision: precision,
        };
        Ok((worker, start))
    }

    fn run_step(&mut self, kind: StepKind) -> Result<StepTime> {
        if kind != StepKind::WarmUp {
            self.count = None;
        }
        let start = Instant::now();
        let batch = self.setup.batch(self.step);
        let batch_seconds = start.elapsed().as_secs_f64();
        let tokens = batch.tokens;
        let mut step = || match &mut self.stepper {
            Stepper::Forward(network) => Ok(forward(network, &batch)),
            Stepper::Training(learner) => {
                let batches = std::slice::from_ref(&batch);
                let step = || learner.step(self.step as u64, batches, self.learning_rate);
                oom::explain(&self.memory, batches, step).map(|result| result.loss)
            }
        };
        let (start, usage) = (Instant::now(), ResourceUsage::now());
        let (mut recorded, mut counted) = (None, None);
        let loss = match kind {
            StepKind::Profiled => {
                let (loss, step) = profile::record(step)?;
                recorded = Some(step);
                loss?
            }
            StepKind::Counted => {
                let (loss, step) = operations::count(step)?;
                counted = Some(step);
                loss?
            }
            StepKind::WarmUp | StepKind::Timed => step()?,
        };
        let (seconds, usage) = (start.elapsed().as_secs_f64(), ResourceUsage::now() - usage);
        self.step += 1;
        // libtorch does not return GPU memory, so the bytes in use after a step are the peak.
        let peak = if self.device == Device::Cpu { resident::peak() } else { in_use(self.device) };
        let tensors_peak = self.count.as_ref().map(TensorCount::peak);
        let ResourceUsage { minor_faults, major_faults, .. } = usage;
        Ok(StepTime {
            kind,
            seconds,
            batch_seconds,
            loss,
            tokens,
            peak,
            tensors_peak,
            minor_faults,
            major_faults,
            recorded,
            counted,
        })
    }
}

fn learner(spec: &Spec, method: Method, selecting: &[Batch], network: Network, rules: &Rules) -> Result<Learner> {
    let options = LearnerOptions {
        adamw: AdamW { betas: (0.9, 0.999), eps: 1e-8, sparse_decay: SparseDecay::None, dense_decay: 0.0 },
        clip: (spec.clip > 0.0).then_some(spec.clip),
        dropout: spec.dropout,
        checkpointing: spec.checkpointing,
        // A probe forms the dense gradient of its target: probe every target on every step for dense gradients.
        probe_every: if method == Method::SiftDense { 1 } else { spec.probe_every },
        micro_batches: 1,
        seed: spec.seed,
    };
    let parameters = match method {
        Method::Full | Method::Lora => {
            let dense = |spec: &&ParameterSpec| rules.role(&spec.name) == Role::Dense;
            let trained = |spec: &ParameterSpec| TrainableParameter {
                name: spec.name.clone(),
                weights: network.parameters.get(&spec.name),
                selected: None,
            };
            network.parameters.specs().iter().filter(dense).map(trained).collect()
        }
        _ => {
            let backward = options.backward(0);
            let selection = SelectionOptions::gradient(rules, backward);
            select_components(&network, &selection, selecting)?.parameters
        }
    };
    Ok(Learner::new(network, &parameters, options))
}

fn forward(network: &Network, batch: &Batch) -> f64 {
    let _span = tracing::trace_span!("forward").entered();
    let loaded = DeviceBatch::new(batch, network.parameters.device());
    let output = network.output(&loaded.inputs);
    let scale = 1.0 / batch.labels.count().max(1) as f64;
    // Reading the value waits for the device.
    network.objective(&loaded.targets, scale).loss(&output).double_value(&[])
}

/// Bytes in use by this process, on a GPU as the driver reports them (by all processes where it reports no others).
fn in_use(device: Device) -> Option<u64> {
    match device::gpu(device) {
        None => resident::resident(),
        Some(gpu) => system::gpu_now(&gpu).map(|gpu| gpu.process_memory.unwrap_or(gpu.memory_used)),
    }
}
