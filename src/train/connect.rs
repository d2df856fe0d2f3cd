//! What ranks compute on, and who adds up what they have computed: NCCL on GPUs that it reaches, else Gloo.

use std::env;
use std::fmt::{self, Display, Formatter};

use anyhow::{Result, bail};
use tch::Device;

use crate::Usage;
use crate::device;
use crate::distributed::World;
use crate::protocol::Event;
use crate::session::Port;

/// Who adds up.
enum Summation {
    /// Through host memory, where the tensors are.
    Gloo,
    /// Through host memory, since NCCL cannot be used.
    GlooInstead(String),
    /// From GPU to GPU, by this version.
    Nccl(String),
}

/// Has the ranks' GPUs exchange tensors directly, if they can, and reports who adds up gradients.
///
/// # Errors
/// [`Usage`]: two ranks have the same GPU. A rank that is gone.
pub(super) fn connect(world: &World, device: Device, port: &Port) -> Result<()> {
    let gpus = world.all_gather(device::identity(device).unwrap_or_default().into_bytes())?;
    if let Some((first, second)) = with_same_gpu(&gpus) {
        bail!(Usage(format!(
            "ranks {first} and {second} have the same GPU; start as many ranks on a host as it has GPUs, and let the launcher number \
             them there (LOCAL_RANK, SLURM_LOCALID)"
        )));
    }
    let summation = if gpus.iter().all(|gpu| !gpu.is_empty()) {
        world.use_nccl(device)?.map_or_else(Summation::GlooInstead, Summation::Nccl)
    } else {
        Summation::Gloo
    };
    let set = |name| env::var_os(name).is_some_and(|value| !value.is_empty());
    if matches!(summation, Summation::Nccl(_)) && set("NCCL_DEBUG") && !set("NCCL_DEBUG_FILE") {
        port.emit(Event::warning(
            "NCCL_DEBUG is set: NCCL writes to stdout, over the screen, unless NCCL_DEBUG_FILE names a file",
        ));
    }
    port.emit(Event::info(format!(
        "{} ranks, each with its part of every batch; gradients are added up by {summation}",
        world.size()
    )));
    Ok(())
}

/// The first rank that has the GPU of one before it, with that one. A rank on a CPU has none.
fn with_same_gpu(gpus: &[Vec<u8>]) -> Option<(usize, usize)> {
    gpus.iter().enumerate().find_map(|(rank, gpu)| {
        let first = gpus[..rank].iter().position(|other| other == gpu && !gpu.is_empty())?;
        Some((first, rank))
    })
}

impl Display for Summation {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Summation::Gloo => f.write_str("Gloo"),
            Summation::GlooInstead(why) => write!(f, "Gloo, through host memory, since NCCL cannot be used: {why}"),
            Summation::Nccl(version) => write!(f, "NCCL {version}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranks_with_the_same_gpu_are_found_and_those_without_one_are_not() {
        let found = |gpus: &[&str]| with_same_gpu(&gpus.iter().map(|gpu| gpu.as_bytes().to_vec()).collect::<Vec<_>>());
        assert_eq!(found(&["a", "b", "c", "b", "a"]), Some((1, 3)));
        assert_eq!(found(&["a", "b", "c"]), None);
        assert_eq!(found(&["", "", "a"]), None);
    }
}
