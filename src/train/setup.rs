//! From what was prepared to a run under way: what to train is chosen, or taken from a checkpoint.

use std::path::PathBuf;

use anyhow::Result;
use tch::{Device, Kind};

use super::checkpoint::Writer;
use super::checkpoint_policy::CheckpointPolicy;
use super::clock::Clock;
use super::command_queue::CommandQueue;
use super::lookahead::Lookahead;
use super::prepare::Prepared;
use super::resume::Found;
use super::{Chooser, Job, Learner, Run, Selection, Settings, choose};
use crate::data::Batch;
use crate::device;
use crate::estimate::memory::StepShape;
use crate::estimate::oom::{self, MemoryContext};
use crate::model::{Network, by_onednn};
use crate::preset::{Dtype, Preset};
use crate::protocol::{Event, Memory, Phase, Selected, SelectedTarget};
use crate::runs::checkpoint::{FORMAT, Manifest, ScheduleFacts};
use crate::session::Port;
use crate::sift::{AdamW, GradientMass, Role, Rules, SparseDecay, TrainableParameter};

impl<'a> Run<'a> {
    /// Chooses what to train.
    pub fn select(job: Job, mut prepared: Prepared, port: &'a Port) -> Result<Run<'a>> {
        port.emit(Event::Phase { phase: Phase::Selecting });
        let (sift, seed) = (&job.preset.sift, job.preset.train.seed);
        let settings = settings(&job.preset);
        let first = prepared.plan.first(sift.batches).iter();
        let pad_id = prepared.evaluator.pad_id;
        let batches: Vec<Batch> = first.map(|rows| prepared.examples.collate(rows, pad_id)).collect();
        let chooser = Chooser { rules: &prepared.rules, select: sift.select, seed, walk: settings.walk(0) };
        let means = means(&job, &prepared.network, &prepared.rules, prepared.labels.len());
        let Selection { choices, mass } =
            oom::explain(&means, &batches, || choose(&prepared.network, &chooser, &batches))?;
        let run = Run::new(job, prepared, &choices, None, port)?;
        run.tell_of_selection(mass);
        Ok(run)
    }

    /// Goes on where a checkpoint was made.
    pub fn take_up(job: Job, prepared: Prepared, found: Found, port: &'a Port) -> Result<Run<'a>> {
        let Found { manifest, kept, path } = found;
        let slots = manifest.slots.iter().zip(kept.selected);
        let parameters = &prepared.network.parameters;
        let choices: Vec<TrainableParameter> = slots
            .map(|(slot, selected)| TrainableParameter {
                name: slot.name.clone(),
                weights: parameters.get(&slot.name),
                selected,
            })
            .collect();
        let mut run = Run::new(job, prepared, &choices, Some((&manifest, path)), port)?;
        run.learner.restore(&kept.state, &kept.coverage);
        (run.step, run.evaluated, run.best) = (manifest.step, manifest.evaluated, manifest.best);
        Ok(run)
    }

    fn new(
        job: Job,
        prepared: Prepared,
        choices: &[TrainableParameter],
        from: Option<(&Manifest, PathBuf)>,
        port: &'a Port,
    ) -> Result<Run<'a>> {
        let means = means(&job, &prepared.network, &prepared.rules, prepared.labels.len());
        let Prepared { network, examples, plan, evaluator, best, learning_rate, labels, base, data, speaker, .. } =
            prepared;
        let evaluate_every = match job.preset.train.eval_every {
            0 => plan.steps_per_epoch(),
            steps => steps,
        };
        let (clock, step) = from.as_ref().map_or_else(Default::default, |(kept, _)| (kept.clock, kept.step));
        let facts = Manifest {
            format: FORMAT,
            version: env!("CARGO_PKG_VERSION").into(),
            run: job.folder.name().into(),
            preset: job.preset.toml.clone(),
            seed: job.preset.train.seed,
            schedule: ScheduleFacts { steps: plan.steps, warmup: learning_rate.warmup, peak: learning_rate.peak },
            base,
            data,
            device: device::arithmetic(network.parameters.device()),
            labels,
            // What changes as the run goes on comes with each checkpoint.
            step,
            clock,
            epoch: 0.0,
            updates: 0,
            evaluated: None,
            best: None,
            events: 0,
            slots: Vec::new(),
            files: Vec::new(),
        };
        let settings = settings(&job.preset);
        let (keep, last) = (job.preset.keep, from.map(|(_, path)| path));
        let writer = Writer::start(job.disk, job.folder, keep.checkpoints, port.emitter(), last)?;
        let ahead = Lookahead::new(job.read_every, network.parameters.device());
        let learner = Learner::new(network, choices, settings);
        port.emit(Event::info(learner.ways()));
        Ok(Run {
            port,
            orders: CommandQueue::new(port),
            learner,
            examples,
            plan,
            evaluator,
            evaluate_every,
            speaker,
            deciding: best,
            learning_rate,
            clock: Clock::start(clock),
            ahead,
            step,
            evaluated: None,
            best: None,
            keeper: CheckpointPolicy::new(port, keep, facts, writer, step),
            means,
        })
    }

    fn tell_of_selection(&self, mass: Option<GradientMass>) {
        let values = self.learner.values();
        let sparse = || values.slots().iter().filter(|slot| slot.role == Role::Sparse);
        self.port.emit(Event::Selected(Selected {
            total: values.sparse() as u64,
            of: sparse().map(|slot| slot.components() as u64).sum(),
            dense: (values.total() - values.sparse()) as u64,
            targets: sparse()
                .map(|slot| SelectedTarget {
                    name: slot.name.clone(),
                    shape: slot.shape.clone(),
                    selected: slot.trained() as u64,
                })
                .collect(),
        }));
        let (indices, optimizer) = values.bytes();
        let weights = self.learner.network.parameters.bytes();
        self.port.emit(Event::Memory(Memory { weights, indices, optimizer }));
        if let Some(mass) = mass {
            self.tell_of_mass(&mass);
        }
    }
}

/// What the memory of a run follows from. A number to predict is one label.
fn means(job: &Job, network: &Network, rules: &Rules, labels: usize) -> MemoryContext {
    let (preset, device) = (&job.preset, network.parameters.device());
    let kind = Kind::from(preset.model.dtype);
    MemoryContext {
        config: network.config.clone(),
        rules: rules.clone(),
        labels: labels.max(1) as i64,
        load: StepShape {
            dtype: if preset.model.dtype == Dtype::F32 { 4 } else { 2 },
            gpu: device != Device::Cpu,
            rows: preset.train.batch as u64,
            length: preset.data.max_length as u64,
            checkpointing: preset.train.gradient_checkpointing,
            dropout: true,
            choosing: preset.sift.batches as u64,
            keeps_inputs: by_onednn(device, kind, (preset.train.batch * preset.data.max_length) as i64),
            micro_batches: preset.train.accumulate as u64,
        },
        run: job.folder.path().display().to_string(),
    }
}

fn settings(preset: &Preset) -> Settings {
    let (sift, train) = (&preset.sift, &preset.train);
    Settings {
        adamw: AdamW {
            betas: (0.9, 0.999),
            eps: 1e-8,
            sparse_decay: if sift.decay > 0.0 { SparseDecay::TowardPretrained(sift.decay) } else { SparseDecay::None },
            dense_decay: train.weight_decay,
        },
        clip: (train.clip > 0.0).then_some(train.clip),
        dropout: true,
        checkpointing: train.gradient_checkpointing,
        probe_every: sift.probe_every,
        micro_batches: train.accumulate,
        seed: train.seed,
    }
}
