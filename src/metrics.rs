//! Metrics of predictions against references, as scikit-learn and SciPy compute them. Slices in, numbers out.
//!
//! A metric that is 0/0, such as a correlation with a constant, is 0. scikit-learn does so for F1 and Matthews'
//! coefficient; SciPy gives NaN for correlations, which could be neither compared nor stored.

use std::collections::{BTreeMap, BTreeSet};

use crate::protocol::{Confusion, LOSS, PERPLEXITY};

/// Whether lower values of a score are better.
pub fn lower_is_better(name: &str) -> bool {
    matches!(name, LOSS | PERPLEXITY)
}

/// Whether a score is better than an earlier one. An equal one is not, and any is better than none.
pub fn improves(name: &str, score: Option<f64>, before: Option<f64>) -> bool {
    match (score, before) {
        (Some(score), Some(before)) if lower_is_better(name) => score < before,
        (Some(score), Some(before)) => score > before,
        (score, _) => score.is_some(),
    }
}

/// The metrics of a task.
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
    pub const ALL: [Metrics; 5] = [
        Metrics::Accuracy,
        Metrics::AccuracyAndF1,
        Metrics::AccuracyAndMacroF1,
        Metrics::Matthews,
        Metrics::Correlations,
    ];

    /// Names of the scores, as in Hugging Face's `evaluate`.
    pub fn names(self) -> &'static [&'static str] {
        match self {
            Metrics::Accuracy => &["accuracy"],
            Metrics::AccuracyAndF1 => &["accuracy", "f1"],
            Metrics::AccuracyAndMacroF1 => &["accuracy", "f1_macro"],
            Metrics::Matthews => &["matthews_correlation"],
            Metrics::Correlations => &["pearson", "spearmanr"],
        }
    }

    /// The score that is shown where there is room for one, and that picks the best checkpoint by default.
    pub fn primary(self) -> &'static str {
        self.names()[0]
    }

    /// The scores by name; classes are given by index. Scores that are not finite, because a prediction is not, are omitted.
    pub fn score(self, predictions: &[f64], references: &[f64]) -> BTreeMap<String, f64> {
        let classes = |values: &[f64]| values.iter().map(|&value| value as u32).collect::<Vec<u32>>();
        let scores = match self {
            Metrics::Correlations => vec![pearson(predictions, references), spearman(predictions, references)],
            _ => {
                let (predictions, references) = (classes(predictions), classes(references));
                match self {
                    Metrics::Matthews => vec![matthews_correlation(&predictions, &references)],
                    Metrics::AccuracyAndF1 => vec![accuracy(&predictions, &references), f1(&predictions, &references)],
                    Metrics::AccuracyAndMacroF1 => {
                        vec![accuracy(&predictions, &references), f1_macro(&predictions, &references)]
                    }
                    _ => vec![accuracy(&predictions, &references)],
                }
            }
        };
        let by_name = self.names().iter().map(|&name| name.to_owned()).zip(scores);
        by_name.filter(|(_, score)| score.is_finite()).collect()
    }
}

/// Classes of a confusion matrix. It is part of every evaluation's events, and must stay small.
const CONFUSED: usize = 50;

/// The confusion matrix of predicted classes against labels, both by index into the names. Of more than 50 classes it has
/// those of the most frequent confusions.
pub fn confusion(names: &[String], predictions: &[usize], labels: &[usize]) -> Confusion {
    let mut pairs: BTreeMap<(usize, usize), u64> = BTreeMap::new();
    for (&prediction, &label) in predictions.iter().zip(labels) {
        *pairs.entry((label, prediction)).or_default() += 1;
    }
    let listed: Vec<usize> =
        if names.len() <= CONFUSED { (0..names.len()).collect() } else { most_confused(&pairs).into_iter().collect() };
    let count = |label: usize, prediction: usize| pairs.get(&(label, prediction)).copied().unwrap_or(0);
    let row = |label: &usize| listed.iter().map(|prediction| count(*label, *prediction)).collect();
    let labelled = |label: &usize| labels.iter().filter(|other| *other == label).count() as u64;
    Confusion {
        classes: listed.iter().filter_map(|class| names.get(*class).cloned()).collect(),
        counts: listed.iter().map(row).collect(),
        labelled: listed.iter().map(labelled).collect(),
        of: names.len() as u64,
    }
}

/// The classes of the most frequent confusions, as many as a matrix may have.
fn most_confused(pairs: &BTreeMap<(usize, usize), u64>) -> BTreeSet<usize> {
    let mut wrong: Vec<_> = pairs.iter().filter(|((label, prediction), _)| label != prediction).collect();
    // The sort is stable: of equally frequent ones the first classes come first.
    wrong.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
    let mut classes = BTreeSet::new();
    for (&(label, prediction), _) in wrong {
        let more: BTreeSet<usize> = classes.iter().copied().chain([label, prediction]).collect();
        if more.len() > CONFUSED {
            break;
        }
        classes = more;
    }
    classes
}

/// Fraction of correct predictions, in 0..=1.
fn accuracy(predictions: &[u32], references: &[u32]) -> f64 {
    let correct = predictions.iter().zip(references).filter(|(p, t)| p == t).count();
    ratio(correct as f64, references.len() as f64)
}

/// F1 of class 1, as GLUE reports it, in 0..=1.
fn f1(predictions: &[u32], references: &[u32]) -> f64 {
    f1_of(1, predictions, references)
}

/// Mean F1 over the classes that occur in predictions or references, in 0..=1.
fn f1_macro(predictions: &[u32], references: &[u32]) -> f64 {
    let mut classes = [predictions, references].concat();
    classes.sort_unstable();
    classes.dedup();
    ratio(classes.iter().map(|&class| f1_of(class, predictions, references)).sum(), classes.len() as f64)
}

/// Matthews' correlation coefficient of two or more classes, in -1..=1
/// ([Gorodkin 2004](https://doi.org/10.1016/j.compbiolchem.2004.09.006)).
fn matthews_correlation(predictions: &[u32], references: &[u32]) -> f64 {
    let mut counts: BTreeMap<u32, (f64, f64)> = BTreeMap::new();
    for (&p, &t) in predictions.iter().zip(references) {
        counts.entry(p).or_default().0 += 1.0;
        counts.entry(t).or_default().1 += 1.0;
    }
    let total = references.len() as f64;
    let correct = accuracy(predictions, references) * total;
    let sum = |product: fn(&(f64, f64)) -> f64| counts.values().map(product).sum::<f64>();
    let covariance = correct * total - sum(|(p, t)| p * t);
    let variances = (total * total - sum(|(p, _)| p * p)) * (total * total - sum(|(_, t)| t * t));
    ratio(covariance, variances.sqrt())
}

/// Pearson's correlation coefficient, in -1..=1.
fn pearson(predictions: &[f64], references: &[f64]) -> f64 {
    // The mean of equal numbers may differ from them by rounding, which would look like variance.
    if [predictions, references].iter().any(|values| values.windows(2).all(|pair| pair[0] == pair[1])) {
        return 0.0;
    }
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
    let (predictions_mean, references_mean) = (mean(predictions), mean(references));
    let (mut covariance, mut predictions_variance, mut references_variance) = (0.0, 0.0, 0.0);
    for (p, t) in predictions.iter().zip(references) {
        let (p, t) = (p - predictions_mean, t - references_mean);
        covariance += p * t;
        predictions_variance += p * p;
        references_variance += t * t;
    }
    // Rounding may push a perfect correlation beyond 1.
    ratio(covariance, predictions_variance.sqrt() * references_variance.sqrt()).clamp(-1.0, 1.0)
}

/// Spearman's rank correlation, in -1..=1. Ties share their mean rank. NaN if a value is NaN.
fn spearman(predictions: &[f64], references: &[f64]) -> f64 {
    if predictions.iter().chain(references).any(|value| value.is_nan()) {
        return f64::NAN;
    }
    pearson(&ranks(predictions), &ranks(references))
}

fn f1_of(class: u32, predictions: &[u32], references: &[u32]) -> f64 {
    let hits = predictions.iter().zip(references).filter(|&(&p, &t)| p == class && t == class).count();
    let occurrences = predictions.iter().chain(references).filter(|&&c| c == class).count();
    ratio(2.0 * hits as f64, occurrences as f64)
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

#[cfg(test)]
mod tests {
    use super::*;

    fn scores(metrics: Metrics, predictions: &[f64], references: &[f64]) -> Vec<f64> {
        let scores = metrics.score(predictions, references);
        metrics
            .names()
            .iter()
            .map(|&name| scores.get(name).map_or(f64::NAN, |score| (score * 1e6).round() / 1e6))
            .collect()
    }

    #[test]
    fn scores_are_those_of_scikit_learn_and_scipy() {
        let (predictions, references) = ([0.0, 1.0, 1.0, 1.0, 0.0, 2.0], [0.0, 1.0, 0.0, 1.0, 1.0, 2.0]);
        // f1 of the classes 0, 1, 2: 1/2, 2/3, 1.
        assert_eq!(scores(Metrics::AccuracyAndMacroF1, &predictions, &references), [0.666667, 0.722222]);
        assert_eq!(scores(Metrics::AccuracyAndF1, &predictions, &references), [0.666667, 0.666667]);
        assert_eq!(scores(Metrics::Matthews, &[1.0, 1.0, 0.0, 0.0], &[1.0, 0.0, 0.0, 0.0]), [0.57735]);
        // Ranks 1 to 4 against 1, 2.5, 2.5, 4.
        assert_eq!(scores(Metrics::Correlations, &[1.0, 2.0, 3.0, 10.0], &[1.0, 2.0, 2.0, 3.0]), [0.9, 0.948683]);
    }

    #[test]
    fn a_confusion_matrix_counts_every_example_by_label_and_prediction() {
        let names = ["a", "b", "c"].map(str::to_owned);
        let (predictions, labels) = ([0, 1, 1, 1, 0, 2, 0], [0, 1, 0, 1, 1, 2, 0]);
        let matrix = confusion(&names, &predictions, &labels);
        // As scikit-learn's confusion_matrix(labels, predictions).
        assert_eq!(matrix.counts, [[2, 1, 0], [1, 2, 0], [0, 0, 1]]);
        assert_eq!((matrix.classes.as_slice(), matrix.of), (names.as_slice(), 3));
        assert_eq!(matrix.labelled, [3, 3, 1]);
        assert_eq!((matrix.recall(0), matrix.recall(2), matrix.recall(9)), (Some(2.0 / 3.0), Some(1.0), None));
        assert_eq!((matrix.count(0, 1), matrix.count(7, 1)), (1, 0));
    }

    #[test]
    fn of_many_classes_those_that_are_confused_most_are_listed() {
        let names: Vec<String> = (0..1000).map(|number| format!("class {number}")).collect();
        // Class n is predicted as n + 1 for n % 10 times, and is right once.
        let wrong = (0..999).flat_map(|class: usize| vec![(class, class + 1); class % 10]);
        let pairs: Vec<(usize, usize)> = wrong.chain((0..1000).map(|class| (class, class))).collect();
        let (labels, predictions): (Vec<usize>, Vec<usize>) = pairs.into_iter().unzip();
        let matrix = confusion(&names, &predictions, &labels);
        assert_eq!((matrix.classes.len(), matrix.of), (50, 1000));
        assert_eq!(matrix.classes[..4], ["class 9", "class 10", "class 19", "class 20"]);
        // 9 of the 10 examples of class 9 are wrong, none of class 10.
        assert_eq!((matrix.count(0, 1), matrix.recall(0), matrix.recall(1)), (9, Some(0.1), Some(1.0)));
        let right: Vec<usize> = (0..1000).collect();
        assert!(confusion(&names, &right, &right).classes.is_empty());
    }

    proptest::proptest! {
        #[test]
        fn the_cells_of_a_confusion_matrix_add_up(pairs in proptest::collection::vec((0usize..7, 0usize..7), 0..200)) {
            let names: Vec<String> = (0..7).map(|number| number.to_string()).collect();
            let (predictions, labels): (Vec<usize>, Vec<usize>) = pairs.iter().copied().unzip();
            let matrix = confusion(&names, &predictions, &labels);
            let all: u64 = matrix.counts.iter().flatten().sum();
            proptest::prop_assert_eq!(all, pairs.len() as u64);
            let right: u64 = (0..7).map(|class| matrix.count(class, class)).sum();
            proptest::prop_assert_eq!(right, pairs.iter().filter(|(p, l)| p == l).count() as u64);
            for class in 0..7 {
                proptest::prop_assert_eq!(matrix.counts[class].iter().sum::<u64>(), matrix.labelled[class]);
            }
        }
    }

    #[test]
    fn only_a_strictly_better_score_improves() {
        let improves = |name, score: f64, before: f64| {
            let finite = |number: f64| Some(number).filter(|number| number.is_finite());
            super::improves(name, finite(score), finite(before))
        };
        for (name, better) in [("accuracy", 0.6), ("loss", 0.4), ("perplexity", 0.4)] {
            assert!(improves(name, better, 0.5) && !improves(name, 0.5, 0.5) && !improves(name, 1.0 - better, 0.5));
            assert!(!improves(name, f64::NAN, 0.5) && improves(name, 0.5, f64::NAN));
            assert!(!improves(name, f64::NAN, f64::NAN));
        }
    }

    #[test]
    fn undefined_scores_are_0_and_scores_of_nan_are_omitted() {
        assert_eq!(scores(Metrics::Matthews, &[1.0, 1.0], &[1.0, 0.0]), [0.0]);
        assert_eq!(scores(Metrics::Correlations, &[0.1, 0.1, 0.1], &[1.0, 2.0, 3.0]), [0.0, 0.0]);
        assert!(Metrics::Correlations.score(&[f64::NAN, 1.0], &[1.0, 2.0]).is_empty());
    }
}
