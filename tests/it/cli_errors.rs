//! Chat and evaluation without a terminal, and the errors of the command line.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use crate::place;
use crate::tiny::chat;

#[test]
fn chat_reads_prompts_and_prints_completions() {
    let folder = chat();
    let model = folder.path().join("model");
    let talk = |lines: &str| {
        let said =
            run(folder.path(), &["chat", &model.display().to_string(), "--temperature", "0", "--tokens", "4"], lines);
        assert!(said.status.success(), "{said:?}");
        String::from_utf8(said.stdout).unwrap()
    };
    let once = talk("hello\n");
    assert!(once.ends_with('\n'));
    // A greedy completion of the same prompt is the same, regenerated and in a new conversation.
    let several = talk("hello\n/again\n\n/help\n/new\nhello\n/quit\nhello\n");
    assert_eq!(several, once.repeat(3));
}

#[test]
fn perplexity_and_choices_are_scored() {
    let folder = chat();
    let model = folder.path().join("model").display().to_string();
    let write = |name: &str, text: &str| {
        std::fs::write(folder.path().join(name), text).unwrap();
        folder.path().join(name).display().to_string()
    };
    let eval = |task: &str, data: &str, more: &[&str]| {
        let arguments = [&["eval", &model, "--task", task, "--data", data, "--json"], more].concat();
        let said = run(folder.path(), &arguments, "");
        assert!(said.status.success(), "{said:?}");
        serde_json::from_slice::<serde_json::Value>(&said.stdout).unwrap()
    };
    // A choice is scored by the log-probability of its tokens after the question; the shorter text is more likely.
    let rows = r#"{"prompt": "q", "completion": " a"}"#;
    let data = write("one.jsonl", rows);
    let score = eval("perplexity", &data, &["--format", "prompt_completion"]);
    assert_eq!(score["tokens"], 3);
    assert!((score["loss"].as_f64().unwrap().exp() / score["perplexity"].as_f64().unwrap() - 1.0).abs() < 1e-9);
    let long = "z".repeat(30);
    let data = write("choices.jsonl", &format!(r#"{{"question": "q", "choices": ["{long}", "a"], "answer": "B"}}"#));
    let score = eval("choices", &data, &[]);
    assert_eq!((&score["asked"], &score["right"], &score["chosen"]), (&1.into(), &1.into(), &serde_json::json!([1])));
    // A text is split into windows, and each token is scored once: 40 bytes and EOS.
    let data = write("text.txt", &"0123456789".repeat(4));
    assert_eq!(eval("perplexity", &data, &["--max-length", "7"])["tokens"], 41);
}

#[test]
fn usage_errors_exit_with_2_and_say_what_to_do() {
    let folder = chat();
    let model = folder.path().join("model").display().to_string();
    let encoder = place::fixture("models/tiny-bert");
    let bert = folder.path().join("bert");
    std::fs::create_dir(&bert).unwrap();
    for file in ["config.json", "model.safetensors"] {
        std::fs::copy(encoder.join(file), bert.join(file)).unwrap();
    }
    std::fs::copy(folder.path().join("model/tokenizer.json"), bert.join("tokenizer.json")).unwrap();
    let (bert, nowhere) = (bert.display().to_string(), folder.path().join("none").display().to_string());
    // A tokenizer with more tokens than the model has rows.
    let foreign = folder.path().join("foreign");
    std::fs::create_dir(&foreign).unwrap();
    for file in ["model.safetensors", "tokenizer_config.json", "config.json"] {
        std::fs::copy(folder.path().join("model").join(file), foreign.join(file)).unwrap();
    }
    let tokenizer = std::fs::read_to_string(folder.path().join("model/tokenizer.json")).unwrap();
    std::fs::write(foreign.join("tokenizer.json"), tokenizer.replace("\"~\":", "\"far\":9000,\"~\":")).unwrap();
    let foreign = foreign.display().to_string();
    for (arguments, message) in [
        (vec!["chat", &foreign], "token far has the id 9000, but the model's vocab_size is 512"),
        (vec!["chat", "./nowhere"], "./nowhere: no such folder"),
        (vec!["chat", &bert], "an encoder generates no text"),
        (vec!["chat", &model, "--temperature=-1"], "expected a number of 0 or more"),
        (vec!["chat", &model, "--top-p=0"], "expected a number above 0"),
        (vec!["eval", &model, "--task", "mmlu", "--data", &nowhere], "none/test: No such file"),
        (vec!["eval", &model, "--task", "mmlu", "--data", &nowhere], "expected a folder with SUBJECT_test.csv files"),
        (vec!["eval", &model, "--task", "choices", "--data", &nowhere], "none: no such file"),
    ] {
        let said = run(folder.path(), &arguments, "hello\n");
        let error = String::from_utf8_lossy(&said.stderr).into_owned();
        assert_eq!(said.status.code(), Some(2), "{arguments:?}: {error}");
        assert!(error.contains(message), "{arguments:?}: {error}");
    }
}

fn run(home: &Path, arguments: &[&str], input: &str) -> Output {
    let mut child = Command::new(place::program())
        .args(arguments)
        .current_dir(home)
        .env("HF_HUB_OFFLINE", "1")
        .env("HF_HOME", home)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A program that rejects its arguments does not read stdin.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    child.wait_with_output().unwrap()
}
