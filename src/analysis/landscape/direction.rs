//! Directions in the space of weights.

use tch::{Kind, Tensor};

use crate::analysis::perturb::{Perturbation, Perturbed, noise};
use crate::device::deterministic::Deterministic;
use crate::model::mixed;

/// Up to this many bytes a random direction is kept in memory; a larger one is drawn again, parameter by parameter, whenever
/// it is needed.
const HELD: i64 = 256 << 20;

/// Added to norms that are divided by, as in the code of Li et al.
const TINY: f64 = 1e-10;

/// A direction: a part for each parameter of a [`Perturbation`], in the shape of its base.
pub struct Direction(Parts);

enum Parts {
    Held(Vec<Tensor>),
    /// Filter-normalised noise of this seed.
    Seeded(u64),
}

impl Direction {
    /// A random direction, filter-normalised: each row of a matrix is Gaussian noise scaled to the norm of the row of the base
    /// (Li, Xu, Taylor, Studer, Goldstein: "Visualizing the Loss Landscape of Neural Nets", NeurIPS 2018, arXiv 1712.09913,
    /// section 4).
    pub fn filter_normalised(of: &Perturbation, seed: u64) -> Direction {
        Direction::filter_normalised_within(of, seed, HELD)
    }

    pub(super) fn filter_normalised_within(of: &Perturbation, seed: u64, held: i64) -> Direction {
        if of.components() * 4 > held {
            return Direction(Parts::Seeded(seed));
        }
        let parts = of.parameters().iter().enumerate();
        Direction(Parts::Held(parts.map(|(number, parameter)| draw(parameter, number, seed)).collect()))
    }

    /// From the base to other values, fp32 in the shapes of the base.
    pub fn toward(of: &Perturbation, values: &[Tensor]) -> Direction {
        let part = |(parameter, values): (&Perturbed, &Tensor)| {
            let base = parameter.base();
            values.to_device(base.device()).view_as(&base) - base
        };
        Direction(Parts::Held(of.parameters().iter().zip(values).map(part).collect()))
    }

    /// A random direction whose rows are as long as those of another one.
    pub fn as_long_as(of: &Perturbation, other: &Direction, seed: u64) -> Direction {
        let part = |(number, parameter): (usize, &Perturbed)| {
            let like = other.part(number, parameter);
            row_normalised(&noise(&like, mixed(seed, number as u64)), &like, parameter)
        };
        Direction(Parts::Held(of.parameters().iter().enumerate().map(part).collect()))
    }

    /// The part for a parameter, by its number, fp32 in the shape of the parameter's base.
    pub fn part(&self, number: usize, parameter: &Perturbed) -> Tensor {
        match &self.0 {
            Parts::Held(parts) => parts[number].shallow_clone(),
            Parts::Seeded(seed) => draw(parameter, number, *seed),
        }
    }

    /// Its Euclidean norm.
    pub fn norm(&self, of: &Perturbation) -> f64 {
        let parts = of.parameters().iter().enumerate();
        let square = |part: Tensor| part.square().sum(Kind::Double).double_value(&[]);
        parts.map(|(number, parameter)| square(self.part(number, parameter))).sum::<f64>().sqrt()
    }
}

impl Perturbation {
    /// Sets the weights to the base plus a combination of directions.
    pub fn set_along(&mut self, combination: &[(f64, &Direction)]) {
        self.set(|number, parameter, base| {
            let parts = combination.iter().map(|(factor, direction)| direction.part(number, parameter) * *factor);
            parts.reduce(|sum, part| sum + part).unwrap_or_else(|| base.zeros_like())
        });
    }
}

fn draw(parameter: &Perturbed, number: usize, seed: u64) -> Tensor {
    let base = parameter.base();
    row_normalised(&noise(&base, mixed(seed, number as u64)), &base, parameter)
}

/// A tensor with each row scaled to the norm of that row of `like`. Rows are those of the parameter, also where only some of
/// its components are moved; a vector is one row.
fn row_normalised(tensor: &Tensor, like: &Tensor, parameter: &Perturbed) -> Tensor {
    let rows = if parameter.shape.len() > 1 { parameter.shape[0] } else { 1 };
    let width = parameter.shape.iter().product::<i64>() / rows.max(1);
    match &parameter.indices {
        None => {
            let norms = |tensor: &Tensor| {
                tensor.reshape([rows, -1]).square().sum_dim_intlist(Some(&[1i64][..]), true, Kind::Float).sqrt()
            };
            (tensor.reshape([rows, -1]) * (norms(like) / (norms(tensor) + TINY))).view_as(tensor)
        }
        Some(indices) => {
            let row = indices.divide_scalar_mode(width, "floor");
            let norms = |tensor: &Tensor| {
                let sums = Tensor::zeros([rows], (Kind::Float, tensor.device()));
                // On a GPU in one order, so that a direction that is drawn again is the same.
                let _deterministic = Deterministic::algorithms();
                sums.index_add(0, &row, &tensor.square()).sqrt()
            };
            tensor * (norms(like) / (norms(tensor) + TINY)).index_select(0, &row)
        }
    }
}
