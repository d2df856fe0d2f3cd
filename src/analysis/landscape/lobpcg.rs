//! The largest eigenvalue of a symmetric matrix that is known only by its products with vectors.

use anyhow::Result;
use tch::{Kind, Tensor};

/// A residual below this share of the eigenvalue is rounding of fp32: no direction is left to search.
const ROUNDING: f64 = 1e-6;

/// When the iteration ends.
#[derive(Clone, Copy, Debug)]
pub struct IterationLimits {
    /// Products with the matrix at most.
    pub products: usize,
    /// Relative change of the eigenvalue from one product to the next, below which it has converged.
    pub tolerance: f64,
}

/// The result of an iteration.
pub struct Eigenpair {
    /// The Rayleigh quotient v·Hv of the unit vector v.
    pub value: f64,
    /// v.
    pub vector: Tensor,
    /// ‖Hv − λv‖: within this distance of `value` the matrix has an eigenvalue.
    pub residual: f64,
    /// Products with the matrix.
    pub products: usize,
    /// Whether the value had converged.
    pub converged: bool,
}

/// The largest eigenvalue of a symmetric matrix from its products with vectors, fp32 `[n]`, and a first vector.
///
/// The locally optimal conjugate gradient method (LOBPCG with one vector; A. V. Knyazev, "Toward the Optimal Preconditioned
/// Eigensolver", SIAM Journal on Scientific Computing 23, 2001): each product is spent on the residual, and the next vector is the
/// best one in the plane of the vector, its last change and the residual. Unlike power iteration it finds the largest eigenvalue
/// also where a negative one has the larger magnitude, and it does not slow down where both are alike. In memory: six vectors.
///
/// # Errors
/// Those of `times`.
pub fn largest_eigenpair(
    mut times: impl FnMut(&Tensor) -> Result<Tensor>,
    first: &Tensor,
    limits: IterationLimits,
) -> Result<Eigenpair> {
    let mut best = Image::of(unit(first), &mut times)?;
    let mut change: Option<Image> = None;
    let (mut products, mut before) = (1, f64::NAN);
    loop {
        let value = dot(&best.vector, &best.product);
        let rest = &best.product - &best.vector * value;
        let residual = norm(&rest);
        let exact = residual <= ROUNDING * value.abs();
        let converged = exact || (value - before).abs() <= limits.tolerance * value.abs();
        if converged || products >= limits.products {
            return Ok(Eigenpair { value, vector: best.vector, residual, products, converged });
        }
        before = value;
        let mut basis: Vec<&Image> = std::iter::once(&best).chain(&change).collect();
        let direction = Image::of(orthonormal(rest, &basis), &mut times)?;
        products += 1;
        basis.insert(1, &direction);
        let weights = best_combination(&basis);
        let mut added = direction.scaled(weights[1]);
        if let Some(change) = change {
            added = added.plus(&change.scaled(weights[2]));
        }
        best = best.scaled(weights[0]).plus(&added);
        // The part along the new vector says nothing new.
        change = added.orthonormal_to(&best);
    }
}

/// A vector, and the product of the matrix with it.
struct Image {
    vector: Tensor,
    product: Tensor,
}

impl Image {
    fn of(vector: Tensor, times: &mut impl FnMut(&Tensor) -> Result<Tensor>) -> Result<Image> {
        let product = times(&vector)?;
        Ok(Image { vector, product })
    }

    fn scaled(mut self, factor: f64) -> Image {
        let _ = (self.vector.g_mul_scalar_(factor), self.product.g_mul_scalar_(factor));
        self
    }

    fn plus(mut self, other: &Image) -> Image {
        let _ = (self.vector.g_add_(&other.vector), self.product.g_add_(&other.product));
        self
    }

    /// `None` if nothing is left beside a unit vector.
    fn orthonormal_to(self, unit: &Image) -> Option<Image> {
        let along = dot(&self.vector, &unit.vector);
        let rest = Image { vector: self.vector - &unit.vector * along, product: self.product - &unit.product * along };
        let length = norm(&rest.vector);
        (length > ROUNDING).then(|| rest.scaled(1.0 / length))
    }
}

/// The weights of the unit vector in the span of an orthonormal basis that has the largest Rayleigh quotient.
fn best_combination(basis: &[&Image]) -> Vec<f64> {
    let size = basis.len() as i64;
    let entries: Vec<f64> =
        basis.iter().flat_map(|row| basis.iter().map(|column| dot(&row.vector, &column.product))).collect();
    let projected = Tensor::from_slice(&entries).view([size, size]);
    // Rounding leaves it not quite symmetric; eigenvalues come in ascending order.
    let (_, vectors) = ((&projected + projected.tr()) / 2.0).linalg_eigh("L");
    let last = vectors.select(1, size - 1);
    (0..size).map(|index| last.double_value(&[index])).collect()
}

/// A vector made orthogonal to others, twice because rounding undoes some of it once, and a unit vector.
fn orthonormal(mut vector: Tensor, basis: &[&Image]) -> Tensor {
    for _ in 0..2 {
        vector = unit(&vector);
        for other in basis {
            vector = &vector - &other.vector * dot(&other.vector, &vector);
        }
    }
    unit(&vector)
}

pub(super) fn dot(a: &Tensor, b: &Tensor) -> f64 {
    (a * b).sum(Kind::Double).double_value(&[])
}

fn norm(vector: &Tensor) -> f64 {
    dot(vector, vector).sqrt()
}

fn unit(vector: &Tensor) -> Tensor {
    vector / norm(vector)
}
