//! What is measured of a run before any bound is computed: plain numbers.

use super::gaussian::{ChosenPrior, VarianceGrid};

/// Everything that the bounds of a run follow from.
#[derive(Clone, Debug, PartialEq)]
pub struct Evidence {
    /// Run, model and data in one line.
    pub subject: String,
    /// The probability with which a bound may fail.
    pub delta: f64,
    /// Training examples.
    pub examples: u64,
    /// How the selection depends on them.
    pub selection: SelectionDependence,
    /// Held-out examples.
    pub held_out_examples: u64,
    /// Errors of the trained weights.
    pub trained: Errors,
    /// Errors of always predicting the class that most training examples have.
    pub most_frequent: Errors,
    /// Trained components, in groups that share a variance. None is empty.
    pub groups: Vec<Group>,
    /// All parameters of the model, trained or not.
    pub parameters: Group,
    /// The Gibbs classifier at each level of noise, ascending, from few draws.
    pub levels: Vec<GibbsErrors>,
    /// The Gibbs classifier at the level that suits the prior around the initial weights best, from many draws of their own.
    pub initial: GibbsErrors,
    /// The same for the prior around a random initialisation.
    pub random: GibbsErrors,
    /// Whether the weights are stored in fewer bits than fp32.
    pub rounded: bool,
}

/// How the choice of the trained components depends on the training examples.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum SelectionDependence {
    /// Nothing was selected, or without looking at the examples.
    Independent,
    /// The gradients of so many examples decided.
    Gradients {
        examples: u64,
        /// ln of the number of selections that could have been made.
        ln_selections: f64,
    },
}

/// Shares of wrong predictions.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Errors {
    pub train: f64,
    pub held_out: f64,
}

/// Components with one variance in prior and posterior.
#[derive(Clone, Debug, PartialEq)]
pub struct Group {
    pub name: String,
    pub components: u64,
    /// ‖w − w₀‖²: from the values before training.
    pub from_initial: f64,
    /// ‖w − w_random‖²: from a random initialisation.
    pub from_random: f64,
}

/// Errors of the Gibbs classifier, which draws new weights for each prediction, averaged over draws.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GibbsErrors {
    /// Standard deviation of the noise of each group, in units of the root mean square of its change.
    pub noise: f64,
    pub train: f64,
    /// Draws of weights and of a batch behind `train`.
    pub draws: u64,
    pub held_out: f64,
}

/// Where a prior has its mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PriorMean {
    /// The values before training.
    Initial,
    /// A random initialisation.
    Random,
}

/// What a bound pays for a posterior, in nats.
#[derive(Clone, Debug, PartialEq)]
pub struct Complexity {
    /// The prior of each group.
    pub priors: Vec<ChosenPrior>,
    /// KL(Q‖P), summed over the groups.
    pub kl: f64,
    /// The choice of the prior variances.
    pub union: f64,
}

impl Group {
    /// Root mean square of the change by training. Not zero, since a Gaussian has a width.
    pub fn change(&self) -> f64 {
        const LEAST: f64 = 1e-8;
        (self.from_initial / self.components as f64).sqrt().max(LEAST)
    }

    fn distance(&self, mean: PriorMean) -> f64 {
        match mean {
            PriorMean::Initial => self.from_initial,
            PriorMean::Random => self.from_random,
        }
    }
}

impl SelectionDependence {
    /// Training examples that had no part in the selection.
    pub fn independent(self, examples: u64) -> u64 {
        match self {
            SelectionDependence::Independent => examples,
            SelectionDependence::Gradients { examples: selecting, .. } => examples.saturating_sub(selecting),
        }
    }
}

impl Complexity {
    /// Of the posterior with this noise from the prior with this mean, whose variances are chosen from the fixed grid.
    pub fn of(groups: &[Group], mean: PriorMean, noise: f64) -> Complexity {
        let choose = |group: &Group| {
            let posterior = (noise * group.change()).powi(2);
            VarianceGrid::FIXED.choose(group.components as f64, group.distance(mean), posterior)
        };
        let priors: Vec<ChosenPrior> = groups.iter().map(choose).collect();
        let sum = |of: fn(&ChosenPrior) -> f64| priors.iter().map(of).sum();
        Complexity { kl: sum(|prior| prior.kl), union: sum(|prior| prior.union), priors }
    }

    pub fn total(&self) -> f64 {
        self.kl + self.union
    }
}
