//! finesift: a terminal workbench for sparse increment fine-tuning (SIFT) of pre-trained transformers.

pub mod alerts;
pub mod analysis;
pub mod attach;
mod axis;
#[cfg(feature = "torch")]
pub mod bench;
pub mod chat;
pub mod cli;
pub mod config;
pub mod data;
#[cfg(feature = "torch")]
pub mod delta;
#[cfg(feature = "torch")]
pub mod device;
#[cfg(feature = "torch")]
pub mod distributed;
pub mod estimate;
#[cfg(feature = "torch")]
pub mod eval;
pub mod export;
pub mod figure;
pub mod headless;
pub mod hub;
#[cfg(feature = "torch")]
pub mod inputs;
#[cfg(feature = "torch")]
#[warn(missing_docs)]
pub mod kernels;
mod logging;
pub mod metrics;
#[cfg(feature = "torch")]
#[warn(missing_docs)]
pub mod model;
mod model_folder;
pub mod outcome;
mod panics;
mod paths;
#[warn(missing_docs)]
pub mod preset;
#[warn(missing_docs)]
pub mod protocol;
mod quantity;
pub mod queue;
pub mod runs;
pub mod series;
pub mod session;
#[cfg(feature = "torch")]
#[warn(missing_docs)]
pub mod sift;
pub mod signals;
mod stdout;
mod suggest;
mod svg;
pub mod sweep;
pub mod system;
mod text;
mod toml_spans;
#[cfg(feature = "torch")]
pub mod train;
pub mod ui;
mod unfinished;

/// A mistake in what the user asked for, as opposed to a failure on the way: the program exits with 2, not 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Usage(pub String);

impl std::fmt::Display for Usage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Usage {}
