//! Step time and memory of the real training path: forward alone, full fine-tuning, and SIFT with dense or sampled gradients.
//!
//! Each method runs in a process of its own, so that its memory can be measured. The process has a [`Worker`], which opens the
//! [`Setup`] and runs a step on request; the [`Coordinator`] alternates the steps of all workers, so that other load on the
//! machine affects them alike.

mod batches;
mod coordinator;
mod report;
mod setup;
mod spec;
mod worker;

pub use coordinator::{Coordinator, Kill};
pub use report::Report;
pub use setup::Setup;
pub use spec::{BenchInputs, BenchModel, Method, Spec};
pub use worker::Worker;
