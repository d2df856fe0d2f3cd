//! The selection: a criterion scores the components of a target, and a structure says which sets of them may be chosen.

mod criterion;
mod largest;
mod structure;

pub use criterion::{Criterion, GradientSum};
pub use largest::{largest, random};
pub use structure::Structure;

use super::budget;
use tch::Tensor;

/// Selects components of one target: ascending flat row-major indices, int64 `[structure.components(shape, rate)]`.
///
/// `weight` and the gradient summed in `sum` have the target's shape; `seed` decides a random selection of this target.
pub fn select(
    criterion: Criterion,
    structure: Structure,
    rate: f64,
    weight: &Tensor,
    sum: &GradientSum,
    seed: u64,
) -> Tensor {
    let shape = weight.size();
    match (criterion, structure.of(&shape)) {
        (Criterion::Random, Structure::Entries) => {
            let components = shape.iter().product();
            random(components, budget(components, rate), seed)
        }
        (criterion, structure) => structure.choose(&criterion.score(weight, sum, seed), rate),
    }
}
