//! What `[sift]` selects components by: the criterion, the structure and the budget, and their keys.

use super::document::Document;
use crate::Usage;

/// The criterion of the selection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Select {
    /// The largest gradients: SIFT.
    Gradient,
    /// The largest products of gradient and weight (SNIP).
    GradientTimesWeight,
    /// The largest mean squared gradients over `sift.batches`: the diagonal of the empirical Fisher information.
    Fisher,
    /// The largest ratios of gradient and weight (GaLLoP).
    Gallop,
    /// The largest weights.
    Magnitude,
    /// The largest components of the weight's best approximation of a low rank (LIFT).
    Lift {
        /// `sift.lift_rank`. Default 128.
        rank: i64,
    },
    /// Uniformly at random.
    Random,
}

/// The sets of components that may be selected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SelectStructure {
    /// Single components: SIFT.
    Entries,
    /// The same number of components in every row.
    PerRow,
    /// Whole columns: all weights of an input.
    Columns,
    /// Whole rows: all weights of an output.
    Rows,
    /// Where chosen rows and chosen columns cross.
    RowsColumns,
    /// Blocks.
    Blocks {
        /// The most rows and columns of a block, `sift.block_size`. Default 64.
        side: i64,
    },
}

/// What `sift.rate` is a share of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SelectBudget {
    /// Each target.
    PerTensor,
    /// All targets together, by score.
    Global,
}

impl Select {
    pub(super) const DEFAULT_RANK: i64 = 128;
    pub(super) const NAMES: [(&str, Select); 7] = [
        ("gradient", Select::Gradient),
        ("gradient_times_weight", Select::GradientTimesWeight),
        ("fisher", Select::Fisher),
        ("gallop", Select::Gallop),
        ("magnitude", Select::Magnitude),
        ("lift", Select::Lift { rank: Select::DEFAULT_RANK }),
        ("random", Select::Random),
    ];

    /// As in a preset.
    pub fn name(self) -> &'static str {
        match self {
            Select::Gradient => "gradient",
            Select::GradientTimesWeight => "gradient_times_weight",
            Select::Fisher => "fisher",
            Select::Gallop => "gallop",
            Select::Magnitude => "magnitude",
            Select::Lift { .. } => "lift",
            Select::Random => "random",
        }
    }
}

impl SelectBudget {
    pub(super) const NAMES: [(&str, SelectBudget); 2] =
        [("per_tensor", SelectBudget::PerTensor), ("global", SelectBudget::Global)];

    /// As in a preset.
    pub fn name(self) -> &'static str {
        match self {
            SelectBudget::PerTensor => "per_tensor",
            SelectBudget::Global => "global",
        }
    }
}

impl SelectStructure {
    pub(super) const DEFAULT_SIDE: i64 = 64;
    pub(super) const NAMES: [(&str, SelectStructure); 6] = [
        ("entries", SelectStructure::Entries),
        ("per_row", SelectStructure::PerRow),
        ("columns", SelectStructure::Columns),
        ("rows", SelectStructure::Rows),
        ("rows_columns", SelectStructure::RowsColumns),
        ("blocks", SelectStructure::Blocks { side: SelectStructure::DEFAULT_SIDE }),
    ];

    /// All structures, with this one in the place of its kind.
    #[cfg(feature = "torch")]
    pub(crate) fn all(this: SelectStructure) -> Vec<SelectStructure> {
        let all = Self::NAMES.into_iter().map(|(name, structure)| if name == this.name() { this } else { structure });
        all.collect()
    }

    /// As in a preset.
    pub fn name(self) -> &'static str {
        match self {
            SelectStructure::Entries => "entries",
            SelectStructure::PerRow => "per_row",
            SelectStructure::Columns => "columns",
            SelectStructure::Rows => "rows",
            SelectStructure::RowsColumns => "rows_columns",
            SelectStructure::Blocks { .. } => "blocks",
        }
    }
}

/// The criterion of the selection, with the rank of LIFT.
pub(super) fn criterion(document: &Document) -> Result<Select, Usage> {
    let rank = document.integer("sift.lift_rank")? as i64;
    let select = document.one_of("sift.select", &Select::NAMES)?.unwrap_or(Select::Gradient);
    match select {
        Select::Fisher if document.integer("sift.batches")? == 1 => {
            let why = "is \"fisher\", which needs the gradients of several micro-batches; set sift.batches, such as 32";
            Err(document.error_at("sift.select", why))
        }
        Select::Lift { .. } => Ok(Select::Lift { rank }),
        select => Ok(select),
    }
}

/// The structure of the selection, with the size of blocks.
pub(super) fn structure(document: &Document) -> Result<SelectStructure, Usage> {
    let side = document.integer("sift.block_size")? as i64;
    let structure = document.one_of("sift.structure", &SelectStructure::NAMES)?.unwrap_or(SelectStructure::Entries);
    Ok(match structure {
        SelectStructure::Blocks { .. } => SelectStructure::Blocks { side },
        structure => structure,
    })
}

/// The budget, with the structures that a global one takes.
pub(super) fn budget(document: &Document) -> Result<SelectBudget, Usage> {
    let budget = document.one_of("sift.budget", &SelectBudget::NAMES)?.unwrap_or(SelectBudget::PerTensor);
    match (budget, structure(document)?) {
        (SelectBudget::Global, structure @ (SelectStructure::PerRow | SelectStructure::RowsColumns)) => {
            let why = format!(
                "is \"global\", which sift.structure = \"{}\" cannot have: it fixes a number for each matrix; use \
                 per_tensor, or entries, columns, rows or blocks",
                structure.name()
            );
            Err(document.error_at("sift.budget", &why))
        }
        _ => Ok(budget),
    }
}
