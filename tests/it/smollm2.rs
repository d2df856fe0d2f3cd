//! Parity of a real language model with transformers: SmolLM2-135M-Instruct, if `make demo-chat` has fetched it.

use std::collections::HashMap;
use std::fs;
use std::path::PathBuf;

use finesift::data::instruct::{InstructionFormat, InstructionSource, PromptEncoder, load};
use finesift::data::{Batch, HeldOut, MmluSubject, ReadOptions, collate_sequences};
use finesift::eval::DeviceBatch;
use finesift::eval::mmlu;
use finesift::model::{GREEDY, Generator, Head, LoadOptions, Network};
use finesift::preset::cache_folder;
use finesift::sift::select::Structure;
use finesift::sift::{AdamW, Rules, SparseDecay};
use finesift::train::{Learner, LearnerOptions, SelectionOptions, select_components};
use serde_json::Value;
use tch::{Kind, Tensor};

use crate::parity::{batch_of, strings, tensors};
use crate::place;

#[test]
fn logits_match_transformers() {
    let Some(network) = network() else { return };
    let io = kept("io.safetensors");
    let loaded = DeviceBatch::new(
        &batch_of(&io["input_ids"].unsqueeze(0), None, None, &Tensor::from_slice(&[0i64])),
        place::device(),
    );
    let logits = network.logits(&loaded.inputs).squeeze_dim(0);
    let off = |got: Tensor, name: &str| (got - &io[name]).abs().max().double_value(&[]);
    let last = off(logits.get(31), "last_logits");
    let first = off(logits.narrow(1, 0, 2048), "logits_first2048");
    let top = off(logits.gather(1, &io["top16_ids"], false), "top16_logits");
    let normalizer = off(logits.logsumexp(&[1i64][..], false), "logsumexp");
    println!("off by {last:.1e} (last), {first:.1e} (first 2048), {top:.1e} (top 16), {normalizer:.1e} (logsumexp)");
    assert!(last < 2e-3 && first < 2e-3 && top < 2e-3 && normalizer < 2e-3);
}

#[test]
fn greedy_completions_match_transformers_with_and_without_a_cache() {
    let Some(network) = network() else { return };
    let decoder = network.decoder().unwrap();
    let io = kept("io.safetensors");
    let ids = |name: &str| Vec::<i64>::try_from(&io[name]).unwrap();
    let expected = ids("greedy");
    let cached: Vec<i64> = Generator::new(decoder, &ids("input_ids"), 32, &[], &GREEDY).collect();
    assert_eq!(cached, expected);

    let mut without = ids("input_ids");
    for _ in 0..32 {
        let read = Tensor::from_slice(&without).unsqueeze(0).to_device(place::device());
        let hidden = decoder.forward_cached(&read, &mut decoder.kv_cache(1, without.len() as i64));
        without.push(decoder.logits(&hidden).argmax(-1, false).int64_value(&[0]));
    }
    assert_eq!(without[32..], expected);

    // A chat completion ends with its stop token.
    let answer: Vec<i64> =
        Generator::new(decoder, &ids("chat_ids"), 50, &decoder.config().eos_token_ids, &GREEDY).collect();
    let mut expected = ids("chat_greedy");
    assert_eq!(expected.pop(), Some(2));
    assert_eq!(answer, expected);
}

#[test]
fn the_masked_loss_and_the_selection_match_dense_pytorch() {
    let Some(network) = network() else { return };
    let json: Value = serde_json::from_slice(&fs::read(folder().join("fixture.json")).unwrap()).unwrap();
    let alpaca = kept("alpaca.safetensors");
    let rows = |start: i64, rows: i64| {
        let part = |name: &str| alpaca[name].narrow(0, start, rows);
        batch_of(&part("input_ids"), Some(&part("attention_mask")), None, &part("labels"))
    };
    let loss = |network: &Network, batch: &Batch| {
        let loaded = DeviceBatch::new(batch, place::device());
        let objective = network.objective(&loaded.targets, 1.0 / batch.labels.count() as f64);
        objective.loss(&network.output(&loaded.inputs)).double_value(&[])
    };
    let all = rows(0, 4);
    let off = (loss(&network, &all) - json["alpaca_loss"].as_f64().unwrap()).abs();
    println!("loss off by {off:.1e}");
    assert!(off < 1e-4, "{off:e}");
    for row in 0..4 {
        let expected = json["alpaca_loss_per_example"][row].as_f64().unwrap();
        assert!((loss(&network, &rows(row as i64, 1)) - expected).abs() < 1e-4, "example {row}");
    }

    let sift = &json["sift"];
    let rules = Rules {
        rate: sift["rate"].as_f64().unwrap(),
        structure: Structure::Entries,
        modules: strings(&sift["modules"]),
        dense: Vec::new(),
        biases: false,
    };
    let adamw = AdamW { betas: (0.9, 0.999), eps: 1e-8, sparse_decay: SparseDecay::None, dense_decay: 0.0 };
    let settings = LearnerOptions {
        adamw,
        clip: None,
        dropout: false,
        checkpointing: true,
        probe_every: 1000,
        micro_batches: 1,
        seed: 0,
    };
    let options = SelectionOptions::gradient(&rules, settings.backward(0));
    let selection = select_components(&network, &options, std::slice::from_ref(&all)).unwrap();
    let mut learner = Learner::new(network, &selection.parameters, settings);
    assert_eq!(learner.values().sparse() as u64, sift["trainable"].as_u64().unwrap());
    let top = kept("topk256.safetensors");
    let compared: Vec<&str> = top.keys().filter_map(|name| name.strip_suffix(".idx256")).collect();
    assert_eq!(compared.len(), 14);
    for name in compared {
        let slot = learner.values().slots().iter().find(|slot| slot.name == name).unwrap();
        let selected = slot.indices();
        let largest = &top[&format!("{name}.idx256")];
        let found = largest.unsqueeze(1).eq_tensor(&selected.unsqueeze(0)).any_dim(1, false).all();
        assert!(found.int64_value(&[]) == 1, "{name}: one of the largest was not selected");
    }
    // A step of this model takes a minute in a debug build, so there is only one.
    let steps = if cfg!(debug_assertions) { 1 } else { 5 };
    let losses: Vec<f64> = sift["losses"].as_array().unwrap().iter().map(|loss| loss.as_f64().unwrap()).collect();
    let close = |step: usize, got: f64| {
        println!("step {step}: loss {got:.5}, expected {:.5}", losses[step]);
        assert!((got / losses[step] - 1.0).abs() < 1e-4, "step {step}: {got} and {}", losses[step]);
    };
    for step in 0..steps {
        let taken = learner.step(step as u64, std::slice::from_ref(&all), sift["lr"].as_f64().unwrap()).unwrap();
        close(step, taken.loss);
    }
    close(steps, loss(&learner.network, &all));
}

#[test]
fn multiple_choice_answers_match_transformers() {
    let Some(network) = network() else { return };
    let folder = tempfile::tempdir().unwrap();
    for (split, rows) in [
        ("dev", "What is 2 + 2?,3,4,5,6,B\nWhich of these is a colour?,Table,Seven,Blue,Run,C\n"),
        (
            "test",
            "Which planet is known as the Red Planet?,Venus,Mars,Jupiter,Saturn,B\n\
             \"What is the boiling point of water at sea level, in degrees Celsius?\",0,50,100,200,C\n\
             \"Who wrote \"\"Romeo and Juliet\"\"?\",Charles Dickens,Jane Austen,Mark Twain,William Shakespeare,D\n\
             How many legs does a spider have?,8,6,4,10,A\n\
             Which gas do plants take in from the air?,Oxygen,Helium,Nitrogen,Carbon dioxide,D\n",
        ),
    ] {
        fs::create_dir(folder.path().join(split)).unwrap();
        fs::write(folder.path().join(split).join(format!("common_knowledge_{split}.csv")), rows).unwrap();
    }
    let model = demo().unwrap().join("smollm2");
    let phrasing = PromptEncoder::open(&model, InstructionFormat::PromptCompletion, 8192).unwrap();
    // The model prefers one letter, and another one after examples.
    for (shots, letter, right) in [(0, 0, 1), (2, 2, 1)] {
        let subjects = MmluSubject::read(folder.path(), &[], shots).unwrap();
        for batch in [1, 3] {
            let score = &mmlu(&network, &phrasing, &subjects, shots, batch, &|_| {}).unwrap()[0];
            assert_eq!((score.chosen.as_slice(), score.right, score.asked), ([letter; 5].as_slice(), right, 5));
        }
    }
}

#[test]
fn alpaca_rows_give_the_tokens_that_stanford_trained_on() {
    let Some(demo) = demo() else { return };
    let json: Value = serde_json::from_slice(&fs::read(folder().join("fixture.json")).unwrap()).unwrap();
    let rows = tempfile::tempdir().unwrap();
    let file = rows.path().join("rows.json");
    fs::write(&file, json["alpaca"].to_string()).unwrap();
    let source = InstructionSource {
        format: InstructionFormat::Alpaca,
        columns: Default::default(),
        train: vec![file.clone()],
        held_out: HeldOut::Files(vec![file]),
    };
    let read = load(&source, ReadOptions { seed: 0, max_bad_rows: 1.0 }, &|_| {}).unwrap();
    let phrasing = PromptEncoder::open(&demo.join("smollm2"), InstructionFormat::Alpaca, 512).unwrap();
    let phrased = phrasing.encode("train", &read.train, &|_| {}).unwrap();
    let batch = collate_sequences(&phrased.sequences, &[0, 1, 2, 3], 2);
    let alpaca = kept("alpaca.safetensors");
    let expected = batch_of(&alpaca["input_ids"], Some(&alpaca["attention_mask"]), None, &alpaca["labels"]);
    assert_eq!((batch.input_ids, batch.labels), (expected.input_ids, expected.labels));
    // Stanford's mask takes EOS for padding, since both have the same id; here padding is known by position.
    assert_eq!(batch.tokens, expected.tokens + 4);
}

fn folder() -> PathBuf {
    place::fixture("models/smollm2")
}

fn kept(file: &str) -> HashMap<String, Tensor> {
    tensors(&folder().join(file))
}

/// The chat demo's folder, if it was fetched.
fn demo() -> Option<PathBuf> {
    let demo = cache_folder().join("demo-chat");
    if !demo.exists() {
        println!("skipped: {} is missing; `make demo-chat` fetches it", demo.display());
        return None;
    }
    Some(demo)
}

/// The model, if the chat demo was fetched: `make setup` leaves out its half a gigabyte.
fn network() -> Option<Network> {
    let demo = demo()?;
    let options =
        LoadOptions { head: Head::as_stored(0), dtype: Kind::Float, device: place::device(), offload: None, seed: 0 };
    let (network, report) = Network::open(&demo.join("smollm2"), &options, &|_| {}).unwrap();
    assert!(report.newly_initialized.is_empty() && report.unused.is_empty());
    Some(network)
}
