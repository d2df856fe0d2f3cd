//! The loss around a model's weights: along random directions, along the trained increment, on a 2-D slice, and its sharpness.
//!
//! ```text
//! options     what to measure
//! outcome     what was measured
//! grid        the points along a line
//! oscillation how much a loss oscillates along a line
//! derivative  the derivative of a function that can only be evaluated
//! report      the report, of findings, notes, figures and tables
//! -- torch --
//! subject     a network, examples, a run's trained values
//! batches     the fixed examples: loss and gradient as functions of the weights
//! direction   filter-normalised random directions, the trained increment
//! sharpness   the largest eigenvalue of the Hessian
//! lobpcg      the largest eigenvalue of a matrix
//! measure     one set of weights after the other
//! run         the analysis as a front end runs it
//! ```

#[cfg(feature = "torch")]
mod batches;
mod derivative;
#[cfg(feature = "torch")]
mod direction;
mod figures;
mod findings;
mod grid;
#[cfg(feature = "torch")]
mod lobpcg;
#[cfg(feature = "torch")]
mod measure;
mod notes;
mod options;
mod oscillation;
mod outcome;
mod report;
#[cfg(feature = "torch")]
mod run;
#[cfg(feature = "torch")]
mod sharpness;
#[cfg(feature = "torch")]
mod subject;
mod tables;
#[cfg(test)]
#[cfg(feature = "torch")]
mod tests;

#[cfg(feature = "torch")]
pub use batches::{Batching, FixedBatches};
pub use derivative::{Derivative, derivative};
#[cfg(feature = "torch")]
pub use direction::Direction;
pub use grid::line;
#[cfg(feature = "torch")]
pub use lobpcg::{Eigenpair, IterationLimits, largest_eigenpair};
#[cfg(feature = "torch")]
pub use measure::{Observer, measure};
pub use options::{HessianScope, LandscapeOptions};
pub use oscillation::{MeanOscillation, Oscillation};
pub use outcome::{Around, Increment, Landscape, Sharpness, Slice, SlopeCheck, Weights};
pub use report::Facts;
#[cfg(feature = "torch")]
pub use run::{LandscapeSpec, run};
#[cfg(feature = "torch")]
pub use sharpness::{SharpnessOptions, largest_eigenvalue};
#[cfg(feature = "torch")]
pub use subject::{Subject, TrainedParameter, TrainedWeights};
