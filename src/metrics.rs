//! Scores of predictions against the truth, as scikit-learn and SciPy compute them. Slices in, numbers out.
//!
//! Where a score is 0/0, such as a correlation with a constant, it is 0: the predictions tell nothing. scikit-learn does
//! so for F1 and Matthews' coefficient; SciPy gives NaN for correlations, which could not be compared or stored.

use std::collections::BTreeMap;

use crate::data::Labels;

/// The scores a task reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Metrics {
    /// `accuracy`.
    Accuracy,
    /// `accuracy` and `f1` of class 1.
    AccuracyAndF1,
    /// `accuracy` and `f1_macro`.
    AccuracyAndMacroF1,
    /// `matthews_correlation`.
    Matthews,
    /// `pearson` and `spearmanr`.
    Correlations,
}

impl Metrics {
    /// What suits labels of a user's.
    pub fn of(labels: &Labels) -> Metrics {
        match labels {
            Labels::Classes(names) if names.len() == 2 => Metrics::AccuracyAndF1,
            Labels::Classes(_) => Metrics::AccuracyAndMacroF1,
            Labels::Regression => Metrics::Correlations,
        }
    }

    /// Names of the scores, as Hugging Face's `evaluate` has them.
    pub fn names(self) -> &'static [&'static str] {
        match self {
            Metrics::Accuracy => &["accuracy"],
            Metrics::AccuracyAndF1 => &["accuracy", "f1"],
            Metrics::AccuracyAndMacroF1 => &["accuracy", "f1_macro"],
            Metrics::Matthews => &["matthews_correlation"],
            Metrics::Correlations => &["pearson", "spearmanr"],
        }
    }

    /// The score that is reported where there is room for one.
    pub fn best(self) -> &'static str {
        self.names()[0]
    }

    /// The scores by name. Classes are given by index, in both slices. A score that is no number, since a prediction is
    /// none, is left out.
    pub fn score(self, predicted: &[f64], truth: &[f64]) -> BTreeMap<String, f64> {
        let classes = |values: &[f64]| values.iter().map(|&value| value as u32).collect::<Vec<u32>>();
        let scores = match self {
            Metrics::Correlations => vec![pearson(predicted, truth), spearman(predicted, truth)],
            _ => {
                let (predicted, truth) = (classes(predicted), classes(truth));
                match self {
                    Metrics::Matthews => vec![matthews_correlation(&predicted, &truth)],
                    Metrics::AccuracyAndF1 => vec![accuracy(&predicted, &truth), f1(&predicted, &truth)],
                    Metrics::AccuracyAndMacroF1 => vec![accuracy(&predicted, &truth), f1_macro(&predicted, &truth)],
                    _ => vec![accuracy(&predicted, &truth)],
                }
            }
        };
        let named = self.names().iter().map(|&name| name.to_owned()).zip(scores);
        named.filter(|(_, score)| score.is_finite()).collect()
    }
}

/// Share of predictions that are right, in 0..=1.
pub fn accuracy(predicted: &[u32], truth: &[u32]) -> f64 {
    let right = predicted.iter().zip(truth).filter(|(p, t)| p == t).count();
    ratio(right as f64, truth.len() as f64)
}

/// F1 of class 1, as GLUE reports it, in 0..=1.
pub fn f1(predicted: &[u32], truth: &[u32]) -> f64 {
    f1_of(1, predicted, truth)
}

/// Mean of the F1 of every class that was predicted or is true, in 0..=1.
pub fn f1_macro(predicted: &[u32], truth: &[u32]) -> f64 {
    let mut classes = [predicted, truth].concat();
    classes.sort_unstable();
    classes.dedup();
    ratio(classes.iter().map(|&class| f1_of(class, predicted, truth)).sum(), classes.len() as f64)
}

/// Matthews' correlation coefficient of two classes or more, in -1..=1
/// ([Gorodkin 2004](https://doi.org/10.1016/j.compbiolchem.2004.09.006)).
pub fn matthews_correlation(predicted: &[u32], truth: &[u32]) -> f64 {
    let mut counts: BTreeMap<u32, (f64, f64)> = BTreeMap::new();
    for (&p, &t) in predicted.iter().zip(truth) {
        counts.entry(p).or_default().0 += 1.0;
        counts.entry(t).or_default().1 += 1.0;
    }
    let total = truth.len() as f64;
    let right = accuracy(predicted, truth) * total;
    let sum = |product: fn(&(f64, f64)) -> f64| counts.values().map(product).sum::<f64>();
    let covariance = right * total - sum(|(p, t)| p * t);
    let variances = (total * total - sum(|(p, _)| p * p)) * (total * total - sum(|(_, t)| t * t));
    ratio(covariance, variances.sqrt())
}

/// Pearson's correlation coefficient, in -1..=1.
pub fn pearson(predicted: &[f64], truth: &[f64]) -> f64 {
    // The mean of equal numbers may be rounded off them, and what is left would look like a variance.
    if [predicted, truth].iter().any(|values| values.windows(2).all(|pair| pair[0] == pair[1])) {
        return 0.0;
    }
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
    let (predicted_mean, truth_mean) = (mean(predicted), mean(truth));
    let (mut covariance, mut predicted_variance, mut truth_variance) = (0.0, 0.0, 0.0);
    for (p, t) in predicted.iter().zip(truth) {
        let (p, t) = (p - predicted_mean, t - truth_mean);
        covariance += p * t;
        predicted_variance += p * p;
        truth_variance += t * t;
    }
    // Rounding may carry a perfect correlation past 1.
    ratio(covariance, predicted_variance.sqrt() * truth_variance.sqrt()).clamp(-1.0, 1.0)
}

/// Spearman's rank correlation, equal values sharing their mean rank, in -1..=1.
pub fn spearman(predicted: &[f64], truth: &[f64]) -> f64 {
    if predicted.iter().chain(truth).any(|value| value.is_nan()) {
        return f64::NAN;
    }
    pearson(&ranks(predicted), &ranks(truth))
}

fn f1_of(class: u32, predicted: &[u32], truth: &[u32]) -> f64 {
    let hits = predicted.iter().zip(truth).filter(|&(&p, &t)| p == class && t == class).count();
    let named = predicted.iter().chain(truth).filter(|&&c| c == class).count();
    ratio(2.0 * hits as f64, named as f64)
}

fn ranks(values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|&a, &b| values[a].total_cmp(&values[b]));
    let mut ranks = vec![0.0; values.len()];
    let mut before = 0.0;
    for equal in order.chunk_by(|&a, &b| values[a] == values[b]) {
        let mean = before + (equal.len() as f64 + 1.0) / 2.0;
        for &index in equal {
            ranks[index] = mean;
        }
        before += equal.len() as f64;
    }
    ranks
}

fn ratio(part: f64, whole: f64) -> f64 {
    if whole == 0.0 { 0.0 } else { part / whole }
}
