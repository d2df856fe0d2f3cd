//! Sparse increment fine-tuning (Song et al., ICML 2024, arXiv 2312.11875): the method and nothing else.
//!
//! It works on names, shapes and tensors, and knows no model, no data and no front end. In reading order: which
//! parameters are trained ([`Rules`]), which of their components ([`select`]), the state of those components
//! ([`Values`]), how their gradient is had without the whole one ([`sampled`]), how they move ([`AdamW`]), and how much
//! of the gradient they cover ([`Coverage`]).

mod adamw;
mod mass;
pub mod sampled;
pub mod select;
mod targets;
mod values;

pub use adamw::{AdamW, SparseDecay, UPDATE_PART, UpdateGate};
pub use mass::{Coverage, Covered};
pub use targets::{Role, Rules, budget};
pub use values::{Slot, State, TrainedParameter, Values};
