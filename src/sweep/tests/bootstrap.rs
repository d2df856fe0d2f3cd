use std::collections::BTreeMap;

use proptest::prelude::*;
use serde::Deserialize;

use super::super::bootstrap::{PairedRows, paired_bootstrap, summarize};
use crate::metrics::Metrics;

#[derive(Deserialize)]
struct Fixture {
    labels: Vec<f64>,
    /// By row and seed.
    rows: [Vec<Vec<f64>>; 2],
    draws: Vec<Vec<usize>>,
    metrics: BTreeMap<String, Expected>,
}

#[derive(Deserialize)]
struct Expected {
    measured: f64,
    drawn: Vec<f64>,
    interval: [f64; 2],
    p: f64,
    sd: f64,
}

#[test]
fn differences_intervals_and_p_values_are_those_of_numpy() {
    let fixture = include_str!("../../../tests/fixtures/differential/bootstrap.json");
    let Fixture { labels, rows: [a, b], draws, metrics } = serde_json::from_str(fixture).unwrap();
    let seeds = a.into_iter().zip(b).map(|(a, b)| [a, b, labels.clone()]).collect();
    let rows = PairedRows { seeds, shared: true };
    let kinds = BTreeMap::from([
        ("accuracy", Metrics::Accuracy),
        ("f1", Metrics::AccuracyAndF1),
        ("matthews_correlation", Metrics::Matthews),
    ]);
    assert_eq!(metrics.len(), 3);
    let close = |a: f64, b: f64| (a - b).abs() < 1e-12;
    for (name, expected) in &metrics {
        let difference = |draw: &[usize]| rows.difference(kinds[name.as_str()], name, &[draw.to_vec()]);
        let all: Vec<usize> = (0..labels.len()).collect();
        assert!(close(difference(&all), expected.measured), "{name}");
        let drawn: Vec<f64> = draws.iter().map(|draw| difference(draw)).collect();
        assert!(drawn.iter().zip(&expected.drawn).all(|(a, b)| close(*a, *b)), "{name}");
        let ([low, high], p) = summarize(expected.measured, drawn);
        assert!(close(low, expected.interval[0]) && close(high, expected.interval[1]), "{name}");
        assert!(close(p, expected.p), "{name}: {p}");
        // Draws of our own spread as numpy's do.
        let own = paired_bootstrap(&rows, kinds[name.as_str()], name, 4000, 1);
        let mean = own.iter().sum::<f64>() / own.len() as f64;
        let sd = (own.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / (own.len() - 1) as f64).sqrt();
        assert!((mean - expected.measured).abs() < 0.1 * sd, "{name}: {mean}");
        assert!((sd / expected.sd - 1.0).abs() < 0.25, "{name}: {sd}");
    }
}

#[test]
fn held_out_sets_of_their_own_are_drawn_by_seed() {
    // Of two examples, the second seed has the labels swapped.
    let seeds =
        vec![[vec![1.0, 1.0], vec![0.0, 0.0], vec![1.0, 0.0]], [vec![1.0, 1.0], vec![0.0, 0.0], vec![0.0, 1.0]]];
    let own = PairedRows { seeds: seeds.clone(), shared: false };
    assert_eq!(own.difference(Metrics::Accuracy, "accuracy", &[vec![0, 0], vec![1, 1]]), 1.0);
    let shared = PairedRows { seeds, shared: true };
    assert_eq!(shared.difference(Metrics::Accuracy, "accuracy", &[vec![0, 0]]), 0.0);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn swapped_rows_have_the_opposite_difference_and_equal_rows_have_none(
        examples in prop::collection::vec((0u8..2, 0u8..2, 0u8..2), 2..30),
        seed: u64,
    ) {
        let column = |of: fn(&(u8, u8, u8)) -> u8| examples.iter().map(|row| f64::from(of(row))).collect::<Vec<f64>>();
        let (a, b, labels) = (column(|row| row.0), column(|row| row.1), column(|row| row.2));
        let rows = |a: &[f64], b: &[f64]| PairedRows { seeds: vec![[a.to_vec(), b.to_vec(), labels.clone()]], shared: true };
        let compare = |rows: &PairedRows| {
            let all: Vec<usize> = (0..labels.len()).collect();
            let measured = rows.difference(Metrics::Accuracy, "accuracy", &[all]);
            (measured, summarize(measured, paired_bootstrap(rows, Metrics::Accuracy, "accuracy", 99, seed)))
        };
        let (forth, ([low, high], p)) = compare(&rows(&a, &b));
        let (back, ([other_low, other_high], other_p)) = compare(&rows(&b, &a));
        prop_assert!((forth + back).abs() < 1e-12 && (low + other_high).abs() < 1e-12 && (high + other_low).abs() < 1e-12);
        prop_assert_eq!(p, other_p);
        prop_assert!(low <= high && (0.01..=1.0).contains(&p));
        prop_assert_eq!(compare(&rows(&a, &a)), (0.0, ([0.0, 0.0], 1.0)));
        prop_assert_eq!(compare(&rows(&a, &b)), (forth, ([low, high], p)), "repeats");
    }
}
