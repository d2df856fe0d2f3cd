//! Ranks: the processes of one run, each with its share of every batch, on c10d as PyTorch's own jobs.
//!
//! ```text
//! launcher   which rank this process is, by the environment of torchrun, SLURM or Open MPI
//! hosts      the first host of SLURM's list of nodes
//! rendezvous how ranks find each other
//! store      where they do
//! group      collective operations: sums, broadcasts, gathers of tensors on the CPU
//! nccl       the same of tensors on GPUs
//! gather     tensors whose rows are sharded over the ranks
//! meter      what a rank has done so far
//! others     what a rank knows of the others
//! world      what a run needs of both, alone or with others
//! work       its operations that are under way
//! share      the rows of a batch that are a rank's
//! ```

mod gather;
mod group;
mod hosts;
mod launcher;
mod meter;
mod nccl;
mod others;
mod rendezvous;
mod share;
mod store;
#[cfg(test)]
pub(crate) mod tests;
mod work;
mod world;

use std::error::Error;
use std::fmt::{self, Display, Formatter};

pub use gather::Gathers;
pub use launcher::{Launcher, Placement};
pub use meter::{Exchanged, StepBegin, Steps};
pub use rendezvous::{Ranks, Rendezvous};
pub use share::{Share, shares};
pub use work::Work;
pub use world::World;

/// NCCL's version.
///
/// # Errors
/// Why it cannot be used.
pub fn nccl_version() -> Result<String, String> {
    nccl::Nccl::find()?.version()
}

/// Ranks that do not come together, or one that is gone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DistributedError(pub(crate) String);

impl DistributedError {
    /// With this reason.
    pub fn new(reason: impl Into<String>) -> DistributedError {
        DistributedError(reason.into())
    }
}

impl Display for DistributedError {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Error for DistributedError {}
