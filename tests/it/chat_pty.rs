//! `finesift chat` in a pseudo-terminal and without one: the same answers, and keys that are typed while they come.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::place;
use crate::pty::Pty;
use crate::tiny;

/// Trains the tiny language model to answer with `yes` and `no`, as the run `mine`.
fn train(folder: &Path) {
    let preset = format!(
        "[model]\nid = {:?}\n[data]\nformat = \"prompt_completion\"\npath = {:?}\neval_fraction = 0.25\nmax_length = 32\n\
         [sift]\nrate = 0.2\nmodules = [\"proj\"]\n[train]\nepochs = 40\nbatch = 2\naccumulate = 2\nlearning_rate = 3e-3\n\
         eval_every = 20\n[keep]\nevery_minutes = 0\n",
        folder.join("model"),
        folder.join("rows.jsonl")
    );
    fs::write(folder.join("tiny.toml"), preset).unwrap();
    run(folder, &["train", "tiny.toml", "--run", "mine", "--headless", "--device", "cpu"], "");
}

/// The stdout of a command that reads these lines.
fn run(folder: &Path, arguments: &[&str], lines: &str) -> String {
    let mut child = Command::new(place::program())
        .args(arguments)
        .current_dir(folder)
        .env("XDG_CACHE_HOME", folder.join("cache"))
        .env("XDG_CONFIG_HOME", folder.join("config"))
        .env_remove("FINESIFT_RUNS")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(lines.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn the_screen_answers_as_the_lines_do() {
    let folder = tiny::chat();
    train(folder.path());
    let chat = ["chat", "mine", "--device", "cpu", "--temperature", "0", "--tokens", "6"];
    let lines = run(folder.path(), &chat, "3?\n8?\n/compare\n3?\n");
    let answers: Vec<&str> = lines.lines().collect();
    let [first, second, base, tuned] = answers[..] else { panic!("four answers: {lines:?}") };
    let (base, tuned) = (base.strip_prefix("base:").unwrap(), tuned.strip_prefix("fine-tuned:").unwrap());
    assert!(
        [first, second, tuned].iter().all(|answer| answer.chars().all(|c| c.is_ascii_graphic() || c == ' ')),
        "{lines:?}"
    );

    let mut pty = Pty::start(120, 40, folder.path(), &chat);
    pty.wait_for(&["● ready", "mine", "checkpoint"]);
    pty.press("3?\r");
    let answered = |prompts: usize| {
        move |screen: &vt100::Screen| {
            let text = screen.contents();
            text.contains("● ready")
                && text.matches('❯').count() == prompts
                && text.matches("tokens/s").count() > prompts
        }
    };
    pty.wait_until("the first answer", answered(1));
    pty.press("8?\r");
    pty.wait_until("the second answer", answered(2));
    // The prompt before the last, recalled; both models answer it.
    pty.press("/base\r");
    pty.wait_for(&["● ready", "base model too", "│ fine-tuned (step "]);
    pty.press("\x1b[A\x1b[A\x1b[A\r");
    pty.wait_until("both answers of the third", |screen| {
        let text = screen.contents();
        text.contains("● ready") && text.matches('❯').count() == 3 && text.matches("│ fine-tuned (step ").count() == 2
    });
    let text = pty.text();
    let rows: Vec<&str> = text.lines().map(|row| row.trim_matches(['│', ' '])).collect();
    let prompts: Vec<usize> = (0..rows.len()).filter(|&row| rows[row].starts_with('❯')).collect();
    let row = |prompt: usize, below: usize| rows[prompts[prompt] + below];
    assert_eq!((rows[prompts[0]], rows[prompts[1]], rows[prompts[2]]), ("❯ 3?", "❯ 8?", "❯ 3?"));
    assert_eq!(row(0, 2), first.trim(), "{text}");
    // The second one was asked again of the base model.
    assert_eq!(row(1, 3).rsplit('│').next().unwrap().trim(), second.trim(), "{text}");
    let (left, right) = row(2, 3).rsplit_once('│').unwrap();
    assert_eq!(right.trim(), tuned.trim(), "{text}");
    let visible = |text: &str| text.chars().filter(|c| c.is_ascii_alphanumeric()).collect::<String>();
    assert_eq!(visible(left), visible(base), "{text}");
    pty.press("\x03");
    assert_eq!(pty.wait_exit().0, 0);
    pty.assert_restored();
}

#[test]
fn keys_are_typed_while_an_answer_streams() {
    let folder = tiny::chat();
    // An answer that ends when it is stopped: greedy decoding repeats itself and meets no stop token.
    let path = folder.path().join("model/config.json");
    let mut config: serde_json::Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    config["max_position_embeddings"] = 65_536.into();
    fs::write(&path, config.to_string()).unwrap();
    let chat = ["chat", "model", "--device", "cpu", "--temperature", "0", "--tokens", "60000"];
    let mut pty = Pty::start(100, 30, folder.path(), &chat);
    pty.wait_for(&["● ready"]);
    pty.press("hello\r");
    pty.wait_for(&["● generating", "❯ hello"]);
    pty.press("abc\x1b[D\x1b[DX");
    pty.wait_for(&["● generating", "│ aXbc"]);
    // A new line, and a word deleted in it.
    pty.press("\x1b[F\x1b\rtwo words\x17");
    pty.wait_for(&["● generating", "│ aXbc", "│ two "]);
    pty.press("\r");
    pty.wait_for(&["an answer is still being generated", "│ aXbc"]);
    pty.press("\x1b");
    pty.wait_for(&["● ready", "; stopped", "│ aXbc", "│ two "]);
    pty.press("\x15\x1b[A\x15\x1b[A");
    pty.wait_for(&["│ hello"]);
    pty.press("\x03");
    assert_eq!(pty.wait_exit().0, 0);
    pty.assert_restored();
    // The next chat recalls it.
    let mut pty = Pty::start(100, 30, folder.path(), &chat);
    pty.wait_for(&["● ready"]);
    pty.press("\x1b[A");
    pty.wait_for(&["│ hello"]);
    pty.press("\r");
    pty.wait_for(&["● generating"]);
    // Leaving does not wait for the end of the answer.
    pty.press("/quit\r");
    assert_eq!(pty.wait_exit().0, 0);
    pty.assert_restored();
}

#[test]
fn a_chat_is_opened_from_runs_and_an_exchange_is_saved() {
    let folder = tiny::chat();
    train(folder.path());
    let mut pty = Pty::start(120, 40, folder.path(), &["--device", "cpu"]);
    pty.wait_for(&["Presets"]);
    pty.press("R");
    pty.wait_for(&["mine", "completed"]);
    pty.press("a");
    pty.wait_for(&["● ready", "checkpoint", "an answer has at most 64 tokens: the model has 128 positions"]);
    pty.press("/temperature 0\r");
    pty.wait_for(&["greedy"]);
    pty.press("3?\r");
    pty.wait_for(&["● ready", "❯ 3?", "tokens/s"]);
    pty.press("/save\r");
    pty.wait_for(&["saved as an example in runs/mine/examples.jsonl"]);
    pty.press("\x1b");
    pty.wait_for(&["Runs 1"]);
    pty.press("q");
    assert_eq!(pty.wait_exit().0, 0);
    let line = fs::read_to_string(folder.path().join("runs/mine/examples.jsonl")).unwrap();
    let row: serde_json::Value = serde_json::from_str(&line).unwrap();
    assert_eq!(row["instruction"], "3?", "{line}");
    assert!(!row["output"].as_str().unwrap().is_empty());
}
