//! Inputs and requests as people bring them, each a kind of fault that once went wrong.

#[cfg(feature = "torch")]
mod resuming;
