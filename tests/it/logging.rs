//! The log of `FINESIFT_LOG`: it is written by every process, and nothing of it goes to a terminal.

use std::fs;
use std::io::Write;
use std::process::{Command, Output, Stdio};

use crate::place;
use crate::tiny::Tiny;

fn program(tiny: &Tiny, arguments: &[&str]) -> Command {
    let mut command = Command::new(place::program());
    command
        .current_dir(tiny.path(""))
        .args(arguments)
        .env("FINESIFT_RUNS", tiny.path("runs"))
        .env("XDG_CACHE_HOME", tiny.path("cache"))
        .env("XDG_CONFIG_HOME", tiny.path("config"))
        .env("OMP_NUM_THREADS", "1")
        .env("FINESIFT_LOG", tiny.path("log"))
        .env("FINESIFT_LOG_LEVEL", "debug")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

fn assert_quiet(output: &Output) {
    let shown = [&output.stdout[..], &output.stderr].concat();
    let shown = String::from_utf8_lossy(&shown);
    assert!(output.status.success(), "{shown}");
    assert!(!shown.contains("INFO") && !shown.contains("DEBUG"), "{shown}");
}

#[test]
fn a_detached_run_and_its_viewer_log_to_one_file_and_not_to_the_terminal() {
    let tiny = Tiny::new(0.1);
    fs::write(tiny.path("tiny.toml"), tiny.preset("epochs = 100000\neval_every = 50")).unwrap();
    assert_quiet(
        &program(&tiny, &["train", "tiny.toml", "--run", "mine", "--device", "cpu", "--background"]).output().unwrap(),
    );
    let mut viewer = program(&tiny, &["attach", "mine", "--plain"]).spawn().unwrap();
    viewer.stdin.take().unwrap().write_all(b"checkpoint\nstop\n").unwrap();
    assert_quiet(&viewer.wait_with_output().unwrap());
    let background = fs::read_to_string(tiny.path("runs/mine/background.log")).unwrap();
    assert!(!background.contains("INFO"), "{background}");
    let log = fs::read_to_string(tiny.path("log")).unwrap();
    for line in [
        "INFO finesift::cli::detach: started a background process",
        "INFO finesift::cli::detach: detaching from the terminal",
        "INFO finesift::attach::listener: listening for viewers",
        "INFO finesift::attach::viewer: attached",
        "DEBUG finesift::attach::listener: command from a viewer command=Checkpoint",
        "finesift::train::checkpoint::writer: written path=",
    ] {
        assert!(log.contains(line), "{line} is not in\n{log}");
    }
    // Time, process, level.
    let processes = log.lines().map(|line| line.split_whitespace().nth(1).unwrap().parse::<u32>().unwrap());
    assert_eq!(processes.collect::<std::collections::BTreeSet<_>>().len(), 3, "{log}");
}

#[test]
fn an_unknown_level_and_a_file_that_cannot_be_written_are_errors() {
    let tiny = Tiny::new(0.1);
    for (name, value, message) in [
        ("FINESIFT_LOG_LEVEL", "loud", "FINESIFT_LOG_LEVEL=loud: expected error, warn, info, debug or trace"),
        ("FINESIFT_LOG", "/no/such/folder/log", "FINESIFT_LOG=/no/such/folder/log: cannot write"),
    ] {
        let output = program(&tiny, &["runs"]).env(name, value).output().unwrap();
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.code() == Some(2) && error.contains(message), "{error}");
    }
}
