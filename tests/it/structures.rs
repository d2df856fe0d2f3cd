//! Training of whole columns, rows and blocks, beside training of the same components one by one.

use finesift::data::Batch;
use finesift::model::Network;
use finesift::sift::select::Structure;
use finesift::sift::{Rules, Selected};
use finesift::train::{Learner, LearnerOptions, SelectionOptions, StepResult, select_components};
use tch::Kind;

use crate::run::turn;
use crate::{language_model, sift};

const STRUCTURES: [Structure; 4] =
    [Structure::Columns, Structure::Rows, Structure::RowsColumns, Structure::Blocks { side: 8 }];

/// How to train the selected components.
#[derive(Clone, Copy, PartialEq)]
enum As {
    /// By the sets they were selected in.
    Sets,
    /// One by one.
    Entries,
}

/// A model to train.
struct Case {
    network: fn(Kind) -> Network,
    batch: fn(&Network, u64) -> Batch,
    modules: &'static [&'static str],
    dense: &'static [&'static str],
}

/// Attention and MLP of an encoder, biases among the targets, and all projections of a decoder.
const CASES: [Case; 2] = [
    Case {
        network: |kind| {
            let network = sift::classifier(&sift::tiny_bert());
            assert_eq!(kind, Kind::Float);
            network
        },
        batch: |_, seed| sift::batch(8, 3..15, seed),
        modules: &["query", "key", "value", "dense"],
        dense: &["classifier"],
    },
    Case {
        network: |kind| language_model::network("tiny-llama", kind),
        batch: |network, seed| language_model::batch(network, 8, seed),
        modules: &language_model::PROJECTIONS,
        dense: &[],
    },
];

impl Case {
    fn learner(&self, structure: Structure, trained: As, kind: Kind, checkpointing: bool) -> Learner {
        let network = (self.network)(kind);
        let rules = Rules { structure, ..sift::rules(0.1, self.modules, self.dense) };
        let settings = LearnerOptions { checkpointing, probe_every: 3, ..sift::settings() };
        let options = SelectionOptions::gradient(&rules, settings.backward(0));
        let first = (self.batch)(&network, 0);
        let mut parameters = select_components(&network, &options, std::slice::from_ref(&first)).unwrap().parameters;
        for parameter in parameters.iter_mut().filter(|_| trained == As::Entries) {
            let entries = |selected: &Selected| Selected::entries(&selected.indices(), &parameter.weights.size());
            parameter.selected = parameter.selected.as_ref().map(entries);
        }
        Learner::new(network, &parameters, settings)
    }

    /// Steps of two micro-batches, in some of which targets are probed.
    fn train(&self, learner: &mut Learner, steps: u64) -> Vec<StepResult> {
        let step = |step| {
            let batches = [1, 2].map(|micro| (self.batch)(&learner.network, 2 * step + micro));
            learner.step(step, &batches, 1e-3).unwrap()
        };
        (0..steps).map(step).collect()
    }
}

#[test]
fn sets_of_components_train_as_the_components_do_one_by_one() {
    let _turn = turn();
    for (case, kind, tolerance) in
        [(&CASES[0], Kind::Float, 1e-5), (&CASES[1], Kind::Float, 1e-5), (&CASES[1], Kind::BFloat16, 1e-2)]
    {
        for structure in STRUCTURES {
            let mut learners = [As::Sets, As::Entries].map(|trained| case.learner(structure, trained, kind, false));
            let indices = |learner: &Learner| {
                learner.values().slots().iter().flat_map(|slot| Vec::<i64>::try_from(slot.indices()).unwrap()).collect()
            };
            let [sets, entries]: [Vec<i64>; 2] = [indices(&learners[0]), indices(&learners[1])];
            assert_eq!(sets, entries);
            let [of_sets, of_entries] = learners.each_ref().map(|learner| learner.values().bytes());
            assert!(of_sets.0 < of_entries.0 && of_sets.1 == of_entries.1, "{structure:?}: {of_sets:?}");
            let [results, expected] = learners.each_mut().map(|learner| case.train(learner, 4));
            for (got, expected) in results.iter().zip(&expected) {
                let off = |got: f64, expected: f64| (got - expected).abs() / expected;
                let (loss, norm) = (off(got.loss, expected.loss), off(got.grad_norm, expected.grad_norm));
                assert!(loss <= tolerance && norm <= 10.0 * tolerance, "{structure:?}, {kind:?}: {loss:e}, {norm:e}");
                assert_eq!(got.mass.is_some(), expected.mass.is_some());
                for (got, expected) in got.mass.iter().zip(&expected.mass) {
                    assert!(off(got.overall, expected.overall) <= 10.0 * tolerance, "{structure:?}: {got:?}");
                }
            }
            assert!(results.iter().any(|step| step.mass.is_some()));
        }
    }
}

#[test]
fn steps_repeat_to_the_bit_with_and_without_gradient_checkpointing() {
    let _turn = turn();
    for case in &CASES {
        for structure in STRUCTURES {
            let [first, again, checkpointed] = [false, false, true].map(|checkpointing| {
                let mut learner = case.learner(structure, As::Sets, Kind::Float, checkpointing);
                let losses: Vec<f64> = case.train(&mut learner, 5).iter().map(|step| step.loss).collect();
                (losses, learner.values().state().master.copy())
            });
            assert!(first.0 == again.0 && first.1.equal(&again.1), "{structure:?}");
            assert!(first.0 == checkpointed.0 && first.1.equal(&checkpointed.1), "{structure:?}, checkpointed");
        }
    }
}
