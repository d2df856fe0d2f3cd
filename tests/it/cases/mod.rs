//! Models and data as people have them: each is read right, or refused in one clear line.

mod chat;
#[cfg(feature = "torch")]
mod heads;
mod hub_datasets;
mod labels;
mod models;
#[cfg(feature = "torch")]
mod models_in_runs;
mod output;
#[cfg(feature = "torch")]
mod resuming;
mod tables;
mod vocabulary;
