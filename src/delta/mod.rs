//! What a checkpoint changes in its base model: the trained tensors of a checkpoint, and the parameters they replace.

mod adapters;
mod changes;
mod saved_state;
mod weight_delta;

pub use changes::{Changes, DeltaInfo, DenseChange, SparseChange};
pub use saved_state::{ChangedComponents, DamagedCheckpoint, SavedState, check_ascending};
pub use weight_delta::{RunDelta, WeightDelta};
