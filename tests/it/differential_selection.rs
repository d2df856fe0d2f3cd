//! Selections of small targets by every criterion and structure, beside those that numpy makes (tests/interop/selection.py).

use std::collections::BTreeMap;

use finesift::sift::select::{Criterion, GradientSum, Structure, select};
use serde::Deserialize;
use tch::Tensor;

#[derive(Deserialize)]
struct Fixture {
    rate: f64,
    rank: i64,
    side: i64,
    targets: Vec<Target>,
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
    let fixture: Fixture = serde_json::from_str(include_str!("../fixtures/differential/selection.json")).unwrap();
    let criteria = [
        ("gradient", Criterion::Gradient),
        ("gradient_times_weight", Criterion::GradientTimesWeight),
        ("fisher", Criterion::Fisher),
        ("gallop", Criterion::Gallop),
        ("magnitude", Criterion::Magnitude),
        ("lift", Criterion::Lift { rank: fixture.rank }),
    ];
    let structures = [
        ("entries", Structure::Entries),
        ("per_row", Structure::PerRow),
        ("columns", Structure::Columns),
        ("rows", Structure::Rows),
        ("rows_columns", Structure::RowsColumns),
        ("blocks", Structure::Blocks { side: fixture.side }),
    ];
    let mut compared = 0;
    for target in &fixture.targets {
        let tensor = |values: &[f32]| Tensor::from_slice(values).view(&target.shape[..]);
        for (criterion_name, criterion) in criteria {
            let mut sum = GradientSum::default();
            target.gradients.iter().for_each(|gradient| sum.add(criterion, &tensor(gradient)));
            for (name, expected) in &target.selected[criterion_name] {
                let structure = structures.iter().find(|(known, _)| known == name).unwrap().1;
                let selected = select(criterion, structure, fixture.rate, &tensor(&target.weight), &sum, 0);
                let selected: Vec<i64> = Vec::try_from(selected).unwrap();
                assert_eq!(&selected, expected, "{criterion_name}, {name}, {:?}", target.shape);
                compared += 1;
            }
        }
    }
    assert_eq!(compared, 114);
}

#[test]
fn random_selections_repeat_and_differ_by_seed() {
    let weight = Tensor::zeros([24, 40], (tch::Kind::Float, tch::Device::Cpu));
    for structure in
        [Structure::Entries, Structure::PerRow, Structure::Columns, Structure::Rows, Structure::Blocks { side: 4 }]
    {
        let of = |seed| select(Criterion::Random, structure, 0.2, &weight, &GradientSum::default(), seed);
        assert_eq!(of(1), of(1), "{structure:?}");
        assert_ne!(of(1), of(2), "{structure:?}");
        assert_eq!(of(1).numel() as i64, structure.components(&[24, 40], 0.2), "{structure:?}");
    }
}
