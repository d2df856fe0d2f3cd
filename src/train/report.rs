//! Events of a run: what is trained, steps and gradient mass.

use super::learner::{Learner, StepResult};
use super::run::Run;
use super::select::Comparison;
use crate::eval::rounded;
use crate::model::LoraConfig;
use crate::protocol::{
    Event, Mass, Memory, Selected, SelectedTarget, Started, Step, StructureMass, Structures, TargetMass, TrainingMethod,
};
use crate::quantity::grouped;
use crate::sift::{GradientMass, Role, Slot};

/// What is trained, in a line of the log: how SIFT computes its gradients, or what another method trains.
pub(super) fn training_summary(learner: &Learner, started: &Started) -> String {
    let (slots, total) = (learner.slots(), learner.total());
    let count = |components: i64| grouped(components.unsigned_abs());
    let text = match (started.method, started.lora) {
        (TrainingMethod::Full, _) => format!("full fine-tuning: all {} parameters are trained", count(total)),
        (TrainingMethod::Head, _) => {
            let names: Vec<&str> = slots.iter().map(|slot| slot.name.as_str()).collect();
            format!("head only: {} parameters are trained ({})", count(total), names.join(", "))
        }
        (TrainingMethod::Lora, Some(lora)) => {
            let adapters = || slots.iter().filter(|slot| LoraConfig::is_adapter(&slot.name));
            let (layers, trained) = (adapters().count() / 2, adapters().map(Slot::trained).sum::<i64>());
            format!(
                "LoRA r {}, alpha {}, dropout {}: {} parameters of adapters of {layers} linear layers are trained, and {} dense \
                 parameters",
                lora.r,
                lora.alpha,
                lora.dropout,
                count(trained),
                count(total - trained)
            )
        }
        _ => learner.gradient_summary(),
    };
    match learner.values().without_kernels() {
        Some(reason) => format!("{text}; by tensor operations in place of own kernels: {reason}"),
        None => text,
    }
}

impl Run<'_> {
    /// Reports what is trained, the memory it takes, and the gradient mass that it covers.
    pub(super) fn report_selection(&self, mass: Option<GradientMass>) {
        let learner = &self.learner;
        let sparse = || learner.slots().iter().filter(|slot| slot.role() == Role::Sparse);
        self.port.emit(Event::Selected(Selected {
            total: learner.sparse() as u64,
            of: sparse().map(|slot| slot.components() as u64).sum(),
            dense: (learner.total() - learner.sparse()) as u64,
            targets: sparse()
                .map(|slot| SelectedTarget {
                    name: slot.name.clone(),
                    shape: slot.shape.clone(),
                    selected: slot.trained() as u64,
                })
                .collect(),
        }));
        self.report_memory();
        if let Some(mass) = mass {
            self.report_mass(&mass);
        }
    }

    pub(super) fn report_memory(&self) {
        let (indices, optimizer) = self.learner.bytes();
        let weights = self.learner.network.device_bytes();
        self.port.emit(Event::Memory(Memory { weights, indices, optimizer }));
    }

    /// Reports a step, with the throughput of the steps that were read together.
    pub(super) fn report_step(&self, result: &StepResult, tokens_per_second: f64) {
        let step = result.step + 1;
        self.port.emit(Event::Step(Step {
            step,
            epoch: self.epoch(step),
            loss: result.loss,
            learning_rate: result.learning_rate,
            grad_norm: result.grad_norm,
            tokens_per_second,
            elapsed: self.clock.elapsed(),
            eta: self.clock.eta(self.loader.steps() - step, self.evaluations_after(step)),
        }));
        if let Some(mass) = &result.mass {
            self.report_mass(mass);
        }
    }

    /// Reports what other structures would cover, beside the run's own selection.
    pub(super) fn report_structures(&self, covered: f64, comparison: &Comparison) {
        let name =
            |structure| self.selection.structures.iter().find(|(_, known)| *known == structure).map(|(name, _)| *name);
        let rows = comparison.structures.iter().filter_map(|(structure, selected, mass)| {
            Some(StructureMass {
                structure: name(*structure)?.to_owned(),
                selected: *selected,
                mass: rounded(mass.overall),
                targets: mass.targets.iter().map(|target| rounded(target.percent)).collect(),
            })
        });
        let (structures, seconds) = (rows.collect::<Vec<_>>(), comparison.time.as_secs_f64());
        if structures.is_empty() {
            return;
        }
        let structures = Structures { covered: rounded(covered), structures, seconds };
        self.port.emit(Event::info(self.selection.summary(&structures)));
        self.port.emit(Event::Structures(structures));
    }

    pub(super) fn report_mass(&self, mass: &GradientMass) {
        // A rank that is gone is an error of the next step.
        let updates = self.learner.updates().unwrap_or_default();
        let targets = mass.targets.iter().map(|target| TargetMass {
            name: self.learner.slots()[target.slot].name.clone(),
            mass: rounded(target.percent),
            update: updates.get(target.slot).map(|update| rounded(100.0 * update)).filter(|update| update.is_finite()),
        });
        self.port.emit(Event::Mass(Mass { step: self.step, overall: mass.overall, targets: targets.collect() }));
    }
}
