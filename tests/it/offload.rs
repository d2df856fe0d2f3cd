//! Networks whose weights of blocks are off the device, beside the same networks with all of them on it: the same numbers to the bit.

use finesift::data::Batch;
use finesift::eval::DeviceBatch;
use finesift::model::{
    GREEDY, Generator, Head, LoadOptions, LoraConfig, ModelConfig, Network, OffDevice, OffloadBytes,
};
use finesift::sift::select::Structure;
use finesift::sift::{Role, Rules, SavedRetired, State};
use finesift::train::{Learner, LearnerOptions, SelectionOptions, StepResult, select_components};
use proptest::prelude::*;
use tch::{Kind, Tensor};

use crate::place;
use crate::run::turn;
use crate::{language_model, sift};

/// Blocks of the networks: more than have room on the device at a time.
const BLOCKS: usize = 5;

const BERT: &str = r#"{"model_type": "bert", "vocab_size": 512, "hidden_size": 32, "num_hidden_layers": 5, "num_attention_heads": 4,
    "intermediate_size": 64, "max_position_embeddings": 64, "hidden_dropout_prob": 0.1, "attention_probs_dropout_prob": 0.1}"#;

const LLAMA: &str = r#"{"model_type": "llama", "vocab_size": 512, "hidden_size": 32, "num_hidden_layers": 5,
    "num_attention_heads": 4, "num_key_value_heads": 2, "intermediate_size": 72, "max_position_embeddings": 64,
    "rms_norm_eps": 1e-6, "hidden_act": "silu"}"#;

/// The same random network with its weights of blocks on the device, or off it.
fn network(config: &str, dtype: Kind, offload: bool) -> Network {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("config.json"), config).unwrap();
    let config = ModelConfig::read(folder.path()).unwrap();
    let outputs = if matches!(config, ModelConfig::Encoder(_)) { 3 } else { 0 };
    let offload = offload.then_some(OffDevice::Host);
    let options = LoadOptions { head: Head::as_stored(outputs), dtype, device: place::device(), offload, seed: 7 };
    Network::random(config, &options).unwrap()
}

fn batch(network: &Network, seed: u64) -> Batch {
    match network.decoder() {
        Some(_) => language_model::batch(network, 4, seed),
        None => sift::batch(4, 3..15, seed),
    }
}

/// What is trained, and how.
struct Case {
    config: &'static str,
    dtype: Kind,
    rules: Rules,
    lora: Option<LoraConfig>,
    micro_batches: usize,
}

fn cases() -> Vec<(&'static str, Case)> {
    let encoder = sift::rules(0.1, &["query", "dense"], &["classifier"]);
    let decoder = sift::rules(0.1, &language_model::PROJECTIONS, &["norm"]);
    let case = |config, rules| Case { config, dtype: Kind::Float, rules, lora: None, micro_batches: 1 };
    let modules = ["q_proj".to_owned(), "down_proj".to_owned()];
    let lora = LoraConfig { r: 2, alpha: 4.0, dropout: 0.1, modules: modules.into() };
    vec![
        ("an encoder", case(BERT, encoder.clone())),
        ("an encoder's last blocks", case(BERT, sift::rules(0.1, &["layer.3", "layer.4"], &["classifier"]))),
        ("columns of an encoder", case(BERT, Rules { structure: Structure::Columns, ..encoder.clone() })),
        ("a head", case(BERT, sift::rules(0.1, &[], &["classifier"]))),
        ("whole weights", case(BERT, sift::rules(0.1, &["query"], &["classifier", "output.dense"]))),
        ("several micro-batches", Case { micro_batches: 3, ..case(BERT, encoder) }),
        ("a decoder", case(LLAMA, decoder.clone())),
        ("a decoder in bf16", Case { dtype: Kind::BFloat16, ..case(LLAMA, decoder.clone()) }),
        ("rows of a decoder", case(LLAMA, Rules { structure: Structure::Rows, ..decoder.clone() })),
        ("blocks of a decoder", case(LLAMA, Rules { structure: Structure::Blocks { side: 8 }, ..decoder })),
        ("adapters", Case { lora: Some(lora), ..case(LLAMA, sift::rules(0.1, &[], &["lora_A", "lora_B"])) }),
    ]
}

impl Case {
    fn options(&self) -> LearnerOptions {
        LearnerOptions {
            dropout: true,
            checkpointing: true,
            probe_every: 3,
            micro_batches: self.micro_batches,
            ..sift::settings()
        }
    }

    fn learner(&self, offload: bool) -> Learner {
        let mut network = network(self.config, self.dtype, offload);
        if let Some(lora) = &self.lora {
            network.add_adapters(lora, 3);
        }
        let options = SelectionOptions::gradient(&self.rules, self.options().backward(0));
        let first = batch(&network, 0);
        let selection = select_components(&network, &options, std::slice::from_ref(&first)).unwrap();
        Learner::new(network, &selection.parameters, self.options())
    }

    fn steps(&self, learner: &mut Learner, steps: std::ops::Range<u64>) -> Vec<StepResult> {
        let step = |step| {
            let micro = self.micro_batches as u64;
            let batches: Vec<Batch> = (0..micro).map(|part| batch(&learner.network, micro * step + part)).collect();
            let result = learner.step(step, &batches, 1e-2).unwrap();
            // An evaluation in between takes the forward pass alone.
            let _ = outputs(&learner.network);
            result
        };
        steps.map(step).collect()
    }

    /// Selects again, by the gradient at that step.
    fn reselect(&self, learner: &mut Learner, step: u64) -> Vec<u64> {
        let options = SelectionOptions::gradient(&self.rules, learner.backward(step));
        let batch = batch(&learner.network, step);
        let selection = select_components(&learner.network, &options, std::slice::from_ref(&batch)).unwrap();
        learner.reselect(&selection.parameters, selection.coverage).unwrap()
    }
}

fn outputs(network: &Network) -> Tensor {
    let batch = DeviceBatch::new(&batch(network, 99), place::device());
    network.logits(&batch.inputs)
}

fn numbers(results: &[StepResult]) -> Vec<(u64, u64)> {
    results.iter().map(|result| (result.loss.to_bits(), result.grad_norm.to_bits())).collect()
}

#[test]
fn steps_and_selections_are_the_same_to_the_bit() {
    let _turn = turn();
    for (name, case) in cases() {
        let selects = !case.rules.modules.is_empty();
        let [on, off] = [false, true].map(|offload| {
            let mut learner = case.learner(offload);
            let mut results = case.steps(&mut learner, 0..4);
            let stay = if selects { case.reselect(&mut learner, 4) } else { Vec::new() };
            results.extend(case.steps(&mut learner, 4..8));
            let again = if selects { case.reselect(&mut learner, 8) } else { Vec::new() };
            results.extend(case.steps(&mut learner, 8..10));
            let masses: Vec<_> = results.iter().map(|result| result.mass.clone()).collect();
            let retired: Vec<Vec<f32>> =
                learner.values().retired().iter().map(|of| Vec::try_from(&of.values).unwrap()).collect();
            let logits = outputs(&learner.network);
            (numbers(&results), masses, stay, again, retired, logits, learner.values().state().master.copy())
        });
        assert_eq!((&on.0, &on.1), (&off.0, &off.1), "{name}");
        assert_eq!((&on.2, &on.3, &on.4), (&off.2, &off.3, &off.4), "{name}");
        assert!(on.5.equal(&off.5) && on.6.equal(&off.6), "{name}");
        assert!(!selects || on.2.iter().sum::<u64>() > 0 && on.4.iter().any(|retired| !retired.is_empty()), "{name}");
    }
}

#[test]
fn a_state_is_restored_into_weights_off_the_device() {
    let _turn = turn();
    let (_, case) = cases().swap_remove(0);
    let mut whole = case.learner(false);
    case.steps(&mut whole, 0..3);
    case.reselect(&mut whole, 3);
    case.steps(&mut whole, 3..5);
    let copied = |state: &State| State {
        master: state.master.copy(),
        first_moment: state.first_moment.copy(),
        second_moment: state.second_moment.copy(),
        updates: state.updates,
        births: state.births.as_ref().map(Tensor::copy),
    };
    let state = copied(whole.values().state());
    let retired: Vec<SavedRetired> = whole
        .values()
        .retired()
        .iter()
        .map(|retired| SavedRetired { indices: retired.indices.copy(), values: retired.values.copy() })
        .collect();
    let coverage = whole.coverage().state();
    let selected: Vec<_> = whole.values().slots().iter().map(|slot| slot.selected.clone()).collect();
    // A checkpoint names its slots; here they are those of the first selection, with other components.
    let network = network(case.config, case.dtype, true);
    let slots = whole.values().slots().iter().zip(selected);
    let parameters = slots.map(|(slot, selected)| finesift::sift::TrainableParameter {
        name: slot.name.clone(),
        weights: network.parameters.get(&slot.name),
        selected,
    });
    let parameters: Vec<_> = parameters.collect();
    let mut resumed = Learner::new(network, &parameters, case.options());
    // Its weights are on the device before the state is there.
    let _ = outputs(&resumed.network);
    resumed.restore_retired(&retired);
    resumed.restore(&state, &coverage);
    assert!(outputs(&whole.network).equal(&outputs(&resumed.network)));
    let expected = numbers(&case.steps(&mut whole, 5..8));
    assert_eq!(numbers(&case.steps(&mut resumed, 5..8)), expected);
    assert_eq!(case.reselect(&mut whole, 8), case.reselect(&mut resumed, 8));
    assert_eq!(numbers(&case.steps(&mut whole, 8..9)), numbers(&case.steps(&mut resumed, 8..9)));
}

#[test]
fn completions_are_the_same() {
    let _turn = turn();
    let [on, off] = [false, true].map(|offload| {
        let network = network(LLAMA, Kind::Float, offload);
        Generator::new(network.decoder().unwrap(), &[5, 9, 30], 12, &[], &GREEDY).collect::<Vec<_>>()
    });
    assert_eq!(on.len(), 12);
    assert_eq!(on, off);
}

#[test]
fn two_blocks_are_on_the_device_and_host_memory_keeps_what_was_loaded() {
    let _turn = turn();
    let (_, case) = cases().swap_remove(6);
    let loaded = network(case.config, case.dtype, false);
    let mut learner = case.learner(true);
    case.steps(&mut learner, 0..3);
    let offload = learner.network.offload.clone().unwrap();
    // Attention 32 x 32 twice, 32 x 16 twice, three of 32 x 72: in each block.
    let block = 4 * (2 * 32 * 32 + 2 * 32 * 16 + 3 * 32 * 72);
    // 32 x 72 = 2304 = 4.5 times the alignment.
    let aligned = block + 4 * 3 * 256;
    assert_eq!(offload.bytes(), OffloadBytes { elsewhere: (BLOCKS * block) as u64, device: 2 * aligned as u64 });
    let specs = learner.network.parameters.specs();
    assert_eq!(OffloadBytes::of(specs, BLOCKS, 4, None), offload.bytes());
    let all = learner.network.parameters.bytes();
    assert_eq!(learner.network.device_bytes(), all - offload.bytes().elsewhere + offload.bytes().device);
    let summary = offload.summary();
    assert!(summary.starts_with("weights of 5 blocks, 195 KiB, stay in "), "{summary}");
    assert!(summary.contains("; 2 x 42.0 KiB of the device take turns"), "{summary}");
    offload.release();
    let trained = |name: &str| case.rules.role(name) != Role::Frozen;
    for spec in specs.iter().filter(|spec| offload.has(&spec.name)) {
        let (now, before) = (learner.network.parameters.get(&spec.name), loaded.parameters.get(&spec.name));
        assert!(trained(&spec.name) && now.device() == tch::Device::Cpu);
        assert!(now.equal(&before.to_device(tch::Device::Cpu)), "{}", spec.name);
    }
    // What is trained is in the outputs all the same.
    assert!(!outputs(&learner.network).equal(&outputs(&loaded)));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    /// Blocks that compute in any order, some of them several times: not as a step visits them.
    #[test]
    fn blocks_come_to_the_device_in_any_order(order in prop::collection::vec(1..=BLOCKS, 1..40), decoder: bool) {
        let _turn = turn();
        let config = if decoder { LLAMA } else { BERT };
        let [on, off] = [false, true].map(|offload| {
            let network = network(config, Kind::Float, offload);
            let batch = DeviceBatch::new(&batch(&network, 5), place::device());
            tch::no_grad(|| {
                let segments = network.segments(&batch.inputs);
                let mut pass = finesift::model::ForwardPass::inference();
                let embedded = segments.forward(0, &Tensor::new(), &mut pass);
                order.iter().fold(embedded, |hidden, segment| segments.forward(*segment, &hidden, &mut pass))
            })
        });
        prop_assert!(on.equal(&off));
    }
}
