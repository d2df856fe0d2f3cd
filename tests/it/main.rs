//! All integration tests in one binary, a module for each part of finesift.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod analysis_screen;
mod ascii;
mod attach;
#[cfg(feature = "torch")]
mod attach_pty;
#[cfg(feature = "torch")]
mod bench;
#[cfg(feature = "torch")]
mod bound;
mod boundary;
#[cfg(feature = "torch")]
mod broken_presets;
mod byte_tokenizer;
mod cases;
mod charts_pty;
mod chat_masks;
#[cfg(feature = "torch")]
mod chat_pty;
mod chat_screen;
mod checkpoints;
#[cfg(feature = "torch")]
mod cli_errors;
mod comparison;
#[cfg(feature = "torch")]
mod crash;
mod differential_chat;
#[cfg(feature = "torch")]
mod differential_selection;
mod differential_tables;
mod disks;
mod docs;
#[cfg(feature = "torch")]
mod estimate;
#[cfg(feature = "torch")]
mod exports;
mod fuzz_chat;
mod fuzz_tables;
#[cfg(feature = "torch")]
mod global_batch;
mod history;
mod hostile;
#[cfg(all(feature = "torch", target_os = "linux"))]
mod hosts;
mod hub;
mod hub_server;
mod instruct;
#[cfg(feature = "torch")]
mod language_model;
mod layers;
#[cfg(feature = "torch")]
mod logging;
#[cfg(feature = "torch")]
mod lookahead;
#[cfg(feature = "torch")]
mod matmul;
#[cfg(feature = "torch")]
mod methods;
#[cfg(feature = "torch")]
mod nccl;
#[cfg(feature = "torch")]
mod offload;
mod pac_bayes;
mod palette;
#[cfg(feature = "torch")]
mod parity;
#[cfg(feature = "torch")]
mod pictures;
mod place;
mod pty;
#[cfg(feature = "torch")]
mod queue_pty;
mod queue_screen;
#[cfg(feature = "torch")]
mod ranks;
mod replay_pty;
#[cfg(feature = "torch")]
mod resume;
#[cfg(feature = "torch")]
mod run;
#[cfg(feature = "torch")]
mod run_faults;
mod runs_cli;
mod runs_screen;
mod runs_screen_pty;
#[cfg(feature = "torch")]
mod sift;
#[cfg(feature = "torch")]
mod signals;
#[cfg(feature = "torch")]
mod smollm2;
#[cfg(feature = "torch")]
mod structures;
#[cfg(feature = "torch")]
mod sweep;
mod sweep_screen;
#[cfg(feature = "torch")]
mod tiny;
mod ui_cards;
mod ui_fuzz;
mod ui_health;
mod ui_methods;
mod ui_monitor;
mod ui_ranks;
mod ui_samples;
#[cfg(feature = "torch")]
mod unpadded;
#[cfg(feature = "torch")]
mod weights;
mod wording;
#[cfg(feature = "torch")]
mod workbench;
