//! Memory and time of a preset before it runs, and why memory ran out.
//!
//! ```text
//! preset      the estimate of a preset; preview, download: its first batch, what it would download
//! memory      the bytes of a run, part by part, from shapes
//! run_shape   the shape of a run
//! fit         what fits a memory; advice: in words
//! auto_batch  the batch that is chosen for `train.batch = "auto"`
//! device      the memory of a device
//! oom         the error for memory that ran out
//! report      what screens show, which needs no libtorch
//! ```

#[cfg(feature = "torch")]
pub(crate) mod advice;
#[cfg(feature = "torch")]
mod auto_batch;
#[cfg(feature = "torch")]
mod device;
#[cfg(feature = "torch")]
mod download;
#[cfg(feature = "torch")]
mod fit;
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
mod run_shape;

#[cfg(feature = "torch")]
pub(crate) use device::device_memory;
#[cfg(feature = "torch")]
pub use download::download_sizes;
#[cfg(feature = "torch")]
pub use memory::StepShape;
#[cfg(feature = "torch")]
pub use preset::{Destination, Roots, estimate};
pub use report::*;
#[cfg(all(feature = "torch", test))]
pub(crate) use run_shape::tests::shape as test_shape;
#[cfg(feature = "torch")]
pub(crate) use run_shape::{DataShape, RunShape, SmallerBatch};
