//! From a prepared run to one in progress: with a new selection, or with the one in a checkpoint.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Result;
use tch::Tensor;

use super::checkpoint::{CheckpointTarget, CheckpointWriter};
use super::checkpoint_policy::CheckpointPolicy;
use super::clock::Clock;
use super::command_queue::CommandQueue;
use super::early_stopping::EarlyStopping;
use super::job::Job;
use super::learner::{Learner, LearnerOptions};
use super::lookahead::Lookahead;
use super::not_finite::StabilitySettings;
use super::prepare::PreparedRun;
use super::report::training_summary;
use super::reselect::SelectionSettings;
use super::resume::ResumePoint;
use super::run::Run;
use super::select::{Selection, select_components};
use crate::device;
use crate::distributed::World;
use crate::estimate::oom;
use crate::protocol::{Event, Phase};
use crate::runs::checkpoint::{FORMAT, Manifest, ScheduleFacts, SlotEntry};
use crate::session::Port;
use crate::sift::TrainableParameter;

impl<'a> Run<'a> {
    /// Starts a run: selects what to train.
    pub fn start(job: &Job, mut prepared: PreparedRun, world: &Arc<World>, port: &'a Port) -> Result<Run<'a>> {
        port.emit(Event::Phase { phase: Phase::Selecting });
        let backward = LearnerOptions::of(&job.preset).backward(0);
        let settings = SelectionSettings::of(&job.preset, prepared.rules.clone());
        let batches = prepared.loader.selecting(0, settings.batches);
        let memory = job.memory(&prepared.shape, prepared.network.parameters.device());
        let options = settings.first(backward, world);
        let Selection { parameters, mass, comparison, .. } =
            oom::explain(&memory, &batches, || select_components(&prepared.network, &options, &batches))?;
        let run = Run::new(job, prepared, &parameters, None, world, port)?;
        let covered = mass.as_ref().map(|mass| mass.overall);
        run.report_selection(mass);
        if let Some(covered) = covered {
            run.report_structures(covered, &comparison);
        }
        Ok(run)
    }

    /// Resumes a run with the selection and the state of a checkpoint.
    pub fn resume(
        job: &Job,
        prepared: PreparedRun,
        point: ResumePoint,
        world: &Arc<World>,
        port: &'a Port,
    ) -> Result<Run<'a>> {
        let ResumePoint { manifest, saved, path, changes } = point;
        let prepared = PreparedRun { loader: prepared.loader.with_short_batch(manifest.short_batch), ..prepared };
        let slots = manifest.slots.iter().zip(saved.selected);
        let weights = &prepared.network.parameters;
        let structure = prepared.rules.structure;
        let parameter = |(slot, selected): (&SlotEntry, Option<Tensor>)| TrainableParameter {
            name: slot.name.clone(),
            weights: weights.get(&slot.name),
            selected: selected.map(|indices| structure.recognize(&slot.shape, &indices)),
        };
        let parameters: Vec<TrainableParameter> = slots.map(parameter).collect();
        let patience = job.preset.train.patience;
        let mut run = Run::new(job, prepared, &parameters, Some((&manifest, path)), world, port)?;
        run.learner.restore_retired(&saved.retired);
        run.learner.restore(&saved.state, &saved.coverage);
        run.reselected = manifest.reselected;
        run.early_stopping = EarlyStopping::new(patience, manifest.since_best);
        (run.step, run.evaluated, run.best) = (manifest.step, manifest.evaluated, manifest.best);
        if changes.future_steps {
            // If this process is killed before its first checkpoint, the run must not go back to the earlier preset.
            run.checkpoint()?;
        }
        Ok(run)
    }

    fn new(
        job: &Job,
        prepared: PreparedRun,
        parameters: &[TrainableParameter],
        from: Option<(&Manifest, PathBuf)>,
        world: &Arc<World>,
        port: &'a Port,
    ) -> Result<Run<'a>> {
        let memory = job.memory(&prepared.shape, prepared.network.parameters.device());
        let stability = StabilitySettings::of(&job.preset, job.folder.path().display().to_string());
        let PreparedRun {
            network,
            loader,
            evaluator,
            best_score,
            learning_rate,
            classes,
            head,
            base,
            data,
            generator,
            rules,
            shape: _,
            started,
            head_note: _,
            loaded: _,
        } = prepared;
        let evaluate_every = match job.preset.train.eval_every {
            0 => loader.steps_per_epoch(),
            steps => steps,
        };
        let (clock, step) =
            from.as_ref().map_or_else(Default::default, |(manifest, _)| (manifest.clock, manifest.step));
        let manifest = Manifest {
            format: FORMAT,
            version: env!("CARGO_PKG_VERSION").into(),
            run: job.folder.name().into(),
            preset: job.preset.toml.clone(),
            seed: job.preset.train.seed,
            short_batch: loader.short_batch(),
            schedule: ScheduleFacts { steps: loader.steps(), warmup: learning_rate.warmup, peak: learning_rate.peak },
            method: started.method,
            lora: started.lora,
            base,
            data,
            device: device::arithmetic(network.parameters.device()),
            labels: classes.names,
            label_numbers: classes.numbers,
            head,
            // Each checkpoint fills in what changes during the run.
            step,
            clock,
            epoch: 0.0,
            updates: 0,
            evaluated: None,
            reselected: None,
            best: None,
            since_best: 0,
            events: 0,
            slots: Vec::new(),
            files: Vec::new(),
        };
        let options = LearnerOptions::of(&job.preset);
        let selection = SelectionSettings::of(&job.preset, rules);
        let keep = job.preset.keep.clone();
        let predictions = (keep.predictions && world.is_first()).then(|| job.folder.path().to_owned());
        let target = CheckpointTarget {
            disk: job.disk.clone(),
            run: job.folder.clone(),
            keep: keep.checkpoints,
            emitter: port.emitter(),
        };
        let latest = from.map(|(_, path)| path);
        let writer = world.is_first().then(|| CheckpointWriter::start(target, latest)).transpose()?;
        let lookahead = Lookahead::new(job.read_every, network.parameters.device());
        let learner = Learner::new(network, parameters, options).among(world.clone());
        port.emit(Event::info(training_summary(&learner, &started)));
        learner.reduction_summary().into_iter().for_each(|summary| port.emit(Event::info(summary)));
        Ok(Run {
            port,
            world: world.clone(),
            commands: CommandQueue::new(port, world.clone()),
            learner,
            loader,
            evaluator,
            evaluate_every,
            predictions,
            generator,
            best_score,
            learning_rate,
            selection,
            clock: Clock::start(clock),
            lookahead,
            step,
            reselected: None,
            evaluated: None,
            best: None,
            early_stopping: EarlyStopping::new(job.preset.train.patience, 0),
            checkpoints: CheckpointPolicy::new(port, keep, manifest, writer, step),
            memory,
            may_start_again: false,
            failed_together: false,
            stability,
        })
    }
}
