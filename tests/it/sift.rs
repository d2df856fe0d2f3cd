//! SIFT on a tiny BERT: only selected components change, rate 1 is dense AdamW, micro-batches add up to the step.

use std::path::{Path, PathBuf};

use finesift::data::{Batch, Encoded, Label, collate};
use finesift::eval::DeviceBatch;
use finesift::model::{ForwardPass, Head, Layout, LoadOptions, ModelConfig, Network};
use finesift::sift::select::Structure;
use finesift::sift::{AdamW, Role, Rules, SparseDecay, budget};
use finesift::train::{Learner, LearnerOptions, SelectionOptions, select_components};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tch::nn::OptimizerConfig;
use tch::{Kind, Tensor, nn};

use crate::place;
use crate::run::turn;

#[test]
fn roberta_large_at_0_008_selects_806_208_components() {
    let folder = tempfile::tempdir().unwrap();
    let config = r#"{"model_type": "roberta", "vocab_size": 50265, "hidden_size": 1024, "num_hidden_layers": 24,
        "num_attention_heads": 16, "intermediate_size": 4096, "max_position_embeddings": 514, "type_vocab_size": 1}"#;
    std::fs::write(folder.path().join("config.json"), config).unwrap();
    let layout = Layout::of(&ModelConfig::read(folder.path()).unwrap(), 2);
    assert_eq!(layout.components(), 355_361_794);
    let rules = rules(0.008, &["query", "key", "value", "attention.output.dense"], &["classifier"]);
    let sparse = layout.parameters.iter().filter(|spec| rules.role(&spec.name) == Role::Sparse);
    let budgets = sparse.map(|spec| (spec.shape.len(), budget(spec.components(), 0.008)));
    let (weights, biases): (Vec<_>, Vec<_>) = budgets.partition(|(dimensions, _)| *dimensions == 2);
    assert_eq!(weights.iter().map(|(_, k)| k).sum::<i64>(), 805_344);
    assert_eq!(biases.iter().map(|(_, k)| k).sum::<i64>(), 864);
}

#[test]
fn components_outside_the_selection_stay_identical_to_the_bit() {
    // An embedding and norms besides linear layers.
    let rules = rules(0.02, &["query", "output.dense", "word_embeddings", "LayerNorm"], &["classifier"]);
    let before = classifier(&tiny_bert());
    let mut learner = learner(classifier(&tiny_bert()), &rules, settings(), &batch(8, 3..15, 0));
    for step in 0..50 {
        let taken = learner.step(step, &[batch(8, 3..15, step)], 1e-2).unwrap();
        assert!(taken.loss.is_finite());
    }
    let (mut moved, mut trained) = (0, 0);
    let updates = learner.values().updates();
    for spec in before.parameters.specs() {
        let (old, new) = (before.parameters.get(&spec.name), learner.network.parameters.get(&spec.name));
        let differs = old.not_equal_tensor(&new).flatten(0, -1);
        let number = learner.values().slots().iter().position(|slot| slot.name == spec.name);
        let Some((number, slot)) = number.map(|number| (number, &learner.values().slots()[number])) else {
            assert!(old.equal(&new), "{} moved", spec.name);
            continue;
        };
        if slot.role() == Role::Sparse {
            let selected = slot.indices();
            let inside = differs.index_select(0, &selected).sum(Kind::Int64).int64_value(&[]);
            assert_eq!(inside, differs.sum(Kind::Int64).int64_value(&[]), "{} moved outside its selection", spec.name);
            (moved, trained) = (moved + inside, trained + slot.trained());
            // The relative update is that of the dense weights.
            let size = |tensor: &Tensor| tensor.to_kind(Kind::Double).norm().double_value(&[]);
            let expected = size(&(&new - &old)) / size(&old.flatten(0, -1).index_select(0, &selected));
            let update = updates[number];
            assert!(
                (update - expected).abs() <= 1e-5 * expected || update == expected,
                "{}: {update}, expected {expected}",
                spec.name
            );
        }
    }
    // Components inside the selection change.
    assert!(moved * 10 > trained * 9, "{moved} of {trained}");
}

#[test]
fn rate_one_of_everything_is_dense_adamw() {
    let all = rules(1.0, &["bert", "classifier"], &[]);
    let adamw = AdamW { betas: (0.9, 0.999), eps: 1e-8, sparse_decay: SparseDecay::None, dense_decay: 0.0 };
    let mut learner = learner(
        classifier(&tiny_bert()),
        &all,
        LearnerOptions { adamw, clip: None, ..settings() },
        &batch(8, 3..15, 0),
    );
    assert_eq!(learner.values().sparse() as u64, learner.network.parameters.components());

    // libtorch's own AdamW with its own gradients.
    let dense = classifier(&tiny_bert());
    let store = nn::VarStore::new(place::device());
    let names: Vec<String> = dense.parameters.specs().iter().map(|spec| spec.name.clone()).collect();
    let variables: Vec<Tensor> = names
        .iter()
        .enumerate()
        .map(|(number, name)| store.root().var_copy(&number.to_string(), &dense.parameters.get(name)))
        .collect();
    let config = nn::AdamW { beta1: 0.9, beta2: 0.999, wd: 0.0, eps: 1e-8, amsgrad: false };
    let mut optimizer = config.build(&store, 1e-3).unwrap();
    for step in 0..20 {
        let batch = batch(8, 3..15, step);
        let taken = learner.step(step, std::slice::from_ref(&batch), 1e-3).unwrap();
        let (loss, gradients) = autograd(&dense, &names, &batch);
        assert!((taken.loss / loss - 1.0).abs() < 1e-4, "step {step}: {} and {loss}", taken.loss);
        // A scalar whose gradient of each variable is the given one.
        let parts = variables.iter().zip(&gradients).map(|(variable, gradient)| (variable * gradient).sum(Kind::Float));
        optimizer.backward_step(&parts.sum());
        tch::no_grad(|| {
            for (name, variable) in names.iter().zip(&variables) {
                dense.parameters.get(name).copy_(variable);
            }
        });
    }
    // Adam divides by the gradient's magnitude, so where the gradient is rounding, as for biases of keys, steps are noise.
    for name in names.iter().filter(|name| !name.ends_with("key.bias")) {
        let (got, expected) = (learner.network.parameters.get(name), dense.parameters.get(name));
        let off = ((&got - &expected).norm() / expected.norm()).double_value(&[]);
        assert!(off < 1e-4, "{name} is off by {off:e}");
    }
}

#[test]
fn a_step_of_several_micro_batches_is_the_step_of_one_batch() {
    let rules = rules(0.05, &["query", "key", "value", "dense"], &["classifier"]);
    for lengths in [12..13, 3..31] {
        let examples = examples(32, lengths.clone(), 7);
        let rows: Vec<usize> = (0..32).collect();
        let part = |rows: &[usize]| collate(&examples, rows, 0);
        let whole = vec![part(&rows)];
        // The second split has unequal parts.
        for parts in
            [vec![part(&rows[..16]), part(&rows[16..])], vec![part(&rows[..5]), part(&rows[5..29]), part(&rows[29..])]]
        {
            let first = whole[0].clone();
            let mut one = learner(classifier(&tiny_bert()), &rules, settings(), &first);
            let mut several = learner(classifier(&tiny_bert()), &rules, settings(), &first);
            for step in 0..5 {
                let (a, b) = (one.step(step, &whole, 1e-3).unwrap(), several.step(step, &parts, 1e-3).unwrap());
                assert!((a.loss / b.loss - 1.0).abs() < 1e-5, "{lengths:?}, step {step}: {} and {}", a.loss, b.loss);
                assert!((a.grad_norm / b.grad_norm - 1.0).abs() < 1e-4, "{} and {}", a.grad_norm, b.grad_norm);
            }
        }
    }
}

#[test]
fn gradient_checkpointing_leaves_losses_unchanged() {
    let _turn = turn();
    let model = with_dropout();
    let rules = rules(0.05, &["query", "output.dense", "LayerNorm"], &["classifier"]);
    let losses = |checkpointing| {
        let settings = LearnerOptions { dropout: true, checkpointing, ..settings() };
        let mut learner = learner(classifier(model.path()), &rules, settings, &batch(8, 3..15, 0));
        (0..10).map(|step| learner.step(step, &[batch(8, 3..15, step)], 1e-3).unwrap().loss).collect::<Vec<f64>>()
    };
    let kept = losses(false);
    assert_eq!(kept, losses(true));
    // Dropout was on.
    let mut without = learner(classifier(model.path()), &rules, settings(), &batch(8, 3..15, 0));
    assert_ne!(kept[0], without.step(0, &[batch(8, 3..15, 0)], 1e-3).unwrap().loss);
}

#[test]
fn a_step_with_a_nan_loss_changes_nothing() {
    let rules = rules(0.05, &["query"], &["classifier"]);
    let broken = classifier(&tiny_bert());
    let mut learner = learner(broken, &rules, settings(), &batch(8, 3..15, 0));
    let weights = learner.network.parameters.get("bert.encoder.layer.0.attention.self.query.weight").copy();
    let _ = tch::no_grad(|| learner.network.parameters.get("bert.embeddings.LayerNorm.bias").fill_(f64::NAN));
    let error = learner.step(3, &[batch(8, 3..15, 0)], 1e-3).unwrap_err().to_string();
    assert!(error.starts_with("step 4: the loss is NaN"), "{error}");
    assert!(weights.equal(&learner.network.parameters.get("bert.encoder.layer.0.attention.self.query.weight")));
    assert_eq!(learner.values().state().updates, 0);
}

#[test]
fn every_target_is_probed_once_per_round() {
    let rules = rules(0.05, &["query", "key", "value"], &["classifier"]);
    let mut learner =
        learner(classifier(&tiny_bert()), &rules, LearnerOptions { probe_every: 5, ..settings() }, &batch(8, 3..15, 0));
    let masses: Vec<_> = (0..10).map(|step| learner.step(step, &[batch(8, 3..15, 0)], 1e-3).unwrap().mass).collect();
    for (step, mass) in masses.iter().enumerate() {
        assert_eq!(mass.is_some(), step == 4 || step == 9);
    }
    let covered = masses[4].as_ref().unwrap();
    assert_eq!(covered.targets.iter().map(|target| target.slot).collect::<Vec<_>>(), (0..12).collect::<Vec<_>>());
    assert!(covered.targets.iter().all(|target| (0.0..=100.001).contains(&target.percent)) && covered.overall > 10.0);
}

pub(crate) fn tiny_bert() -> PathBuf {
    place::fixture("models/tiny-bert")
}

pub(crate) fn with_dropout() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let config = std::fs::read_to_string(tiny_bert().join("config.json")).unwrap();
    let mut config: serde_json::Value = serde_json::from_str(&config).unwrap();
    for key in ["hidden_dropout_prob", "attention_probs_dropout_prob", "classifier_dropout"] {
        config[key] = 0.2.into();
    }
    std::fs::write(folder.path().join("config.json"), config.to_string()).unwrap();
    std::fs::copy(tiny_bert().join("model.safetensors"), folder.path().join("model.safetensors")).unwrap();
    folder
}

pub(crate) fn classifier(folder: &Path) -> Network {
    let options =
        LoadOptions { head: Head::as_stored(3), dtype: Kind::Float, device: place::device(), offload: None, seed: 0 };
    Network::open(folder, &options, &|_| {}).unwrap().0
}

pub(crate) fn rules(rate: f64, modules: &[&str], dense: &[&str]) -> Rules {
    let owned = |names: &[&str]| names.iter().map(|name| name.to_string()).collect();
    Rules { rate, structure: Structure::Entries, modules: owned(modules), dense: owned(dense), biases: true }
}

pub(crate) fn settings() -> LearnerOptions {
    let adamw =
        AdamW { betas: (0.9, 0.999), eps: 1e-8, sparse_decay: SparseDecay::TowardPretrained(0.1), dense_decay: 0.1 };
    LearnerOptions {
        adamw,
        clip: Some(1.0),
        dropout: false,
        checkpointing: false,
        probe_every: 10,
        micro_batches: 2,
        seed: 1,
    }
}

pub(crate) fn learner(network: Network, rules: &Rules, settings: LearnerOptions, first: &Batch) -> Learner {
    let options = SelectionOptions::gradient(rules, settings.backward(0));
    let selection = select_components(&network, &options, std::slice::from_ref(first)).unwrap();
    Learner::new(network, &selection.parameters, settings)
}

pub(crate) fn batch(rows: usize, lengths: std::ops::Range<usize>, seed: u64) -> Batch {
    collate(&examples(rows, lengths, seed), &(0..rows).collect::<Vec<_>>(), 0)
}

fn examples(rows: usize, lengths: std::ops::Range<usize>, seed: u64) -> Vec<Encoded> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let example = |_| {
        let length = random.random_range(lengths.clone());
        Encoded {
            ids: (0..length).map(|_| random.random_range(1..512)).collect(),
            type_ids: vec![0; length],
            label: Label::Class(random.random_range(0..3)),
        }
    };
    (0..rows).map(example).collect()
}

/// Loss and gradients of all parameters, by one graph through the whole network.
fn autograd(network: &Network, names: &[String], batch: &Batch) -> (f64, Vec<Tensor>) {
    let parameters: Vec<Tensor> =
        names.iter().map(|name| network.parameters.get(name).set_requires_grad(true)).collect();
    let loaded = DeviceBatch::new(batch, place::device());
    let chain = network.segments(&loaded.inputs);
    let mut pass = ForwardPass::inference();
    let logits = (0..chain.count()).fold(Tensor::new(), |hidden, segment| chain.forward(segment, &hidden, &mut pass));
    let loss = network.objective(&loaded.targets, 1.0 / batch.rows as f64).loss(&logits);
    let gradients = Tensor::run_backward(&[&loss], &parameters, false, false);
    (loss.double_value(&[]), gradients)
}
