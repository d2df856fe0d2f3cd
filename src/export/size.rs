//! The size of a delta before it is exported.

use crate::protocol::Selected;

/// Whether indices into a parameter of this shape fit int32, which takes half the size of int64.
pub(super) fn narrow_indices(shape: &[i64]) -> bool {
    shape.iter().product::<i64>() <= i64::from(i32::MAX)
}

/// Bytes of the tensors of a delta: an int32 index (int64 in a huge parameter) and an fp32 value for each sparse
/// component, and an fp32 value for each dense one. The file's header comes on top. `changed` counts the sparse components
/// that differ from the base model where some have left the selection; their indices are taken to be narrow.
pub fn delta_bytes(selected: &Selected, changed: Option<u64>) -> u64 {
    let sparse = selected.targets.iter().map(|target| {
        let index = if narrow_indices(&target.shape) { 4 } else { 8 };
        target.selected * (index + 4)
    });
    let left = changed.map_or(0, |changed| changed.saturating_sub(selected.total));
    sparse.sum::<u64>() + 8 * left + selected.dense * 4
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::SelectedTarget;

    #[test]
    fn indices_of_a_huge_parameter_are_wide() {
        let target = |shape: Vec<i64>| SelectedTarget { name: "w".into(), shape, selected: 10 };
        let targets = vec![target(vec![384, 384]), target(vec![1 << 16, 1 << 16])];
        let selected = Selected { total: 20, of: 1, dense: 5, targets };
        assert_eq!(delta_bytes(&selected, None), 10 * 8 + 10 * 12 + 5 * 4);
        assert_eq!(delta_bytes(&selected, Some(23)), delta_bytes(&selected, None) + 3 * 8);
    }
}
