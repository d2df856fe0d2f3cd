//! What to measure of a landscape.

/// What to measure.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LandscapeOptions {
    /// Examples whose mean loss is measured.
    pub examples: usize,
    /// Random directions: at least 1.
    pub directions: usize,
    /// Points of a line: at least 3.
    pub points: usize,
    /// Random directions are followed this far to either side; at 1 a row of weights is changed by its own norm.
    pub span: f64,
    /// Points of a side of the 2-D slice: at least 2.
    pub grid: usize,
    /// The components whose Hessian is looked at.
    pub hessian: HessianScope,
    /// Hessian-vector products of an iteration for the largest eigenvalue at most.
    pub iterations: usize,
    /// Relative change at which an eigenvalue has converged.
    pub tolerance: f64,
    /// Seed of the examples, the directions and the random initialisation.
    pub seed: u64,
}

/// The components whose Hessian is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HessianScope {
    /// All components of the targets of `sift.modules`.
    Targets,
    /// The selected components of a run: as few numbers as are trained, for models whose targets do not fit in memory twice.
    Selected,
    /// Of none: sharpness is left out.
    None,
}

impl Default for LandscapeOptions {
    fn default() -> LandscapeOptions {
        LandscapeOptions {
            examples: 64,
            directions: 3,
            points: 25,
            span: 1.0,
            grid: 11,
            hessian: HessianScope::Targets,
            iterations: 20,
            tolerance: 1e-3,
            seed: 42,
        }
    }
}
