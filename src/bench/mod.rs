//! Step time and memory of the real training path: forward alone, full fine-tuning, LoRA, and SIFT with dense or sampled gradients
//! of single components, columns, rows or blocks.
//!
//! Each method runs in a process of its own, so that its memory can be measured. The process has a [`Worker`], which opens the
//! [`Setup`] and runs a step on request; the [`Coordinator`] alternates the steps of all workers, so that other load on the
//! machine affects them alike. [`BenchMachine`] says where it was measured, a [`Profile`](profile::Profile) what a step spends its time on, and
//! [`Operations`](operations::Operations) how many launches it is made of.

mod batches;
mod coordinator;
mod machine;
mod method;
pub mod operations;
pub mod profile;
mod report;
mod setup;
mod spec;
mod worker;

pub use coordinator::{Coordinator, Kill};
pub use machine::BenchMachine;
pub use method::Method;
pub use report::{Report, StepKind};
pub use setup::Setup;
pub use spec::{BenchInputs, BenchModel, Spec};
pub use worker::Worker;
