//! The selection: a criterion scores the components of a target, and a structure says which sets of them may be chosen.

mod criterion;
mod global;
mod largest;
mod structure;

pub use criterion::{Criterion, GradientSum};
pub use global::{Candidates, GlobalBudget};
pub use largest::{largest, random};
pub use structure::Structure;

use super::budget;
use super::selected::Selected;
use tch::{Kind, Tensor};

/// What a rate is a share of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Budget {
    /// Each target: all get the same share.
    PerTensor,
    /// All targets together: those with larger scores get more, others perhaps nothing.
    Global,
}

/// Selects `structure.components(shape, rate)` components of one target.
///
/// `weight` and the gradient summed in `sum` have the target's shape; `seed` decides a random selection of this target.
pub fn select(
    criterion: Criterion,
    structure: Structure,
    rate: f64,
    weight: &Tensor,
    sum: &GradientSum,
    seed: u64,
) -> Selected {
    let shape = weight.size();
    match (criterion, structure.of(&shape)) {
        (Criterion::Random, Structure::Entries) => {
            let components = shape.iter().product();
            Selected::entries(&random(components, budget(components, rate), seed), &shape)
        }
        (criterion, structure) => structure.choose(&criterion.score(weight, sum, seed), rate),
    }
}

/// Adds the sets of a target to a budget over all targets. A set's score is the root mean square of its components' scores, so
/// that large sets are not worth more than small ones. `gradient` is that of [`GradientSum::gradient`].
///
/// # Panics
/// If the structure has no sets that may be chosen one by one ([`Structure::has_sets`]).
pub fn add_to_global(
    global: &mut GlobalBudget,
    target: usize,
    (criterion, structure): (Criterion, Structure),
    weight: &Tensor,
    sum: &GradientSum,
    seed: u64,
) {
    assert!(structure.has_sets(), "{structure:?} has no budget over all targets");
    let squares = structure.set_squares(&sum.gradient(criterion).square());
    let size = structure.set_size(&weight.size());
    let scores = match criterion {
        Criterion::Random => criterion::uniform(squares.numel(), seed).to_device(squares.device()),
        criterion if size == 1 => criterion.score(weight, sum, seed).abs().flatten(0, -1),
        criterion => {
            let square = criterion.score(weight, sum, seed).to_kind(Kind::Float).square();
            (structure.set_squares(&square) / size as f64).sqrt()
        }
    };
    global.add(target, &scores, &squares, size);
}

impl Candidates {
    /// The components of the sets in a target of this shape.
    pub fn selected(&self, structure: Structure, shape: &[i64]) -> Selected {
        structure.members(shape, &self.sets)
    }
}
