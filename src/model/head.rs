//! The classification head of an encoder: how many outputs it has, and where its rows come from.

use std::path::Path;

use anyhow::Result;

use super::builder::ParameterSpec;
use super::checkpoint::Checkpoint;
use super::config::ModelConfig;
use super::layout::Layout;
use super::weights::spellings;
use crate::protocol::HeadRows;

/// A classification head to load.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// Number of outputs: classes, or 1 for a regression. A decoder has no head.
    pub outputs: i64,
    /// Where its rows come from.
    pub rows: HeadRows,
}

impl Head {
    /// A head whose rows are those of the checkpoint, or newly initialised if it has none.
    pub fn as_stored(outputs: i64) -> Head {
        Head { outputs, rows: HeadRows::AsStored }
    }

    /// Whether a parameter is newly initialised even if the checkpoint has a tensor of its name.
    pub(super) fn is_new(&self, spec: &ParameterSpec) -> bool {
        self.rows == HeadRows::New && spec.is_classifier()
    }

    /// The row of the checkpoint that each row of a parameter is, if they are in another order.
    pub(super) fn order(&self, spec: &ParameterSpec) -> Option<Vec<i64>> {
        match &self.rows {
            HeadRows::Reordered(order) if spec.output => Some(order.iter().map(|&row| row as i64).collect()),
            _ => None,
        }
    }
}

/// Outputs of the classification head in a folder's weights; `None` if they have none. Only headers are read.
///
/// # Errors
/// [`Usage`](crate::Usage): weights that are missing or damaged.
pub fn stored_outputs(folder: &Path, config: &ModelConfig) -> Result<Option<i64>> {
    let checkpoint = Checkpoint::open(folder)?;
    // Names do not depend on the number of labels.
    let layout = Layout::of(config, 1);
    let output = layout.parameters.iter().find(|spec| spec.output && !spec.is_bias());
    let stored = output.and_then(|spec| spellings(spec).into_iter().find_map(|name| checkpoint.tensors.get(&name)));
    Ok(stored.and_then(|stored| stored.shape.first().copied()))
}
