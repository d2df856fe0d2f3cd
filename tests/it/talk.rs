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
    for (arguments, message) in [
        (vec!["chat", "./nowhere"], "neither a folder that exists nor a hub id"),
        (vec!["chat", &bert], "an encoder does not write"),
        (vec!["chat", &model, "--temperature=-1"], "expected a number from 0 on"),
        (vec!["chat", &model, "--top-p=0"], "expected a share above 0"),
        (vec!["eval", &model, "--task", "mmlu", "--data", &nowhere], "none/test: No such file"),
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
