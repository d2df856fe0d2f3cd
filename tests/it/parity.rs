//! Parity of the models and of SIFT with Hugging Face transformers and PyTorch, over all folders of fixtures.
//!
//! `FINESIFT_FIXTURES` names a folder with more fixtures in the same layout: `config.json` and `model.safetensors` (without
//! them, the demo's model is used), `io.safetensors`, and any of `grads`, `topk`, `sift` and `fixture.json`. A folder whose
//! `model_type` finesift does not support is skipped with a message.

use std::collections::HashMap;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use finesift::data::{Batch, BatchLabels};
use finesift::eval::DeviceBatch;
use finesift::model::backward::{BackwardOptions, GradTargets, Gradient, gradients};
use finesift::model::{Head, LoadOptions, LoraConfig, ModelConfig, Network};
use finesift::preset::{Schedule, cache_folder};
use finesift::sift::select::Structure;
use finesift::sift::{AdamW, Rules, SparseDecay, TrainableParameter, Values};
use finesift::train::{Learner, LearnerOptions, LearningRate, SelectionOptions, select_components};
use serde_json::Value;
use tch::{Kind, Tensor};

use crate::place;

// Tolerances, of a CPU and of a GPU without TF32. On an NVIDIA H100 logits were off by at most 2.5e-6, gradients by 2.4e-6 and losses
// by 5e-8.

/// Tolerance of fp32 logits, absolute.
const LOGITS: f64 = 2e-5;
/// Tolerance of gradients, relative to the tensor's norm.
const GRADIENTS: f64 = 1e-5;
/// Gradients below this are rounding, relative to the largest tensor's norm.
const ROUNDING: f64 = 1e-7;
/// Tolerance of the losses of runs: relative to SIFT's, absolute of other methods.
const LOSSES: f64 = 1e-4;

#[test]
fn logits_and_loss_match_transformers() {
    each(Fixture::all(), |fixture| {
        let network = fixture.network();
        let loaded = DeviceBatch::new(&fixture.batch(), place::device());
        // A decoder's logits at padding mean nothing.
        let tokens = fixture.io.get("attention_mask").filter(|_| network.decoder().is_some());
        let output = network.output(&loaded.inputs);
        let off = (network.logits(&loaded.inputs) - &fixture.io["logits"]).abs();
        let off = tokens.map_or(off.copy(), |mask| off * mask.unsqueeze(-1)).max().double_value(&[]);
        println!("{}: logits off by {off:.1e}", fixture.name());
        assert!(off <= LOGITS, "{}: logits off by {off:e}", fixture.name());
        let scale = 1.0 / fixture.batch().labels.count() as f64;
        let objective = network.objective(&loaded.targets, scale);
        let expected = fixture.io["loss"].double_value(&[0]);
        for loss in [objective.loss(&output), objective.differentiate(&output, false).loss] {
            let loss = loss.double_value(&[]);
            assert!((loss - expected).abs() <= LOGITS, "{}: loss {loss}, expected {expected}", fixture.name());
        }
    });
}

#[test]
fn gradients_of_all_parameters_match_autograd() {
    let fixtures = Fixture::all().into_iter().filter(|fixture| fixture.path("grads.safetensors").exists());
    each(fixtures.collect(), |fixture| {
        let expected = tensors(&fixture.path("grads.safetensors"));
        let largest = expected.values().map(|expected| expected.norm().double_value(&[])).fold(0.0, f64::max);
        for checkpointing in [false, true] {
            let got = all_gradients(fixture, checkpointing);
            assert_eq!(got.len(), fixture.network().parameters.specs().len());
            let mut worst = (0.0, "");
            for (name, gradient) in got.iter().filter(|(name, _)| !is_rounding(name)) {
                let Some(expected) = expected.get(name) else { panic!("{}: no gradient of {name}", fixture.name()) };
                // Where the true gradient is zero, as for the query of a single token, both are rounding.
                if [gradient, expected].iter().all(|tensor| tensor.norm().double_value(&[]) <= ROUNDING * largest) {
                    continue;
                }
                let off = ((gradient - expected).norm() / expected.norm()).double_value(&[]);
                assert!(off <= GRADIENTS, "{}: gradient of {name} off by {off:e}", fixture.name());
                worst = if off > worst.0 { (off, name.as_str()) } else { worst };
            }
            println!("{}: gradients off by at most {:.1e} ({})", fixture.name(), worst.0, worst.1);
        }
    });
}

#[test]
fn the_selection_matches_that_from_dense_gradients() {
    for fixture in Fixture::all().into_iter().filter(|fixture| fixture.path("topk.safetensors").exists()) {
        let json = fixture.json("fixture.json");
        let learner = fixture.learner(&json, &fixture.batch(), Optimizer::default());
        assert_eq!(learner.values().total() as u64, json["trainable"].as_u64().unwrap());
        let expected = tensors(&fixture.path("topk.safetensors"));
        let compared = fixture.compare_indices(learner.values(), "", &expected);
        println!("{}: {compared} targets have the same indices", fixture.name());
        assert!(compared > 0);
    }
}

#[test]
fn twenty_steps_match_the_losses_of_dense_pytorch() {
    for fixture in Fixture::all().into_iter().filter(|fixture| fixture.path("topk.safetensors").exists()) {
        let json = fixture.json("fixture.json");
        let all = fixture.batch();
        let (first, second) = (fixture.rows(0..4), fixture.rows(4..8));
        let constant = Optimizer::default();
        let linear =
            Optimizer { schedule: Schedule::Linear, warmup: 2, weight_decay: 0.1, clip: Some(1.0), ..constant };
        let increment = Optimizer { sparse_decay: SparseDecay::TowardPretrained(0.1), ..linear };
        for (name, optimizer, chosen_by, even, odd) in [
            ("const_lr_wd0", constant, &all, vec![&all], vec![&all]),
            ("weights_only_const_lr_wd0", Optimizer { biases: false, ..constant }, &all, vec![&all], vec![&all]),
            ("linear_warmup2_wd0.1none_clip1", linear, &all, vec![&all], vec![&all]),
            ("linear_warmup2_wd0.1inc_clip1", increment, &all, vec![&all], vec![&all]),
            ("accumulate2_const_lr_wd0", constant, &all, vec![&first, &second], vec![&first, &second]),
            ("alternate_halves_const_lr_wd0", constant, &first, vec![&first], vec![&second]),
        ] {
            let mut learner = fixture.learner(&json, chosen_by, optimizer);
            let curve = &json["curves"][name];
            let rate = LearningRate { schedule: optimizer.schedule, peak: 7e-4, warmup: optimizer.warmup, steps: 20 };
            let mut worst: f64 = 0.0;
            for step in 0..20 {
                let batches: Vec<Batch> =
                    if step % 2 == 0 { &even } else { &odd }.iter().map(|&batch| batch.clone()).collect();
                let taken = learner.step(step, &batches, rate.at(step)).unwrap();
                for (key, got) in [("losses", taken.loss), ("grad_norms", taken.grad_norm)] {
                    let expected = curve[key][step as usize].as_f64().unwrap();
                    let off = (got / expected - 1.0).abs();
                    assert!(
                        off <= LOSSES,
                        "{}: {name}: {key} of step {step}: {got}, expected {expected}",
                        fixture.name()
                    );
                    worst = worst.max(off);
                }
            }
            println!("{}: {name}: losses and gradient norms off by at most {worst:.1e}", fixture.name());
            let logits = learner.network.logits(&DeviceBatch::new(&all, place::device()).inputs);
            let expected =
                Tensor::from_slice2(&floats2(&curve["final_logits"])).to_kind(Kind::Float).to_device(place::device());
            let off = (logits - expected).abs().max().double_value(&[]);
            assert!(off < 1e-3, "{}: {name}: final logits off by {off:e}", fixture.name());
        }
    }
}

/// `tests/interop/methods.py` records the losses, and PEFT's initial adapters.
#[test]
fn twenty_steps_of_lora_and_of_all_parameters_match_peft_and_pytorch() {
    let fixtures: Vec<Fixture> =
        Fixture::all().into_iter().filter(|fixture| fixture.path("methods.json").exists()).collect();
    assert!(fixtures.len() >= 2);
    for fixture in fixtures {
        let json = fixture.json("methods.json");
        let number = |key: &str| json[key].as_f64().unwrap();
        let batch = fixture.batch();
        let options = LearnerOptions {
            adamw: AdamW {
                betas: (0.9, 0.999),
                eps: 1e-8,
                sparse_decay: SparseDecay::None,
                dense_decay: number("decay"),
            },
            clip: Some(1.0),
            dropout: false,
            checkpointing: false,
            probe_every: 10,
            micro_batches: 1,
            seed: 0,
        };
        let initial = tensors(&fixture.path("methods.safetensors"));
        let modules = initial.keys().filter_map(|name| LoraConfig::module(name)).map(str::to_owned).collect();
        let lora = LoraConfig { r: json["r"].as_i64().unwrap(), alpha: number("alpha"), dropout: 0.0, modules };
        for method in ["lora", "full"] {
            let mut network = fixture.network();
            if method == "lora" {
                network.add_adapters(&lora, 0);
                for (name, values) in &initial {
                    network.parameters.get(name).copy_(values);
                }
            }
            let is_trained = |name: &str| method == "full" || name.contains("lora_") || name.contains("classifier");
            let specs = network.parameters.specs().iter().filter(|spec| is_trained(&spec.name));
            let parameter = |name: &String| TrainableParameter {
                name: name.clone(),
                weights: network.parameters.get(name),
                selected: None,
            };
            let parameters: Vec<TrainableParameter> = specs.map(|spec| parameter(&spec.name)).collect();
            let mut learner = Learner::new(network, &parameters, options.clone());
            let mut worst: f64 = 0.0;
            for step in 0..20 {
                let loss = learner.step(step, std::slice::from_ref(&batch), number("rate")).unwrap().loss;
                let expected = json[method][step as usize].as_f64().unwrap();
                worst = worst.max((loss - expected).abs());
            }
            println!("{}: {method}: losses off by at most {worst:.1e}", fixture.name());
            assert!(worst <= LOSSES, "{}: {method}: losses off by {worst:e}", fixture.name());
        }
    }
}

#[test]
fn runs_with_accumulation_end_with_the_oracles_values() {
    for fixture in Fixture::all().into_iter().filter(|fixture| fixture.path("sift.json").exists()) {
        let json = fixture.json("sift.json");
        let kept = tensors(&fixture.path("sift.safetensors"));
        // [micro-batches, rows, length]
        let (ids, labels) = (&kept["input_ids"], &kept["labels"]);
        for (run, accumulate) in [("clean_acc1", 1), ("clean_acc2", 2)] {
            let micro = |number: i64| batch_of(&ids.get(number), None, None, &labels.get(number));
            let optimizer = Optimizer {
                schedule: Schedule::Linear,
                warmup: 2,
                weight_decay: 0.1,
                sparse_decay: SparseDecay::TowardPretrained(0.1),
                clip: Some(1.0),
                ..Optimizer::default()
            };
            let mut learner = fixture.learner(&json, &micro(0), optimizer);
            fixture.compare_indices(learner.values(), &format!("{run}/"), &kept);
            assert_eq!(learner.values().total() as u64, json["runs"][run]["trainable"].as_u64().unwrap());
            let rate = LearningRate { schedule: Schedule::Linear, peak: 2e-3, warmup: 2, steps: 8 };
            for step in 0..8 {
                let batches: Vec<Batch> = (0..accumulate).map(|m| micro(step * accumulate + m)).collect();
                let taken = learner.step(step as u64, &batches, rate.at(step as u64)).unwrap();
                let expected = json["runs"][run]["losses"][step as usize].as_f64().unwrap();
                assert!(
                    (taken.loss / expected - 1.0).abs() <= LOSSES,
                    "{run}: step {step}: {} for {expected}",
                    taken.loss
                );
            }
            let mut worst: f64 = 0.0;
            for spec in learner.network.parameters.specs().iter().filter(|spec| !is_rounding(&spec.name)) {
                let weights = learner.network.parameters.get(&spec.name);
                let (got, expected) = match kept.get(&format!("{run}/{}.idx", spec.name)) {
                    Some(indices) => (
                        weights.flatten(0, -1).index_select(0, indices),
                        kept[&format!("{run}/{}.value", spec.name)].copy(),
                    ),
                    None => match kept.get(&format!("{run}/{}", spec.name)) {
                        Some(expected) => (weights, expected.copy()),
                        None => continue,
                    },
                };
                worst = worst.max((got - expected).abs().max().double_value(&[]));
            }
            println!("{}: {run}: values off by at most {worst:.1e}", fixture.name());
            // A learning rate of 2e-3 moves a value by some 1e-2.
            assert!(worst < 1e-5, "{}: {run}: values off by {worst:e}", fixture.name());
        }
    }
}

/// Checks every fixture, and lists all that fail.
fn each(fixtures: Vec<Fixture>, check: impl Fn(&Fixture)) {
    let failed = |fixture: &&Fixture| catch_unwind(AssertUnwindSafe(|| check(fixture))).is_err();
    let failures: Vec<String> = fixtures.iter().filter(failed).map(Fixture::name).collect();
    assert!(failures.is_empty(), "{} of {} fixtures fail: {}", failures.len(), fixtures.len(), failures.join(", "));
}

/// Whether the gradient is rounding: the bias of a key shifts all scores alike, so softmax cancels it. With rotary positions it
/// does not cancel.
fn is_rounding(name: &str) -> bool {
    name.ends_with("key.bias")
}

/// Settings that differ between the oracle's runs.
#[derive(Clone, Copy)]
struct Optimizer {
    schedule: Schedule,
    warmup: u64,
    weight_decay: f64,
    sparse_decay: SparseDecay,
    clip: Option<f64>,
    biases: bool,
}

impl Default for Optimizer {
    fn default() -> Optimizer {
        Optimizer {
            schedule: Schedule::Constant,
            warmup: 0,
            weight_decay: 0.0,
            sparse_decay: SparseDecay::None,
            clip: None,
            biases: true,
        }
    }
}

struct Fixture {
    folder: PathBuf,
    model: PathBuf,
    io: HashMap<String, Tensor>,
}

impl Fixture {
    fn all() -> Vec<Fixture> {
        let own = place::fixture("models");
        let more = std::env::var_os("FINESIFT_FIXTURES").map(PathBuf::from);
        let mut folders: Vec<PathBuf> = Vec::new();
        for place in std::iter::once(own).chain(more) {
            let entries = fs::read_dir(&place).unwrap_or_else(|error| panic!("{}: {error}", place.display()));
            folders
                .extend(entries.map(|entry| entry.unwrap().path()).filter(|path| path.join("io.safetensors").exists()));
        }
        folders.sort();
        folders.into_iter().filter_map(Fixture::open).collect()
    }

    fn open(folder: PathBuf) -> Option<Fixture> {
        let weights = ["model.safetensors", "model.safetensors.index.json"];
        let model = if weights.iter().any(|file| folder.join(file).exists()) {
            folder.clone()
        } else if folder.join("classifier.safetensors").exists() {
            cache_folder().join("demo/minilm")
        } else {
            println!("{}: skipped: no model, and not a fixture of the demo's model", folder.display());
            return None;
        };
        if !model.exists() {
            panic!("{}: missing; `make setup` fetches it", model.display());
        }
        match ModelConfig::read(&model) {
            Err(error) if error.to_string().contains("model_type") => {
                println!("{}: skipped: {error}", folder.display());
                return None;
            }
            // Any other error shows when the network is opened.
            _ => {}
        }
        Some(Fixture { io: tensors(&folder.join("io.safetensors")), model, folder })
    }

    fn name(&self) -> String {
        self.folder.file_name().unwrap().to_string_lossy().into_owned()
    }

    fn path(&self, file: &str) -> PathBuf {
        self.folder.join(file)
    }

    fn json(&self, file: &str) -> Value {
        serde_json::from_slice(&fs::read(self.path(file)).unwrap()).unwrap()
    }

    fn network(&self) -> Network {
        let labels = self.io["logits"].size()[1];
        let options = LoadOptions {
            head: Head::as_stored(labels),
            dtype: Kind::Float,
            device: place::device(),
            offload: None,
            seed: 0,
        };
        let (network, report) = Network::open(&self.model, &options, &|_| {}).unwrap();
        if self.path("classifier.safetensors").exists() {
            for (name, tensor) in tensors(&self.path("classifier.safetensors")) {
                network.parameters.get(&name).copy_(&tensor);
            }
        } else {
            assert!(report.newly_initialized.is_empty(), "{:?}", report.newly_initialized);
        }
        network
    }

    fn batch(&self) -> Batch {
        let io = &self.io;
        let batch = batch_of(&io["input_ids"], io.get("attention_mask"), io.get("token_type_ids"), &io["labels"]);
        match io.get("position_ids") {
            Some(positions) => packed(batch, positions),
            None => padded_in_front(batch),
        }
    }

    fn rows(&self, rows: std::ops::Range<i64>) -> Batch {
        let part = |name: &str| self.io.get(name).map(|tensor| tensor.narrow(0, rows.start, rows.end - rows.start));
        let (mask, types) = (part("attention_mask"), part("token_type_ids"));
        batch_of(&part("input_ids").unwrap(), mask.as_ref(), types.as_ref(), &part("labels").unwrap())
    }

    /// A learner whose selection is by a batch's gradient, with the oracle's settings.
    fn learner(&self, oracle: &Value, batch: &Batch, optimizer: Optimizer) -> Learner {
        let network = self.network();
        let rules = Rules {
            rate: oracle["rate"].as_f64().unwrap(),
            structure: Structure::Entries,
            modules: strings(&oracle["modules"]),
            dense: strings(&oracle["dense"]),
            biases: optimizer.biases,
        };
        let settings = LearnerOptions {
            adamw: AdamW {
                betas: (0.9, 0.999),
                eps: 1e-8,
                sparse_decay: optimizer.sparse_decay,
                dense_decay: optimizer.weight_decay,
            },
            clip: optimizer.clip,
            dropout: false,
            checkpointing: false,
            probe_every: 10,
            micro_batches: 1,
            seed: 0,
        };
        let options = SelectionOptions::gradient(&rules, settings.backward(0));
        let selection = select_components(&network, &options, std::slice::from_ref(batch)).unwrap();
        Learner::new(network, &selection.parameters, settings)
    }

    /// Compares the indices of all targets but the biases of keys, and returns how many were compared.
    fn compare_indices(&self, values: &Values, prefix: &str, expected: &HashMap<String, Tensor>) -> usize {
        let mut compared = 0;
        for slot in values.slots().iter().filter(|slot| !is_rounding(&slot.name)) {
            let Some(indices) = expected.get(&format!("{prefix}{}.idx", slot.name)) else { continue };
            let got = slot.indices();
            assert!(got.equal(&indices.sort(0, false).0), "{}: other indices in {}", self.name(), slot.name);
            compared += 1;
        }
        compared
    }
}

fn all_gradients(fixture: &Fixture, checkpointing: bool) -> Vec<(String, Tensor)> {
    let network = fixture.network();
    let names: Vec<&str> = network.parameters.specs().iter().map(|spec| spec.name.as_str()).collect();
    let wanted = GradTargets::new(&network.parameters, names.iter().copied());
    let batch = fixture.batch();
    let loaded = DeviceBatch::new(&batch, place::device());
    let walk = BackwardOptions { training: false, checkpointing, seed: 0 };
    let mut found = Vec::new();
    let objective = network.objective(&loaded.targets, 1.0 / batch.labels.count() as f64);
    let _ = gradients(&*network.segments(&loaded.inputs), &wanted, walk, &objective, &mut |gradients| {
        for gradient in gradients {
            match gradient {
                Gradient::Linear { slots, x, dy } => {
                    found.extend(slots.weight.map(|slot| (names[slot].to_owned(), dy.tr().matmul(&x))));
                    let bias = || dy.sum_dim_intlist(Some(&[0i64][..]), false, Kind::Float);
                    found.extend(slots.bias.map(|slot| (names[slot].to_owned(), bias())));
                }
                Gradient::Leaf { slot, gradient } => found.push((names[slot].to_owned(), gradient)),
            }
        }
    });
    found
}

pub fn batch_of(ids: &Tensor, mask: Option<&Tensor>, types: Option<&Tensor>, labels: &Tensor) -> Batch {
    let flat = |tensor: &Tensor| Vec::<i64>::try_from(tensor.flatten(0, -1)).unwrap();
    let count = ids.numel();
    let sequence_ids = mask.map_or(vec![1; count], flat);
    Batch {
        rows: ids.size()[0] as usize,
        length: ids.size()[1] as usize,
        input_ids: flat(ids),
        tokens: sequence_ids.iter().sum::<i64>() as u64,
        sequence_ids,
        position_ids: None,
        token_type_ids: types.map_or(vec![0; count], flat),
        labels: match labels.kind() {
            Kind::Int64 if labels.dim() == 2 => next_token_labels(labels),
            Kind::Int64 => BatchLabels::Classes(flat(labels)),
            _ => BatchLabels::Scores(Vec::try_from(labels.to_kind(Kind::Float)).unwrap()),
        },
    }
}

/// Packed rows, in which positions start at 0 with each example.
fn packed(batch: Batch, positions: &Tensor) -> Batch {
    let positions = Vec::<i64>::try_from(positions.flatten(0, -1)).unwrap();
    let begun = |row: &[i64]| -> Vec<i64> {
        let number = |number: &mut i64, place: &i64| {
            *number += i64::from(*place == 0);
            Some(*number)
        };
        row.iter().scan(0, number).collect()
    };
    let sequence_ids = positions.chunks(batch.length).flat_map(begun).collect();
    Batch { sequence_ids, position_ids: Some(positions), ..batch }
}

/// Padding before tokens needs position ids.
fn padded_in_front(batch: Batch) -> Batch {
    let mut rows = batch.sequence_ids.chunks(batch.length);
    let in_order = (0..batch.sequence_ids.len() as i64).map(|place| place % batch.length as i64);
    let position_ids = rows.any(|row| row[0] == 0).then(|| in_order.collect());
    Batch { position_ids, ..batch }
}

/// transformers labels each token with itself, or -100 outside the loss mask, and shifts labels within the loss.
pub fn next_token_labels(labels: &Tensor) -> BatchLabels {
    let length = labels.size()[1];
    let labels = Vec::<i64>::try_from(labels.flatten(0, -1)).unwrap();
    let behind = (1..).zip(&labels[1..]).filter(|(place, next)| place % length != 0 && **next >= 0);
    let (places, next) = behind.map(|(place, next)| (place - 1, *next)).unzip();
    BatchLabels::Tokens { positions: places, labels: next }
}

/// The tensors of a file, on the tests' device.
pub fn tensors(path: &Path) -> HashMap<String, Tensor> {
    let tensors = Tensor::read_safetensors(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    tensors.into_iter().map(|(name, tensor)| (name, tensor.to_device(place::device()))).collect()
}

pub fn strings(value: &Value) -> Vec<String> {
    value.as_array().unwrap().iter().map(|text| text.as_str().unwrap().to_owned()).collect()
}

fn floats2(value: &Value) -> Vec<Vec<f64>> {
    let row = |row: &Value| row.as_array().unwrap().iter().map(|number| number.as_f64().unwrap()).collect();
    value.as_array().unwrap().iter().map(row).collect()
}
