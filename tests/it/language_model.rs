//! Training of language models, on tiny ones.

use finesift::data::instruct::pack;
use finesift::data::{Batch, Sequence, collate_sequences};
use finesift::eval::DeviceBatch;
use finesift::model::backward::{BackwardOptions, GradTargets, Gradient, gradients};
use finesift::model::{Head, Layout, LoadOptions, ModelConfig, Network};
use finesift::sift::select::Structure;
use finesift::sift::{AdamW, Role, Rules, SparseDecay, budget, sampled};
use finesift::train::{Learner, LearnerOptions, SelectionOptions, select_components};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tch::{Kind, Tensor};

use crate::place;
use crate::run::turn;

pub(crate) const PROJECTIONS: [&str; 7] = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"];

#[test]
fn llama_7b_at_0_05_selects_323_800_352_components() {
    let folder = tempfile::tempdir().unwrap();
    let config = r#"{"model_type": "llama", "hidden_size": 4096, "intermediate_size": 11008, "num_attention_heads": 32,
        "num_hidden_layers": 32, "vocab_size": 32000, "max_position_embeddings": 2048}"#;
    std::fs::write(folder.path().join("config.json"), config).unwrap();
    let layout = Layout::of(&ModelConfig::read(folder.path()).unwrap(), 0);
    assert_eq!(layout.components(), 6_738_415_616);
    let rules = rules(0.05, &PROJECTIONS);
    let sparse = layout.parameters.iter().filter(|spec| rules.role(&spec.name) == Role::Sparse);
    let budgets: Vec<i64> = sparse.map(|spec| budget(spec.shape.iter().product(), 0.05)).collect();
    // Per layer four of 4096 x 4096 and three of 11008 x 4096.
    assert_eq!(budgets.iter().sum::<i64>(), 32 * (4 * 838_861 + 3 * 2_254_439));
    assert_eq!(budgets.iter().sum::<i64>(), 323_800_352);
}

#[test]
fn packing_changes_neither_loss_nor_gradient() {
    // Mistral's window is shorter than the rows; the gradient of the tied embedding has two parts.
    for model in ["tiny-llama", "tiny-mistral", "tiny-llama-tied", "tiny-qwen3"] {
        let network = network(model, Kind::Float);
        let examples = examples(&network, 12, 4..20, 3);
        let apart = collate_sequences(&examples, &(0..12).collect::<Vec<_>>(), 0);
        let rows = pack(examples, 64);
        let packed = collate_sequences(&rows, &(0..rows.len()).collect::<Vec<_>>(), 0);
        assert!(packed.rows < 5 && packed.labels.count() == apart.labels.count());
        let ((loss, expected), (packed_loss, got)) =
            (differentiate(&network, &apart), differentiate(&network, &packed));
        assert!((loss - packed_loss).abs() < 1e-5, "{model}: {loss} and {packed_loss}");
        for ((name, expected), (_, got)) in expected.iter().zip(&got) {
            let off = ((got - expected).norm() / expected.norm()).double_value(&[]);
            assert!(off < 1e-5, "{model}: {name} is off by {off:e}");
        }
    }
}

#[test]
fn packed_examples_do_not_attend_to_each_other() {
    for model in ["tiny-llama", "tiny-mistral", "tiny-qwen2"] {
        let network = network(model, Kind::Float);
        let examples = examples(&network, 3, 9..10, 5);
        let output = |examples: &[Sequence]| {
            let row = pack(examples.to_vec(), 40);
            let batch = collate_sequences(&row, &[0], 0);
            assert_eq!(batch.rows, 1);
            network.output(&DeviceBatch::new(&batch, place::device()).inputs)
        };
        let before = output(&examples);
        for changed in 0..3 {
            let mut other = examples.clone();
            other[changed].ids.iter_mut().for_each(|id| *id = 3 + (*id + 7) % 80);
            let same = output(&other).eq_tensor(&before).all_dim(-1, false).to_kind(Kind::Int64);
            let same: Vec<i64> = Vec::try_from(same.flatten(0, -1)).unwrap();
            for (place, same) in same.iter().enumerate() {
                assert_eq!(place / 9 != changed, *same == 1, "{model}: place {place} when example {changed} changes");
            }
        }
    }
}

#[test]
fn components_outside_the_selection_stay_bit_identical() {
    let _turn = turn();
    for kind in [Kind::Float, Kind::BFloat16] {
        let before = network("tiny-llama", kind);
        let mut learner = learner(network("tiny-llama", kind), settings(false), 0.05);
        for step in 0..20 {
            learner.step(step, &[batch(&before, 8, step)], 1e-2).unwrap();
        }
        let mut targets = 0;
        for spec in before.parameters.specs() {
            let (old, new) = (before.parameters.get(&spec.name), learner.network.parameters.get(&spec.name));
            let differs = old.not_equal_tensor(&new).flatten(0, -1);
            let Some(slot) = learner.values().slots().iter().find(|slot| slot.name == spec.name) else {
                assert!(old.equal(&new), "{} moved", spec.name);
                continue;
            };
            assert!(slot.role() == Role::Sparse && PROJECTIONS.iter().any(|name| spec.name.contains(name)));
            let inside = differs.index_select(0, &slot.indices());
            let count = |which: &Tensor| which.sum(Kind::Int64).int64_value(&[]);
            assert_eq!(count(&inside), count(&differs), "{} moved outside its selection", spec.name);
            assert!(count(&inside) * 10 > slot.trained() * 8, "{}: {} moved", spec.name, count(&inside));
            targets += 1;
        }
        assert_eq!(targets, 14);
    }
}

#[test]
fn fp32_masters_move_bf16_weights_where_updates_in_place_stall() {
    let _turn = turn();
    let mut learner = learner(network("tiny-llama", Kind::BFloat16), settings(false), 0.05);
    let start = network("tiny-llama", Kind::BFloat16);
    let name = "model.layers.0.mlp.up_proj.weight";
    let slot = learner.values().slots().iter().find(|slot| slot.name == name).unwrap().clone();
    let selected = slot.indices();
    let pick = |network: &Network| network.parameters.get(name).flatten(0, -1).index_select(0, &selected);
    let before = pick(&start);
    // An optimizer without master values: each of the same updates is added to the bf16 weight and rounded.
    let mut in_place = before.copy();
    let mut master = learner.values().state().master.narrow(0, slot.range.start, slot.trained()).copy();
    let step = batch(&start, 8, 0);
    for number in 0..100 {
        learner.step(number, std::slice::from_ref(&step), 5e-6).unwrap();
        let now = learner.values().state().master.narrow(0, slot.range.start, slot.trained()).copy();
        in_place = (in_place.to_kind(Kind::Float) + (&now - &master)).to_kind(Kind::BFloat16);
        master = now;
    }
    let moved = |now: &Tensor| before.not_equal_tensor(now).to_kind(Kind::Float).mean(Kind::Float).double_value(&[]);
    let (with, without) = (moved(&pick(&learner.network)), moved(&in_place));
    println!("moved with masters: {with:.2}, in place: {without:.2}");
    assert!(without < 0.1 && with > 0.5, "with masters {with}, in place {without}");
    // The weight is the rounded master value.
    assert!(pick(&learner.network).equal(&master.to_kind(Kind::BFloat16)));
}

#[test]
fn accumulation_weights_by_target_tokens_and_checkpointing_changes_nothing() {
    let _turn = turn();
    let network = || network("tiny-llama-tied", Kind::Float);
    let all = examples(&network(), 12, 4..30, 9);
    let part = |rows: &[usize]| collate_sequences(&all, rows, 0);
    let whole = vec![part(&(0..12).collect::<Vec<_>>())];
    let parts = vec![part(&[0, 1]), part(&[2]), part(&(3..12).collect::<Vec<_>>())];
    let losses = |batches: &[Batch], checkpointing: bool| {
        let mut learner = learner(network(), settings(checkpointing), 0.05);
        (0..5).map(|step| learner.step(step, batches, 1e-3).unwrap().loss).collect::<Vec<f64>>()
    };
    let expected = losses(&whole, false);
    assert_eq!(losses(&whole, true), expected);
    for (got, expected) in losses(&parts, false).iter().zip(&expected) {
        assert!((got / expected - 1.0).abs() < 1e-5, "{got} and {expected}");
    }
    assert!(expected[4] < expected[0]);
}

#[test]
fn a_tied_embedding_can_be_a_target() {
    let _turn = turn();
    let network = network("tiny-llama-tied", Kind::Float);
    let rules = rules(0.01, &["embed_tokens"]);
    let options = SelectionOptions::gradient(&rules, settings(false).backward(0));
    let first = batch(&network, 8, 0);
    let selection = select_components(&network, &options, std::slice::from_ref(&first)).unwrap();
    let mut learner =
        Learner::new(network, &selection.parameters, LearnerOptions { probe_every: 1, ..settings(false) });
    let losses: Vec<f64> = (0..10)
        .map(|step| {
            let taken = learner.step(step, std::slice::from_ref(&first), 1e-2).unwrap();
            // It is a single target, with its whole gradient.
            assert!(taken.mass.unwrap().overall <= 100.001);
            taken.loss
        })
        .collect();
    assert!(losses[9] < losses[0] - 0.05, "{losses:?}");
}

fn differentiate(network: &Network, batch: &Batch) -> (f64, Vec<(String, Tensor)>) {
    let names: Vec<&str> = network.parameters.specs().iter().map(|spec| spec.name.as_str()).collect();
    let wanted = GradTargets::new(&network.parameters, names.iter().copied());
    let loaded = DeviceBatch::new(batch, place::device());
    let objective = network.objective(&loaded.targets, 1.0 / batch.labels.count() as f64);
    let walk = BackwardOptions { training: false, checkpointing: false, seed: 0 };
    let mut found = Vec::new();
    let loss = gradients(&*network.segments(&loaded.inputs), &wanted, walk, &objective, &mut |gradients| {
        found.extend(gradients.into_iter().map(|gradient| match gradient {
            Gradient::Linear { slots, x, dy } => {
                (names[slots.weight.unwrap()].to_owned(), sampled::dense_gradient(&x, &dy))
            }
            Gradient::Leaf { slot, gradient } => (names[slot].to_owned(), gradient),
        }));
    });
    (loss.double_value(&[]), found)
}

pub(crate) fn network(name: &str, dtype: Kind) -> Network {
    let folder = place::fixture("models").join(name);
    let options = LoadOptions { head: Head::as_stored(0), dtype, device: place::device(), offload: None, seed: 0 };
    Network::open(&folder, &options, &|_| {}).unwrap().0
}

fn rules(rate: f64, modules: &[&str]) -> Rules {
    let modules = modules.iter().map(|module| module.to_string()).collect();
    Rules { rate, structure: Structure::Entries, modules, dense: Vec::new(), biases: false }
}

fn settings(checkpointing: bool) -> LearnerOptions {
    let adamw = AdamW { betas: (0.9, 0.999), eps: 1e-8, sparse_decay: SparseDecay::None, dense_decay: 0.0 };
    LearnerOptions { adamw, clip: Some(1.0), dropout: true, checkpointing, probe_every: 10, micro_batches: 2, seed: 1 }
}

fn learner(network: Network, settings: LearnerOptions, rate: f64) -> Learner {
    let rules = rules(rate, &PROJECTIONS);
    let first = batch(&network, 8, 0);
    let options = SelectionOptions::gradient(&rules, settings.backward(0));
    let selection = select_components(&network, &options, std::slice::from_ref(&first)).unwrap();
    Learner::new(network, &selection.parameters, settings)
}

pub(crate) fn batch(network: &Network, rows: usize, seed: u64) -> Batch {
    collate_sequences(&examples(network, rows, 4..30, seed), &(0..rows).collect::<Vec<_>>(), 0)
}

/// Random tokens; the loss mask covers all but a few at the beginning.
fn examples(network: &Network, number: usize, lengths: std::ops::Range<usize>, seed: u64) -> Vec<Sequence> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let vocabulary = network.config.vocab_size() as u32;
    let example = |_| {
        let length = random.random_range(lengths.clone());
        let prompt = random.random_range(1..length);
        Sequence {
            ids: (0..length).map(|_| random.random_range(3..vocabulary)).collect(),
            loss_mask: (0..length).map(|place| place >= prompt).collect(),
            starts: vec![0],
        }
    };
    (0..number).map(example).collect()
}
