//! The program talks and says what is wrong, without a terminal.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use crate::tiny::chat;

#[test]
fn lines_in_answers_out() {
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
    // The same question has the same answer where nothing is drawn, again and anew.
    let several = talk("hello\n/again\n\n/help\n/new\nhello\n/quit\nhello\n");
    assert_eq!(several, once.repeat(3));
}

#[test]
fn texts_and_choices_are_weighed() {
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
    // A choice is weighed as the same text is foreseen: "q a" less "q", and whatever is shorter is likelier.
    let rows = r#"{"prompt": "q", "completion": " a"}"#;
    let data = write("one.jsonl", rows);
    let foreseen = eval("perplexity", &data, &["--format", "prompt_completion"]);
    assert_eq!(foreseen["tokens"], 3);
    assert!((foreseen["loss"].as_f64().unwrap().exp() / foreseen["perplexity"].as_f64().unwrap() - 1.0).abs() < 1e-9);
    let long = "z".repeat(30);
    let data = write("choices.jsonl", &format!(r#"{{"question": "q", "choices": ["{long}", "a"], "answer": "B"}}"#));
    let score = eval("choices", &data, &[]);
    assert_eq!((&score["asked"], &score["right"], &score["chosen"]), (&1.into(), &1.into(), &serde_json::json!([1])));
    // A text is cut into parts, and each of its tokens is foreseen once: 40 bytes and EOS.
    let data = write("text.txt", &"0123456789".repeat(4));
    assert_eq!(eval("perplexity", &data, &["--max-length", "7"])["tokens"], 41);
}

#[test]
fn mistakes_end_with_status_2_and_say_what_to_do() {
    let folder = chat();
    let model = folder.path().join("model").display().to_string();
    let encoder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/models/tiny-bert");
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
        (vec!["chat", "./nowhere"], "neither a folder that exists nor a hub id"),
        (vec!["chat", &bert], "an encoder does not write"),
        (vec!["chat", &model, "--temperature=-1"], "expected a number from 0 on"),
        (vec!["chat", &model, "--top-p=0"], "expected a share above 0"),
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
    let mut child = Command::new(env!("CARGO_BIN_EXE_finesift"))
        .args(arguments)
        .current_dir(home)
        .env("HF_HUB_OFFLINE", "1")
        .env("HF_HOME", home)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A program that refuses its arguments does not listen.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    child.wait_with_output().unwrap()
}
