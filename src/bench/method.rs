//! The methods of a benchmark.

use crate::sift::select::Structure;

/// The most rows and columns of a block, as `sift.block_size` in presets.
const BLOCK_SIDE: i64 = 64;

/// What a step computes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// The loss, without gradients.
    Forward,
    /// Full fine-tuning.
    Full,
    /// LoRA adapters of the linear layers among SIFT's targets.
    Lora,
    /// SIFT with the dense gradient of each target.
    SiftDense,
    /// SIFT as in a run: gradients of the selected components only, where that is faster; dense on probe steps.
    SiftSampled,
    /// The same for whole columns.
    SiftColumns,
    /// The same for whole rows.
    SiftRows,
    /// The same for blocks.
    SiftBlocks,
}

impl Method {
    /// In the order of the table.
    pub const ALL: [Method; 8] = [
        Method::Forward,
        Method::Full,
        Method::Lora,
        Method::SiftDense,
        Method::SiftSampled,
        Method::SiftColumns,
        Method::SiftRows,
        Method::SiftBlocks,
    ];

    /// The name in options and tables.
    pub fn name(self) -> &'static str {
        match self {
            Method::Forward => "forward",
            Method::Full => "full",
            Method::Lora => "lora",
            Method::SiftDense => "sift-dense",
            Method::SiftSampled => "sift-sampled",
            Method::SiftColumns => "sift-columns",
            Method::SiftRows => "sift-rows",
            Method::SiftBlocks => "sift-blocks",
        }
    }

    /// Which sets of a target's components it may choose.
    pub(super) fn structure(self) -> Structure {
        match self {
            Method::SiftColumns => Structure::Columns,
            Method::SiftRows => Structure::Rows,
            Method::SiftBlocks => Structure::Blocks { side: BLOCK_SIDE },
            _ => Structure::Entries,
        }
    }
}
