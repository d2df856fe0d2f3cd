//! Brings tensors together whose rows are sharded over the ranks, a few at a time and ahead of their use.

use std::sync::Arc;

use tch::{Device, Kind, Tensor, no_grad};

use super::DistributedError;
use super::work::Pending;
use super::world::World;
use crate::device::copies::BUFFERS;

/// Gathers under way, into each of the buffers that take turns.
pub struct Gathers {
    world: Arc<World>,
    under_way: [Vec<Gather>; BUFFERS],
    failed: Option<DistributedError>,
}

/// A tensor on its way.
struct Gather {
    pending: Option<Pending>,
    /// Where it is wanted, if the operation cannot put it there, and where it does.
    copied: Option<(Tensor, Tensor)>,
    whole: Tensor,
    /// What is sent.
    _own: Tensor,
}

impl Gathers {
    /// From these ranks.
    pub fn among(world: Arc<World>) -> Gathers {
        Gathers { world, under_way: Default::default(), failed: None }
    }

    /// Their ranks.
    pub fn world(&self) -> &World {
        &self.world
    }

    /// Starts to bring tensors into a buffer: each with what this rank has of it. A whole tensor is contiguous and has the parts of all ranks, which
    /// are as large as each other, one after the other. All ranks start the same in the same order.
    pub fn start(&mut self, number: usize, tensors: &[(Tensor, Tensor)]) {
        debug_assert!(self.under_way[number].is_empty(), "a buffer has one use at a time");
        for (whole, own) in tensors {
            let gather = no_grad(|| self.gather(whole, own));
            self.under_way[number].push(gather);
        }
    }

    fn gather(&mut self, whole: &Tensor, own: &Tensor) -> Gather {
        let bytes = |tensor: &Tensor| tensor.view(-1).view_dtype(Kind::Uint8);
        let direct = self.world.reaches(whole);
        let (place, own) = if direct {
            (whole.shallow_clone(), bytes(&own.to_device(whole.device())))
        } else {
            (Tensor::empty(whole.size(), (whole.kind(), Device::Cpu)), bytes(&own.to_device(Device::Cpu)))
        };
        let pending = match self.world.start_all_gather(&bytes(&place), &own) {
            Ok(pending) => pending,
            Err(error) => {
                self.failed.get_or_insert(error);
                None
            }
        };
        let copied = (!direct).then(|| (whole.shallow_clone(), place));
        Gather { pending, copied, whole: whole.shallow_clone(), _own: own }
    }

    /// Waits for what was started into a buffer. What has not come is not a number, so that nothing is computed from it unnoticed.
    pub fn wait_for(&mut self, number: usize) {
        for Gather { pending, copied, whole, .. } in self.under_way[number].drain(..) {
            let waited = match (&self.failed, pending) {
                (None, Some(pending)) => self.world.wait_for(pending),
                (Some(failed), _) => Err(failed.clone()),
                (None, None) => Ok(()),
            };
            no_grad(|| match waited {
                Ok(()) => copied.into_iter().for_each(|(wanted, place)| wanted.shallow_clone().copy_(&place)),
                Err(error) => {
                    self.failed.get_or_insert(error);
                    let _ = whole.shallow_clone().fill_(f64::NAN);
                }
            });
        }
    }

    /// Whether everything has come so far.
    ///
    /// # Errors
    /// A rank that is gone or does not take part in time.
    pub fn outcome(&self) -> Result<(), DistributedError> {
        self.failed.clone().map_or_else(|| self.world.outcome(), Err)
    }
}

impl Drop for Gathers {
    fn drop(&mut self) {
        // The buffers must not go before.
        (0..BUFFERS).for_each(|number| self.wait_for(number));
    }
}
