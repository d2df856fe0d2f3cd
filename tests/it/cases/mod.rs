//! Models and data as people have them: each is read right, or refused in one clear line.

mod chat;
#[cfg(feature = "torch")]
mod heads;
mod labels;
mod models;
mod output;
#[cfg(feature = "torch")]
mod resuming;
mod tables;
