//! Operations of all ranks that are under way.

use tch::{Tensor, no_grad};

use super::DistributedError;
use super::group;
use super::nccl::OnStream;
use super::world::World;

/// An operation under way. Its tensor must be neither read nor written before it was waited for.
#[must_use = "the tensor is complete once the operation was waited for"]
pub struct Work<'a> {
    pub(super) world: &'a World,
    /// None in a world of one.
    pub(super) pending: Option<Pending>,
    /// The tensor on a GPU, and its copy in host memory that the operation is on.
    pub(super) copied: Option<(Tensor, Tensor)>,
}

/// An operation under way, on either engine.
pub(super) enum Pending {
    Gloo(group::Pending),
    Nccl(OnStream),
}

impl Work<'_> {
    /// What is computed from here on has the result of the operation. With NCCL this thread does not wait for it, so that
    /// [`World::outcome`] has to be asked once something of it was read.
    ///
    /// # Errors
    /// A rank that is gone, or does not take part in time.
    pub fn wait(self) -> Result<(), DistributedError> {
        let Some(pending) = self.pending else { return Ok(()) };
        self.world.wait_for(pending)?;
        if let Some((tensor, host)) = &self.copied {
            no_grad(|| tensor.shallow_clone().copy_(host));
        }
        Ok(())
    }

    /// Returns once the operation is done.
    ///
    /// # Errors
    /// A rank that is gone, or does not take part in time.
    pub(super) fn finish(self) -> Result<(), DistributedError> {
        match self.pending {
            Some(Pending::Nccl(pending)) => pending.finish(),
            _ => self.wait(),
        }
    }
}
