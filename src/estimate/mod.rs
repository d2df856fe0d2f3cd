//! Memory and time of a preset before it runs, and why memory ran out.

#[cfg(feature = "torch")]
mod download;
#[cfg(feature = "torch")]
pub(crate) mod memory;
#[cfg(feature = "torch")]
pub(crate) mod oom;
#[cfg(feature = "torch")]
mod preset;
#[cfg(feature = "torch")]
mod preview;
mod report;

#[cfg(feature = "torch")]
pub use download::download_sizes;
#[cfg(feature = "torch")]
pub use memory::StepShape;
#[cfg(feature = "torch")]
pub use preset::{Destination, Roots, estimate};
pub use report::*;
