//! The one binary of integration tests: a module for each part of finesift.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod board;
mod board_pty;
mod boundary;
mod hub;
mod hub_server;
#[cfg(feature = "torch")]
mod method;
#[cfg(feature = "torch")]
mod parity;
mod pty;
#[cfg(feature = "torch")]
mod run;
#[cfg(feature = "torch")]
mod tiny;
mod ui_fuzz;
#[cfg(feature = "torch")]
mod weights;
#[cfg(feature = "torch")]
mod workbench;
