//! Events of a run: the selection, steps and gradient mass.

use super::learner::StepResult;
use super::run::Run;
use crate::eval::rounded;
use crate::protocol::{Event, Mass, Memory, Selected, SelectedTarget, Step, TargetMass};
use crate::sift::{GradientMass, Role};

impl Run<'_> {
    /// Reports what is trained, the memory it takes, and the gradient mass that it covers.
    pub(super) fn report_selection(&self, mass: Option<GradientMass>) {
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
            self.report_mass(&mass);
        }
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

    fn report_mass(&self, mass: &GradientMass) {
        let values = self.learner.values();
        let updates = values.updates();
        let targets = mass.targets.iter().map(|target| TargetMass {
            name: values.slots()[target.slot].name.clone(),
            mass: rounded(target.percent),
            update: updates.get(target.slot).map(|update| rounded(100.0 * update)).filter(|update| update.is_finite()),
        });
        self.port.emit(Event::Mass(Mass { step: self.step, overall: mass.overall, targets: targets.collect() }));
    }
}
