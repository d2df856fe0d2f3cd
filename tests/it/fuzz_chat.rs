//! Mutated conversations: none panics, and every row is read or left out and counted.

use std::collections::BTreeMap;
use std::fs;

use finesift::data::instruct::{self, InstructionFormat, PromptEncoder};
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::{Map, Value, json};

use crate::byte_tokenizer;
use crate::place;

/// Rows per file.
const ROWS: usize = 500;

/// Rows in all; `FINESIFT_FUZZ=100000` for a long run.
fn number_of_rows() -> usize {
    std::env::var("FINESIFT_FUZZ").ok().and_then(|number| number.parse().ok()).unwrap_or(2000)
}

#[test]
fn mutated_conversations_are_read_or_counted() {
    let path = place::fixture("chat/kinds.json");
    let kinds: Vec<Value> = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
    let seeds: Vec<Value> = kinds
        .iter()
        .flat_map(|kind| kind["conversations"].as_array().unwrap())
        .map(|case| case["row"].clone())
        .collect();
    let folder = tempfile::tempdir().unwrap();
    let mut random = ChaCha8Rng::seed_from_u64(1);
    let mut faults = BTreeMap::new();
    for file in 0..number_of_rows().div_ceil(ROWS) {
        let kind = &kinds[file % kinds.len()];
        let model = folder.path().join(kind["name"].as_str().unwrap());
        if !model.is_dir() {
            fs::create_dir(&model).unwrap();
            let template: Vec<&str> =
                kind["template"].as_array().unwrap().iter().map(|line| line.as_str().unwrap()).collect();
            let mut config = kind["tokens"].clone();
            config["chat_template"] = template.join("\n").into();
            let special: Vec<&str> =
                kind["special"].as_array().unwrap().iter().map(|token| token.as_str().unwrap()).collect();
            byte_tokenizer::write(&model, &special, &config, false);
        }
        let format = *[InstructionFormat::Messages, InstructionFormat::ShareGpt].choose(&mut random).unwrap();
        let rows: Vec<String> = (0..ROWS)
            .map(|_| {
                let mut row = seeds.choose(&mut random).unwrap().clone();
                for _ in 0..random.random_range(0..4) {
                    mutate(&mut row, &mut random, 0);
                }
                // A row that is no object is an error of the file.
                if row.is_object() { row } else { json!({"messages": row}) }.to_string()
            })
            .collect();
        let path = folder.path().join("rows.jsonl");
        fs::write(&path, rows.join("\n")).unwrap();
        let (read, warnings) = instruct::read(&path, format, &|_| {}).unwrap();
        assert_eq!(read.len() + warnings.iter().map(|warning| skipped(warning)).sum::<usize>(), ROWS, "{warnings:?}");
        let max_length = *[40, 200, 10_000].choose(&mut random).unwrap();
        let encoder = PromptEncoder::open(&model, format, max_length).unwrap();
        let encoded = encoder.encode("train", &read, &|_| {}).unwrap();
        assert_eq!(encoded.sequences.len() + encoded.left_out.len(), read.len());
        for sequence in &encoded.sequences {
            assert!(sequence.ids.len() <= max_length && sequence.loss_mask.contains(&true) && !sequence.loss_mask[0]);
        }
        for (_, fault) in encoded.left_out {
            *faults.entry(fault.to_string().chars().take(40).collect::<String>()).or_insert(0) += 1;
        }
    }
    // Templates reject some of them; otherwise the mutations would not reach the templates.
    assert!(faults.len() > 3, "{faults:?}");
}

/// The number in `rows.jsonl: 3 rows skipped: …`.
fn skipped(warning: &str) -> usize {
    let (_, rest) = warning.split_once("rows.jsonl: ").unwrap();
    rest.split(' ').next().unwrap().parse().unwrap()
}

/// Changes one place of a value.
fn mutate(value: &mut Value, random: &mut ChaCha8Rng, depth: usize) {
    let inner = depth < 6 && random.random_bool(0.8);
    match value {
        Value::Array(items) if inner && !items.is_empty() => {
            let index = random.random_range(0..items.len());
            match random.random_range(0..6) {
                0 => drop(items.remove(index)),
                1 => items.insert(index, items[index].clone()),
                2 => items.swap(0, index),
                _ => mutate(&mut items[index], random, depth + 1),
            }
        }
        Value::Object(fields) if inner && !fields.is_empty() => {
            let key = fields.keys().nth(random.random_range(0..fields.len())).cloned().unwrap();
            match random.random_range(0..6) {
                0 => drop(fields.shift_remove(&key)),
                1 => rename(fields, &key, random),
                _ => fields.values_mut().for_each(|value| {
                    if random.random_bool(0.3) {
                        mutate(value, random, depth + 1);
                    }
                }),
            }
        }
        value => *value = replacement(value, random),
    }
}

fn rename(fields: &mut Map<String, Value>, key: &str, random: &mut ChaCha8Rng) {
    const NAMES: [&str; 10] = [
        "messages",
        "conversations",
        "from",
        "value",
        "role",
        "content",
        "tools",
        "tool_calls",
        "weight",
        "reasoning_content",
    ];
    if let Some(value) = fields.shift_remove(key) {
        fields.insert((*NAMES.choose(random).unwrap()).to_owned(), value);
    }
}

fn replacement(value: &Value, random: &mut ChaCha8Rng) -> Value {
    let words = [
        "assistant",
        "user",
        "system",
        "Human",
        "gpt",
        "function_call",
        "tool",
        "alien",
        "",
        " ",
        "</think>",
        "<|im_end|>",
        "{\"name\": \"f\"}",
        "\u{10fffe}",
        "\u{10ffff}\u{10fffe}",
        "\u{0}",
        "Qprobe7z",
        "é\u{301}\u{1f980}",
    ];
    match random.random_range(0..9) {
        0 => Value::Null,
        1 => json!(random.random_bool(0.5)),
        2 => json!(random.random_range(-3..100)),
        3 => json!(1e-300 * f64::from(random.random_range(0..9))),
        4 => json!([value]),
        5 => json!({"type": "text", "text": value}),
        6 => json!({}),
        7 => value.as_str().map_or(Value::Null, |text| text.chars().rev().collect::<String>().into()),
        _ => json!(words.choose(random).unwrap()),
    }
}
