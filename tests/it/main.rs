//! The one binary of integration tests: a module for each part of finesift.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod boundary;
mod checkpoints;
#[cfg(feature = "torch")]
mod crash;
mod disks;
#[cfg(feature = "torch")]
mod exports;
#[cfg(feature = "torch")]
mod faults;
mod hostile;
mod hub;
mod hub_server;
#[cfg(feature = "torch")]
mod method;
#[cfg(feature = "torch")]
mod parity;
#[cfg(feature = "torch")]
mod resume;
#[cfg(feature = "torch")]
mod run;
#[cfg(feature = "torch")]
mod signals;
#[cfg(feature = "torch")]
mod tiny;
#[cfg(feature = "torch")]
mod weights;
