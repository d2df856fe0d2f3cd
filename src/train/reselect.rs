//! How a run selects components: at its start, and again while it trains.

use std::time::Instant;

use anyhow::Result;

use super::run::Run;
use super::select::{SelectionOptions, select_components};
use crate::distributed::World;
use crate::estimate::oom;
use crate::inputs;
use crate::model::backward::BackwardOptions;
use crate::model::mixed;
use crate::preset::Preset;
use crate::protocol::{Event, Phase, Reselected, Structures};
use crate::sift::select::{Budget, Criterion, Structure};
use crate::sift::{Rules, Selected};

/// The settings of a run's selections.
pub(super) struct SelectionSettings {
    rules: Rules,
    criterion: Criterion,
    budget: Budget,
    seed: u64,
    /// Micro-batches whose gradient selects; `None` for those of a step.
    pub batches: Option<usize>,
    /// Steps between selections; 0 selects once.
    every: u64,
    /// All structures, with their names.
    pub structures: Vec<(&'static str, Structure)>,
    compared: Vec<Structure>,
    /// How the run selects, in words: `columns`, or `columns by magnitude`.
    name: String,
}

impl SelectionSettings {
    pub fn of(preset: &Preset, rules: Rules) -> SelectionSettings {
        let structures = inputs::structures(preset);
        let criterion = inputs::target_criterion(preset);
        let structure = preset.sift.structure.name();
        SelectionSettings {
            rules,
            criterion,
            budget: inputs::target_budget(preset),
            seed: preset.train.seed,
            batches: preset.sift.batches,
            every: preset.sift.reselect_every,
            compared: structures.iter().map(|(_, structure)| *structure).collect(),
            structures,
            name: match criterion {
                Criterion::Gradient => structure.to_owned(),
                _ => format!("{structure} by {}", preset.sift.select.name()),
            },
        }
    }

    /// The first selection.
    pub fn first<'a>(&'a self, backward: BackwardOptions, world: &'a World) -> SelectionOptions<'a> {
        let SelectionSettings { rules, criterion, budget, seed, compared, .. } = self;
        let (criterion, budget, seed) = (*criterion, *budget, *seed);
        SelectionOptions { rules, criterion, budget, seed, backward, compared, replaced: &[], world }
    }

    /// The selection before a step. A random one differs from step to step.
    fn again<'a>(
        &'a self,
        step: u64,
        backward: BackwardOptions,
        replaced: &'a [Selected],
        world: &'a World,
    ) -> SelectionOptions<'a> {
        SelectionOptions { seed: mixed(self.seed, step), compared: &[], replaced, ..self.first(backward, world) }
    }

    /// Whether the preset asks for a selection before this step.
    fn is_due(&self, step: u64) -> bool {
        self.every > 0 && step > 0 && step.is_multiple_of(self.every)
    }

    /// What the structure costs: `columns cover 73.9 % of the gradient mass, entries would cover 83.6 % (measured in 0.1 s)`.
    pub fn summary(&self, structures: &Structures) -> String {
        let mass = |name: &str| structures.structures.iter().find(|row| row.structure == name).map(|row| row.mass);
        let other = if self.name == "entries" { "columns" } else { "entries" };
        let by = if self.criterion == Criterion::Gradient { "" } else { " by gradient" };
        let would = mass(other).map(|mass| format!(", {other}{by} would cover {mass:.1} %")).unwrap_or_default();
        format!(
            "{} cover {:.1} % of the gradient mass{would} (measured in {:.1} s)",
            self.name, structures.covered, structures.seconds
        )
    }
}

impl Run<'_> {
    /// Selects components again if that is due before the next step, by the gradient of the current weights on the step's own
    /// batch. The same step never selects twice, so that a run that resumes there continues with its selection.
    pub(super) fn reselect_if_due(&mut self) -> Result<()> {
        let step = self.step;
        if !self.selection.is_due(step) || self.reselected == Some(step) || self.learner.sparse() == 0 {
            return Ok(());
        }
        self.finish_steps()?;
        let start = Instant::now();
        self.port.emit(Event::Phase { phase: Phase::Selecting });
        let batches = self.loader.selecting(step, self.selection.batches);
        let replaced: Vec<Selected> = self.learner.slots().iter().filter_map(|slot| slot.selected.clone()).collect();
        let options = self.selection.again(step, self.learner.backward(step), &replaced, &self.world);
        let network = &self.learner.network;
        let selection = oom::explain(&self.memory, &batches, || select_components(network, &options, &batches))?;
        let kept = self.learner.reselect(&selection.parameters, selection.coverage)?;
        self.reselected = Some(step);
        self.checkpoints.mark_changed();
        let (total, retired) = (self.learner.sparse() as u64, self.learner.retired()?);
        let reselected = Reselected {
            step,
            total,
            kept: kept.iter().sum::<u64>(),
            changed: total + retired.iter().sum::<u64>(),
            seconds: start.elapsed().as_secs_f64(),
            targets: self.learner.slots().iter().take(kept.len()).map(|slot| slot.trained() as u64).collect(),
        };
        let mass = match (&selection.replaced, &selection.mass) {
            (Some(before), Some(now)) => {
                format!("; gradient mass of this batch {:.1} %, before {:.1} %", now.overall, before.overall)
            }
            _ => String::new(),
        };
        self.port.emit(Event::info(format!(
            "selected again after step {step}: {:.1} % of the components stay{mass}",
            reselected.overlap()
        )));
        self.port.emit(Event::Reselected(reselected));
        self.report_memory();
        if let Some(mass) = &selection.mass {
            self.report_mass(mass);
        }
        self.port.emit(Event::Phase { phase: Phase::Training });
        Ok(())
    }
}
