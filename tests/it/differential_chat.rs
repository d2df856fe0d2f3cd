//! Chat templates and their masks against what transformers and Jinja make of them, as `tests/interop/chat.py` records it.

use std::fs;

use finesift::data::instruct::{
    self, ChatTemplate, Conversation, InstructionExample, InstructionFormat, InstructionRow, PromptEncoder,
};
use serde_json::Value;
use tempfile::TempDir;

use crate::byte_tokenizer;
use crate::place;

#[test]
fn masks_are_those_of_transformers() {
    let recorded = recorded();
    let cases = list(&recorded["masks"]);
    let mut failures = Vec::new();
    for (number, template) in list(&recorded["templates"]).iter().enumerate() {
        let cases: Vec<&Value> = cases.iter().filter(|case| case["template"] == number).collect();
        let folder = folder(template);
        let encoder = PromptEncoder::open(folder.path(), InstructionFormat::Messages, 100_000).unwrap();
        for (case, row) in cases.iter().zip(rows(&folder, &cases)) {
            let encoded = encoder.encode("train", &[row], &|_| {}).unwrap();
            let marked = match encoded.left_out.first() {
                Some((_, fault)) => fault.to_string(),
                None => byte_tokenizer::marked(folder.path(), &encoded.sequences[0]),
            };
            if case["marked"] != marked {
                failures.push(format!("template {number}, {}:\n{}\n{marked:?}", case["row"], case["marked"]));
            }
        }
    }
    report(cases.len(), 300, &failures);
}

#[test]
fn conversations_are_rendered_as_by_transformers() {
    let recorded = recorded();
    let cases = list(&recorded["renderings"]);
    let mut failures = Vec::new();
    for (number, template) in list(&recorded["templates"]).iter().enumerate() {
        let cases: Vec<&Value> = cases.iter().filter(|case| case["template"] == number).collect();
        let folder = folder(template);
        let chat = chat_template(template["source"].as_str().unwrap(), &template["tokens"]);
        for (case, row) in cases.iter().zip(rows(&folder, &cases)) {
            compare(
                &mut failures,
                &format!("template {number}, {}", case["row"]),
                &case["text"],
                &chat,
                &conversation(row),
            );
        }
    }
    report(cases.len(), 300, &failures);
}

#[test]
fn expressions_have_the_values_of_jinja() {
    let recorded = recorded();
    let cases = list(&recorded["expressions"]);
    let template = &recorded["templates"][0];
    let folder = folder(template);
    let conversation = conversation(rows(&folder, &[&serde_json::json!({"row": recorded["row"]})]).remove(0));
    let mut failures = Vec::new();
    for case in cases {
        let source = case["source"].as_str().unwrap();
        let shown = source.rsplit("%}").next().unwrap_or(source);
        match ChatTemplate::new(source, template["tokens"].as_object().unwrap().clone()) {
            Ok(chat) => compare(&mut failures, shown, &case["text"], &chat, &conversation),
            Err(error) => failures.push(format!("{shown}:\n{}\n{error:#}", case["text"])),
        }
    }
    report(cases.len(), 300, &failures);
}

/// Compares a text, or checks that there is an error where there was one.
fn compare(failures: &mut Vec<String>, what: &str, expected: &Value, chat: &ChatTemplate, conversation: &Conversation) {
    let got = chat.render(conversation, false);
    match (expected.as_str(), &got) {
        (Some(expected), Ok(got)) if expected == got => {}
        (None, Err(_)) => {}
        _ => failures.push(format!("{what}:\n{expected}\n{got:?}")),
    }
}

fn report(cases: usize, least: usize, failures: &[String]) {
    assert!(cases >= least, "{cases} cases");
    assert!(failures.is_empty(), "{} of {cases} differ:\n{}", failures.len(), failures.join("\n"));
}

/// The rows of cases, read as a file of them.
fn rows(folder: &TempDir, cases: &[&Value]) -> Vec<InstructionRow> {
    let file = folder.path().join("rows.jsonl");
    let lines: Vec<String> = cases.iter().map(|case| case["row"].to_string()).collect();
    fs::write(&file, lines.join("\n")).unwrap();
    let (rows, warnings) = instruct::read(&file, InstructionFormat::Messages, &|_| {}).unwrap();
    assert_eq!((rows.len(), warnings), (cases.len(), Vec::<String>::new()));
    rows
}

fn conversation(row: InstructionRow) -> Conversation {
    let InstructionExample::Conversation(conversation) = row.example else { panic!("{row:?}") };
    conversation
}

fn chat_template(source: &str, tokens: &Value) -> ChatTemplate {
    ChatTemplate::new(source, tokens.as_object().unwrap().clone()).unwrap()
}

fn folder(template: &Value) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let mut config = template["tokens"].clone();
    config["chat_template"] = template["source"].clone();
    let special: Vec<&str> = list(&template["special"]).iter().map(|token| token.as_str().unwrap()).collect();
    byte_tokenizer::write(folder.path(), &special, &config, false);
    folder
}

fn list(value: &Value) -> &[Value] {
    value.as_array().unwrap()
}

fn recorded() -> Value {
    let path = place::fixture("differential/chat.json");
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}
