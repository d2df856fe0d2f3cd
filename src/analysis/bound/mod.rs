//! The PAC-Bayes reading of a fine-tuned classifier: bounds on its error beside the measured one.
//!
//! ```text
//! open         the run: weights, examples, distances from initial and random weights   (libtorch)
//! windows      batches drawn for estimates                                             (libtorch)
//! gibbs        errors of the trained weights and of the Gibbs classifier               (libtorch)
//! analyze      measures all that is needed                                             (libtorch)
//! evidence     what was measured, and the complexity that follows
//! gaussian     KL divergence, grid of prior variances
//! selections   number of selections that could have been made
//! inequality   McAllester, Catoni, Langford and Seeger
//! bounds       the bounds of a run
//! report       findings, with notes, tables and figures
//! run          the analysis as the program starts it                                   (libtorch)
//! ```

#[cfg(feature = "torch")]
mod analyze;
mod bounds;
mod evidence;
mod figures;
mod gaussian;
#[cfg(feature = "torch")]
mod gibbs;
mod inequality;
mod notes;
#[cfg(feature = "torch")]
mod open;
mod report;
#[cfg(feature = "torch")]
mod run;
mod selections;
mod tables;
#[cfg(feature = "torch")]
mod windows;

#[cfg(feature = "torch")]
pub use analyze::{BoundOptions, analyze};
pub use evidence::{Errors, Evidence, GibbsErrors, Group, PriorMean, SelectionDependence};
pub use gaussian::{ChosenPrior, VarianceGrid, gaussian_kl};
pub use inequality::{Catoni, catoni, kl_bernoulli, kl_inverse, langford_seeger, mcallester, mean_bound};
pub use report::report;
#[cfg(feature = "torch")]
pub use run::{BoundSpec, run};
pub use selections::ln_binomial;
