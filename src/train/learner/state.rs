//! The trained state of a learner as a whole, wherever its parts are: its size, saving and restoring it, training another selection.

use tch::{Device, Tensor};

use super::{Learner, own_parts, release};
use crate::distributed::DistributedError;
use crate::sift::{
    self, Coverage, FlatGradient, Retired, SavedRetired, Selected, Slot, State, TrainableParameter, Values,
    relative_updates,
};

/// All trained components.
pub struct TrainedState {
    pub state: State,
    /// Of each sparse slot those that have left its selection; empty if none has.
    pub retired: Vec<SavedRetired>,
}

impl Learner {
    /// What this process trains.
    pub fn values(&self) -> &Values {
        &self.values
    }

    /// All trained parameters, sparse ones first.
    pub fn slots(&self) -> &[Slot] {
        self.gradient.slots()
    }

    /// Trained components of sparse parameters.
    pub fn sparse(&self) -> i64 {
        self.slots().iter().filter(|slot| slot.selected.is_some()).map(Slot::trained).sum()
    }

    /// Trained components of all parameters.
    pub fn total(&self) -> i64 {
        self.slots().iter().map(Slot::trained).sum()
    }

    /// Bytes of the indices, and of all vectors of trained components, on this process's device.
    pub fn bytes(&self) -> (u64, u64) {
        let (mut indices, vectors) = self.values.bytes();
        if self.own.is_some() {
            // Beside the indices of what this rank trains.
            indices += self.slots().iter().filter_map(|slot| slot.selected.as_ref()).map(Selected::bytes).sum::<u64>();
        }
        let gradient = self.gradient.sum();
        (indices, vectors + (gradient.numel() * gradient.kind().elt_size_in_bytes()) as u64)
    }

    /// Whether each rank keeps and trains a part of the weights, so that all of them are needed for whatever computes with weights.
    pub fn is_sharded(&self) -> bool {
        self.network.offload.as_ref().is_some_and(|offload| offload.is_sharded())
    }

    /// What the first rank says, where the ranks have to do something together; what this one says where they do not.
    ///
    /// # Errors
    /// A rank that is gone.
    pub fn agreed(&self, own: bool) -> Result<bool, DistributedError> {
        if !self.is_sharded() {
            return Ok(own);
        }
        Ok(self.world.broadcast(vec![u8::from(own)])? == [1])
    }

    /// Relative update of each sparse slot ([`Values::updates`]).
    ///
    /// # Errors
    /// A rank that is gone.
    pub fn updates(&self) -> Result<Vec<f64>, DistributedError> {
        let Some(own) = &self.own else { return Ok(self.values.updates()) };
        let [update, size] = self.values.update_squares();
        Ok(relative_updates(&own.sum(&update, &self.world)?, &own.sum(&size, &self.world)?))
    }

    /// All trained components, in host memory.
    ///
    /// # Errors
    /// A rank that is gone.
    pub fn state(&self) -> Result<TrainedState, DistributedError> {
        let state = self.values.state();
        let retired = self.values.retired().iter().map(|Retired { indices, values, .. }| SavedRetired {
            indices: indices.shallow_clone(),
            values: values.shallow_clone(),
        });
        let retired: Vec<SavedRetired> = retired.collect();
        let copied = |tensor: &Tensor| match &self.own {
            Some(own) => own.whole(tensor, &self.world),
            None if tensor.device() == Device::Cpu => Ok(tensor.copy()),
            None => Ok(tensor.to_device(Device::Cpu).contiguous()),
        };
        let births = state.births.as_ref().map(copied).transpose()?;
        Ok(TrainedState {
            state: State {
                master: copied(&state.master)?,
                first_moment: copied(&state.first_moment)?,
                second_moment: copied(&state.second_moment)?,
                updates: state.updates,
                births,
            },
            retired: match &self.own {
                Some(own) => own.whole_retired(retired, &self.world)?,
                None => retired,
            },
        })
    }

    /// Number of components of each sparse slot that have left its selection; none if none has.
    ///
    /// # Errors
    /// A rank that is gone.
    pub fn retired(&self) -> Result<Vec<u64>, DistributedError> {
        self.over_ranks(self.values.retired().iter().map(|retired| retired.indices.numel() as f64).collect())
    }

    /// Counts of sparse slots, added up over the ranks that have different components of them.
    fn over_ranks(&self, own: Vec<f64>) -> Result<Vec<u64>, DistributedError> {
        let counts = self.own.as_ref().map_or_else(|| Ok(own.clone()), |parts| parts.sum(&own, &self.world))?;
        Ok(counts.into_iter().map(|count| count as u64).collect())
    }

    /// Restores the state and the gradient mass of a checkpoint with the same selection.
    pub fn restore(&mut self, state: &State, coverage: &Tensor) {
        release(&self.network);
        match &self.own {
            None => self.values.restore(state),
            Some(own) => self.values.restore(&State {
                master: own.of(&state.master),
                first_moment: own.of(&state.first_moment),
                second_moment: own.of(&state.second_moment),
                updates: state.updates,
                births: state.births.as_ref().map(|births| own.of(births)),
            }),
        }
        self.coverage.restore(coverage, self.network.parameters.device());
    }

    /// Restores the components of each target that have left the selection.
    pub fn restore_retired(&mut self, saved: &[SavedRetired]) {
        release(&self.network);
        match &self.own {
            None => self.values.restore_retired(saved),
            Some(own) => self.values.restore_retired(&own.own_retired(saved)),
        }
    }

    /// Trains the components of another selection of the same targets from the next step on ([`Values::reselect`]), with the
    /// gradient mass that it covers. No step may be pending. Returns how many components stay of each target.
    ///
    /// # Errors
    /// A rank that is gone.
    pub fn reselect(
        &mut self,
        parameters: &[TrainableParameter],
        coverage: Coverage,
    ) -> Result<Vec<u64>, DistributedError> {
        debug_assert!(self.pending.is_empty(), "steps of the earlier selection are pending");
        let device = self.network.parameters.device();
        let slots = Slot::in_order(parameters, device);
        let (trained, own) = own_parts::own(&self.network, parameters, &slots);
        let selected: Vec<Selected> = trained.iter().filter_map(|parameter| parameter.selected.clone()).collect();
        release(&self.network);
        let kept = self.values.reselect(&selected).into_iter().map(|kept| kept as f64).collect();
        self.own = own;
        let (kind, kernels) = (self.gradient.sum().kind(), sift::kernels(device));
        self.gradient = FlatGradient::new(slots, kind, device, &kernels);
        self.plan_gradients();
        self.overlay();
        self.coverage = coverage;
        self.over_ranks(kept)
    }
}
