//! The analysis: the pre-trained network, its randomly initialised twin, and the network while it trains.

use anyhow::{Result, bail};

use super::measure::{BatchGradient, measure};
use super::report::{Settings, report};
use super::results::Pass;
use super::targets::Targets;
use super::top_set::TopSet;
use crate::Usage;
use crate::analysis::link::Reporter;
use crate::analysis::opened::OpenedForAnalysis;
use crate::analysis::report::Report;
use crate::data::Batch;
use crate::device::DeviceChoice;
use crate::inputs::{target_budget, target_criterion};
use crate::model::Network;
use crate::preset::Preset;
use crate::protocol::Progress;
use crate::sift::Role;
use crate::train::{Learner, LearnerOptions, LearningRate, Selection, SelectionOptions, select_components};

/// What to analyse.
pub struct GradientsSpec {
    pub preset: Preset,
    pub device: DeviceChoice,
    /// Batches to average over.
    pub batches: usize,
    /// Optimizer steps of a training between whose quarters gradients are measured; 0 for none.
    pub steps: u64,
    /// Whether to analyse all parameters, not the preset's targets only.
    pub all: bool,
}

/// Measures gradients, and reports how they are spread.
///
/// # Errors
/// [`Usage`](crate::Usage): a mistake in the preset, or files that do not fit it. A gradient that is not finite.
/// [`Cancelled`](crate::analysis::Cancelled).
pub fn run(spec: &GradientsSpec, reporter: &Reporter) -> Result<Report> {
    let mut opened = OpenedForAnalysis::open(&spec.preset, spec.device, reporter)?;
    let batches = opened.loader.first(spec.batches);
    let specs = opened.network.parameters.specs().iter();
    let analysed = specs.filter(|parameter| spec.all || opened.rules.role(&parameter.name) == Role::Sparse);
    let names: Vec<String> = analysed.map(|parameter| parameter.name.clone()).collect();
    if names.is_empty() {
        bail!(Usage("sift.modules names no parameter to analyse; set it, or analyse all parameters with --all".into()));
    }
    let targets = Targets::new(&names.iter().map(String::as_str).collect::<Vec<_>>());
    let settings = Settings {
        subject: format!("{} ({} on {})", spec.preset.name, model_name(&spec.preset.model.id), opened.data),
        rate: spec.preset.sift.rate,
        batch: spec.preset.train.batch,
        all: spec.all,
    };
    let checkpoints = if spec.steps == 0 { 0 } else { 4 };
    let mut measuring = Measuring {
        spec,
        targets,
        settings,
        batches,
        reporter,
        done: 0,
        total: 0,
        passes: Vec::new(),
        start: TopSet::default(),
    };
    measuring.total = (measuring.batches.len() * (2 + checkpoints)) as u64 + spec.steps;
    measuring.pass("pre-trained".into(), &opened.network)?;
    let twin = opened.random_twin()?;
    measuring.pass("random initialisation".into(), &twin)?;
    drop(twin);
    if spec.steps > 0 {
        measuring.train(opened)?;
    }
    Ok(measuring.report())
}

/// The analysis in progress.
struct Measuring<'a> {
    spec: &'a GradientsSpec,
    targets: Targets,
    settings: Settings,
    batches: Vec<Batch>,
    reporter: &'a Reporter,
    /// Batches and steps done, and all of them.
    done: u64,
    total: u64,
    passes: Vec<Pass>,
    /// The largest components of the first batch at the pre-trained weights.
    start: TopSet,
}

impl Measuring<'_> {
    /// Measures all batches on a network.
    fn pass(&mut self, name: String, network: &Network) -> Result<()> {
        self.passes.push(Pass::new(name));
        let (mut first, mut previous) = (TopSet::default(), TopSet::default());
        for number in 0..self.batches.len() {
            self.advance(0, format!("gradients, {}", self.passes[self.passes.len() - 1].name))?;
            let checkpointing = self.spec.preset.train.gradient_checkpointing;
            let gradient = measure(network, &self.targets, &self.batches[number], self.settings.rate, checkpointing)?;
            let BatchGradient { loss, magnitudes, overall, modules, layers, covered, top } = gradient;
            let is_start = self.passes.len() == 1 && number == 0;
            if let Some(pass) = self.passes.last_mut() {
                if number > 0 {
                    pass.with_first.push(top.overlap(&first));
                    pass.with_previous.push(top.overlap(&previous));
                } else {
                    pass.with_start = (!is_start).then(|| top.overlap(&self.start));
                    first = top.clone();
                }
                pass.losses.push(loss);
                pass.magnitudes.merge(&magnitudes);
                pass.overall.push(overall);
                pass.modules.push(modules);
                pass.layers.push(layers);
                pass.covered.push(covered);
            }
            if is_start {
                self.start = top.clone();
            }
            previous = top;
            self.advance(1, format!("gradients, {}", self.passes[self.passes.len() - 1].name))?;
            self.reporter.partial(&self.report());
        }
        Ok(())
    }

    /// Trains with the preset, and measures after each quarter.
    fn train(&mut self, opened: OpenedForAnalysis) -> Result<()> {
        let OpenedForAnalysis { network, rules, mut loader, .. } = opened;
        let preset = &self.spec.preset;
        let options = LearnerOptions::of(preset);
        let selection = SelectionOptions {
            criterion: target_criterion(preset),
            budget: target_budget(preset),
            seed: preset.train.seed,
            ..SelectionOptions::gradient(&rules, options.backward(0))
        };
        let batches = loader.selecting(0, preset.sift.batches);
        let Selection { parameters, .. } = select_components(&network, &selection, &batches)?;
        let rate = LearningRate {
            schedule: preset.train.schedule,
            peak: preset.train.learning_rate,
            warmup: (preset.train.warmup * self.spec.steps as f64).ceil() as u64,
            steps: self.spec.steps,
        };
        let mut learner = Learner::new(network, &parameters, options);
        for step in 0..self.spec.steps {
            self.advance(0, "training".into())?;
            // A preset of few steps begins again with its first epoch.
            learner.step(step, &loader.step(step), rate.at(step))?;
            self.advance(1, "training".into())?;
            let quarter = |step: u64| step * 4 / self.spec.steps;
            if quarter(step + 1) > quarter(step) {
                self.pass(format!("step {}", step + 1), &learner.network)?;
            }
        }
        Ok(())
    }

    fn advance(&mut self, by: u64, task: String) -> Result<()> {
        self.reporter.check()?;
        self.done += by;
        self.reporter.progress(Progress { task, done: self.done, total: self.total, unit: "batches".into() });
        Ok(())
    }

    fn report(&self) -> Report {
        report(&self.settings, &self.targets, &self.passes)
    }
}

/// The last part of a hub id or of a path.
fn model_name(id: &str) -> &str {
    id.trim_end_matches('/').rsplit('/').next().unwrap_or(id)
}
