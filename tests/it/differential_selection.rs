//! Selections of small targets by every criterion and structure, beside those that numpy makes (tests/interop/selection.py).

use std::collections::BTreeMap;

use finesift::sift::select::{Criterion, GlobalBudget, GradientSum, Structure, add_to_global, select};
use serde::Deserialize;
use tch::Tensor;

#[derive(Deserialize)]
struct Fixture {
    rate: f64,
    rank: i64,
    side: i64,
    targets: Vec<Target>,
    /// Of a budget over all targets: by criterion, then by structure, the components of each target.
    global: BTreeMap<String, BTreeMap<String, Vec<Vec<i64>>>>,
}

#[derive(Deserialize)]
struct Target {
    shape: Vec<i64>,
    weight: Vec<f32>,
    gradients: Vec<Vec<f32>>,
    /// By criterion, then by structure.
    selected: BTreeMap<String, BTreeMap<String, Vec<i64>>>,
}

#[test]
fn every_criterion_and_structure_selects_as_numpy_does() {
    let fixture = fixture();
    let (criteria, structures) = (criteria(&fixture), structures(&fixture));
    let mut compared = 0;
    for target in &fixture.targets {
        for (criterion_name, criterion) in criteria {
            let sum = target.sum(criterion);
            for (name, expected) in &target.selected[criterion_name] {
                let structure = structures.iter().find(|(known, _)| known == name).unwrap().1;
                let selected = select(criterion, structure, fixture.rate, &target.weight(), &sum, 0);
                let selected: Vec<i64> = Vec::try_from(selected.indices()).unwrap();
                assert_eq!(&selected, expected, "{criterion_name}, {name}, {:?}", target.shape);
                compared += 1;
            }
        }
    }
    assert_eq!(compared, 114);
}

#[test]
fn a_budget_over_all_targets_selects_as_a_sorted_list_in_numpy_does() {
    let fixture = fixture();
    let structures = structures(&fixture);
    let mut compared = 0;
    for (criterion_name, criterion) in criteria(&fixture) {
        for (name, expected) in &fixture.global[criterion_name] {
            let structure = structures.iter().find(|(known, _)| known == name).unwrap().1;
            let budget = fixture.targets.iter().map(|target| structure.components(&target.shape, fixture.rate)).sum();
            let mut global = GlobalBudget::new(fixture.targets.len(), budget);
            // Backward, as gradients come.
            for (number, target) in fixture.targets.iter().enumerate().rev() {
                let sum = target.sum(criterion);
                add_to_global(&mut global, number, (criterion, structure), &target.weight(), &sum, 0);
            }
            let chosen: Vec<Vec<i64>> = global
                .finish()
                .into_iter()
                .zip(&fixture.targets)
                .map(|(chosen, target)| {
                    Vec::try_from(chosen.unwrap().selected(structure, &target.shape).indices()).unwrap()
                })
                .collect();
            assert_eq!(&chosen, expected, "{criterion_name}, {name}");
            compared += 1;
        }
    }
    assert_eq!(compared, 24);
}

#[test]
fn random_selections_repeat_and_differ_by_seed() {
    let weight = Tensor::zeros([24, 40], (tch::Kind::Float, tch::Device::Cpu));
    for structure in
        [Structure::Entries, Structure::PerRow, Structure::Columns, Structure::Rows, Structure::Blocks { side: 4 }]
    {
        let of = |seed| select(Criterion::Random, structure, 0.2, &weight, &GradientSum::default(), seed).indices();
        assert_eq!(of(1), of(1), "{structure:?}");
        assert_ne!(of(1), of(2), "{structure:?}");
        assert_eq!(of(1).numel() as i64, structure.components(&[24, 40], 0.2), "{structure:?}");
    }
}

fn fixture() -> Fixture {
    serde_json::from_str(include_str!("../fixtures/differential/selection.json")).unwrap()
}

fn criteria(fixture: &Fixture) -> [(&'static str, Criterion); 6] {
    [
        ("gradient", Criterion::Gradient),
        ("gradient_times_weight", Criterion::GradientTimesWeight),
        ("fisher", Criterion::Fisher),
        ("gallop", Criterion::Gallop),
        ("magnitude", Criterion::Magnitude),
        ("lift", Criterion::Lift { rank: fixture.rank }),
    ]
}

fn structures(fixture: &Fixture) -> [(&'static str, Structure); 6] {
    [
        ("entries", Structure::Entries),
        ("per_row", Structure::PerRow),
        ("columns", Structure::Columns),
        ("rows", Structure::Rows),
        ("rows_columns", Structure::RowsColumns),
        ("blocks", Structure::Blocks { side: fixture.side }),
    ]
}

impl Target {
    fn tensor(&self, values: &[f32]) -> Tensor {
        Tensor::from_slice(values).view(&self.shape[..])
    }

    fn weight(&self) -> Tensor {
        self.tensor(&self.weight)
    }

    fn sum(&self, criterion: Criterion) -> GradientSum {
        let mut sum = GradientSum::default();
        self.gradients.iter().for_each(|gradient| sum.add(criterion, &self.tensor(gradient)));
        sum
    }
}
