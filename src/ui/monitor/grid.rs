//! The targets of a run as rows: a row for each block, and strips for what lies before and after the blocks.

use crate::runs::TargetHistories;

/// The least number of targets that share a strip.
const STRIP: usize = 4;

/// The rows of the map, in the order of the model.
pub(super) struct Grid {
    pub(super) rows: Vec<GridRow>,
    /// The modules of the blocks: the names of the columns.
    pub(super) modules: Vec<String>,
}

/// A row of the map.
pub(super) struct GridRow {
    pub(super) part: Part,
    /// The targets by their index; `None` where a block lacks a module.
    pub(super) targets: Vec<Option<usize>>,
}

/// The part of the model that a row shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// What lies before the blocks.
    Embeddings,
    /// A block, by its number.
    Block(u64),
    /// What lies behind the blocks.
    Head,
    /// A model without blocks.
    Whole,
}

impl Part {
    /// The part's name: of a block its number.
    pub(super) fn name(self) -> String {
        match self {
            Part::Embeddings => "embeddings".into(),
            Part::Block(number) => number.to_string(),
            Part::Head => "head".into(),
            Part::Whole => "targets".into(),
        }
    }

    pub(super) fn is_block(self) -> bool {
        matches!(self, Part::Block(_))
    }
}

impl Grid {
    pub(super) fn of(targets: &TargetHistories) -> Grid {
        let blocks: Vec<(usize, u64)> =
            targets.layers.iter().enumerate().filter_map(|(layer, number)| Some((layer, (*number)?))).collect();
        let modules: Vec<usize> = (0..targets.modules.len())
            .filter(|module| blocks.iter().any(|(layer, _)| targets.at(*module, *layer).is_some()))
            .collect();
        let block = |layer: usize| modules.iter().map(|module| targets.at(*module, layer)).collect::<Vec<_>>();
        let rows: Vec<GridRow> = blocks
            .iter()
            .map(|(layer, number)| GridRow { part: Part::Block(*number), targets: block(*layer) })
            .collect();
        // Outside of layers there is at most one target of a module.
        let outside = targets.layers.iter().position(Option::is_none);
        let mut others: Vec<usize> = outside
            .map(|layer| (0..targets.modules.len()).filter_map(|module| targets.at(module, layer)).collect())
            .unwrap_or_default();
        others.sort_unstable();
        let first = rows.iter().flat_map(|row| row.targets.iter().flatten()).min().copied();
        let head = others.partition_point(|target| first.is_none_or(|first| *target < first));
        let strips = |part: Part, targets: &[usize]| {
            let row = |targets: &[usize]| GridRow { part, targets: targets.iter().copied().map(Some).collect() };
            targets.chunks(modules.len().max(STRIP)).map(row).collect::<Vec<_>>()
        };
        let first = if blocks.is_empty() { Part::Whole } else { Part::Embeddings };
        let (before, behind) = (strips(first, &others[..head]), strips(Part::Head, &others[head..]));
        Grid {
            rows: before.into_iter().chain(rows).chain(behind).collect(),
            modules: modules.iter().map(|module| targets.modules[*module].clone()).collect(),
        }
    }

    /// The index of the target in a row and column; the last column where the row has fewer.
    pub(super) fn target(&self, row: usize, column: usize) -> Option<usize> {
        let targets = &self.rows.get(row)?.targets;
        *targets.get(column.min(targets.len().saturating_sub(1)))?
    }

    /// The row and column of a target.
    pub(super) fn cell_of(&self, target: usize) -> Option<(usize, usize)> {
        let column = |row: &GridRow| row.targets.iter().position(|other| *other == Some(target));
        self.rows.iter().enumerate().find_map(|(number, row)| Some((number, column(row)?)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::{Selected, SelectedTarget};

    fn grid(names: &[&str]) -> Grid {
        let target = |name: &&str| SelectedTarget { name: (*name).into(), shape: vec![4, 8], selected: 2 };
        let targets = names.iter().map(target).collect();
        Grid::of(&TargetHistories::of(&Selected { total: 0, of: 0, dense: 0, targets }))
    }

    #[test]
    fn blocks_are_rows_between_the_strips_of_embeddings_and_head() {
        let grid = grid(&[
            "model.embed_tokens.weight",
            "model.layers.0.q_proj.weight",
            "model.layers.2.q_proj.weight",
            "model.layers.2.o_proj.weight",
            "model.norm.weight",
            "lm_head.weight",
        ]);
        let rows: Vec<_> = grid.rows.iter().map(|row| (row.part, row.targets.clone())).collect();
        assert_eq!(
            rows,
            [
                (Part::Embeddings, vec![Some(0)]),
                (Part::Block(0), vec![Some(1), None]),
                (Part::Block(2), vec![Some(2), Some(3)]),
                (Part::Head, vec![Some(4), Some(5)]),
            ]
        );
        assert_eq!(grid.modules, ["q_proj", "o_proj"]);
        assert_eq!(
            [grid.target(0, 7), grid.target(1, 1), grid.target(2, 1), grid.target(9, 0)],
            [Some(0), None, Some(3), None]
        );
    }

    #[test]
    fn a_model_without_blocks_has_strips_only() {
        let names: Vec<String> = ('a'..='f').map(|letter| format!("{letter}.weight")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let rows: Vec<_> = grid(&names).rows.iter().map(|row| (row.part, row.targets.len())).collect();
        assert_eq!(rows, [(Part::Whole, 4), (Part::Whole, 2)]);
        assert!(grid(&[]).rows.is_empty());
    }
}
