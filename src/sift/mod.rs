//! Sparse increment fine-tuning (Song et al., ICML 2024, arXiv 2312.11875): the method and nothing else.
//!
//! It works on names, shapes and tensors, and knows no model, no data and no front end. In reading order: which parameters
//! are targets ([`Rules`]), which of their components are selected ([`select`], [`Selected`]), the optimizer state of the trained components
//! ([`Values`]) and their gradient ([`FlatGradient`]), without the dense one ([`sampled`]), the optimizer ([`AdamW`]), and the gradient mass that the
//! selection covers ([`Coverage`]).

mod adamw;
mod flat_gradient;
mod fused;
mod mass;
mod proof;
mod retired;
pub mod sampled;
pub mod select;
mod selected;
mod state;
mod targets;
mod values;

pub use adamw::{AdamW, SparseDecay, UpdateGate};
pub use flat_gradient::FlatGradient;
pub use fused::{SlotGradient, bias_gradient};
pub use mass::{Coverage, GradientMass, SlotMass};
pub use proof::{check_kernels, kernels};
pub use retired::Retired;
pub use selected::{Blocks, Grid, Selected};
pub use state::{Slot, State, TrainableParameter};
pub use targets::{Role, Rules, budget};
pub use values::{SavedRetired, Values, relative_updates};
