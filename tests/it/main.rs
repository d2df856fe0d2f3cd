//! The one binary of integration tests: a module for each part of finesift.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod boundary;
mod byte_tokenizer;
mod hub;
mod hub_server;
mod instruct;
#[cfg(feature = "torch")]
mod language;
#[cfg(feature = "torch")]
mod method;
#[cfg(feature = "torch")]
mod parity;
#[cfg(feature = "torch")]
mod run;
#[cfg(feature = "torch")]
mod smollm2;
#[cfg(feature = "torch")]
mod talk;
#[cfg(feature = "torch")]
mod tiny;
#[cfg(feature = "torch")]
mod weights;
