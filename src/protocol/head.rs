//! The classification head that a run starts with.

use serde::{Deserialize, Serialize};

/// Where the rows of a classification head come from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HeadRows {
    /// The base checkpoint, in its order; a checkpoint without a head gets a new one.
    #[default]
    AsStored,
    /// The base checkpoint: row `i` is its row `order[i]`.
    Reordered(Vec<usize>),
    /// A new head, whatever the base checkpoint has.
    New,
}

impl HeadRows {
    /// Whether the rows are those of the base checkpoint in its order.
    pub fn is_as_stored(&self) -> bool {
        *self == HeadRows::AsStored
    }
}
