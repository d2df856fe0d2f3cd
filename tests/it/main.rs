//! The one binary of integration tests: a module for each part of finesift.

mod hub;
mod hub_server;
#[cfg(feature = "torch")]
mod parity;
