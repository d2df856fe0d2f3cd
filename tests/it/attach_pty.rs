//! The whole program: attaching to a headless run, commanding it and detaching; detaching a watched run.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use finesift::protocol::{Event, Finished, Reason};
use finesift::runs::read_events;

use crate::place;
use crate::pty::Pty;
use crate::resume::numbers;
use crate::tiny::Tiny;

/// Far more steps than the tests wait for: the run is still active however late a screen comes.
pub const EPOCHS: &str = "epochs = 1000000\neval_every = 50";

pub fn tiny(more: &str) -> Tiny {
    let tiny = Tiny::new(0.1);
    fs::write(tiny.path("tiny.toml"), tiny.preset(more)).unwrap();
    tiny
}

pub fn program(tiny: &Tiny, arguments: &[&str]) -> Command {
    let mut command = Command::new(place::program());
    let none = arguments[0] == "runs" || arguments[0] == "queue" && arguments.get(1) != Some(&"run");
    let device: &[&str] = if none { &[] } else { &["--device", "cpu"] };
    command
        .current_dir(tiny.path(""))
        .args(arguments)
        .args(["--runs", "runs"])
        .args(device)
        .env("XDG_CACHE_HOME", tiny.path("cache"))
        .env("XDG_CONFIG_HOME", tiny.path("config"))
        // Small work is slower on several threads.
        .env("OMP_NUM_THREADS", "1")
        .stdin(Stdio::null());
    command
}

pub fn output(tiny: &Tiny, arguments: &[&str]) -> Output {
    program(tiny, arguments).output().unwrap()
}

/// The standard output of a successful command.
pub fn text(output: Output) -> String {
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

pub fn screen(tiny: &Tiny, arguments: &[&str]) -> Pty {
    let arguments = [arguments, &["--runs", "runs", "--device", "cpu"]].concat();
    Pty::start_with(120, 40, &tiny.path(""), &arguments, &[("OMP_NUM_THREADS", "1")])
}

pub fn events(tiny: &Tiny, run: &str) -> PathBuf {
    tiny.path("runs").join(run).join("events.jsonl")
}

/// Stops a run, and asserts that its numbers equal those of an undisturbed run.
pub fn assert_was_undisturbed(tiny: &Tiny, run: &str) {
    let mut typed = program(tiny, &["attach", run, "--plain"]);
    let mut typed = typed.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    typed.stdin.as_mut().unwrap().write_all(b"stop\n").unwrap();
    assert!(text(typed.wait_with_output().unwrap()).contains("stopped after"));
    let told = read_events(&events(tiny, run)).unwrap();
    let Some(Event::Finished(Finished { reason: Reason::Stopped, step: last, .. })) = told.last() else {
        panic!("{told:?}")
    };
    let mut whole = program(tiny, &["train", "tiny.toml", "--run", "whole", "--headless", "--json"])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(whole.stdout.take().unwrap()).lines().map(Result::unwrap);
    let past = |line: String| matches!(serde_json::from_str(&line), Ok(Event::Step(step)) if step.step > *last);
    assert!(lines.any(past));
    whole.kill().unwrap();
    whole.wait().unwrap();
    let (told, whole) = (numbers(&told), numbers(&read_events(&events(tiny, "whole")).unwrap()));
    assert!(told == whole[..told.len()]);
}

#[test]
fn attaching_detaching_and_killing_a_viewer_do_not_disturb_a_headless_run() {
    let tiny = tiny(EPOCHS);
    let mut run = program(&tiny, &["train", "tiny.toml", "--run", "mine", "--headless", "--json"])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut told = BufReader::new(run.stdout.take().unwrap()).lines().map(Result::unwrap);
    assert!(told.any(|line| line.contains(r#""event":"step""#)));
    // Without a name: the only active run.
    let mut first = screen(&tiny, &["attach"]);
    first.wait_for(&["attached to mine", "● training"]);
    first.press("p");
    first.wait_for(&["● paused"]);
    first.press("c");
    first.wait_for(&["saved checkpoint at step", "● paused"]);
    let listed = text(output(&tiny, &["runs"]));
    assert!(listed.contains("mine  running"), "{listed}");
    first.press("q");
    let (status, left) = first.wait_exit();
    assert_eq!(status, 0, "{left}");
    assert!(left.contains("training continues in the background"), "{left}");
    first.assert_restored();
    // It stayed paused.
    let mut second = screen(&tiny, &["attach", "mine"]);
    second.wait_for(&["attached to mine", "● paused", "saved checkpoint at step"]);
    second.signal("KILL");
    second.wait_exit();
    // Also from the list of runs.
    let mut third = screen(&tiny, &[]);
    third.wait_for(&["demo"]);
    third.press("R");
    third.wait_for(&["mine", "running"]);
    third.press("\r");
    third.wait_for(&["attached to mine", "● paused"]);
    third.press("p");
    third.wait_for(&["● training"]);
    third.signal("TERM");
    let (status, left) = third.wait_exit();
    assert_eq!(status, 143, "{left}");
    // Read to the end, or the full pipe would block it.
    let rest = std::thread::spawn(move || told.last().unwrap());
    assert_was_undisturbed(&tiny, "mine");
    let last = rest.join().unwrap();
    assert!(last.contains(r#""reason":"stopped""#), "{last}");
    assert!(run.wait().unwrap().success());
    let gone = output(&tiny, &["attach", "mine"]);
    assert_eq!(gone.status.code(), Some(2));
    let error = String::from_utf8_lossy(&gone.stderr).into_owned();
    assert!(error.contains("runs/mine: this run is not active"), "{error}");
    let none = output(&tiny, &["attach"]);
    assert_eq!((none.status.code(), none.stderr.starts_with(b"finesift: no active run in runs")), (Some(2), true));
}

#[test]
fn a_watched_run_is_detached_and_continues_with_the_same_numbers() {
    let tiny = tiny(EPOCHS);
    let mut pty = screen(&tiny, &["train", "tiny.toml", "--run", "mine"]);
    pty.wait_for(&["● training", "step "]);
    pty.press("q");
    pty.wait_for(&["keep training in the background"]);
    pty.press("k");
    let (status, left) = pty.wait_exit();
    assert_eq!(status, 0, "{left}");
    assert!(left.contains("training continues in the background") && left.contains("finesift attach"), "{left}");
    pty.assert_restored();
    let mut viewer = program(&tiny, &["attach", "mine", "--json"]);
    let mut viewer = viewer.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let lines = BufReader::new(viewer.stdout.take().unwrap()).lines();
    let mut told = lines.map(|line| serde_json::from_str::<Event>(&line.unwrap()).unwrap());
    let mut viewed = Vec::new();
    while !matches!(viewed.last(), Some(Event::Resumed(_))) {
        viewed.push(told.next().expect("it was not resumed"));
    }
    let rest = std::thread::spawn(move || told.collect::<Vec<Event>>());
    assert_was_undisturbed(&tiny, "mine");
    assert!(viewer.wait().unwrap().success());
    viewed.extend(rest.join().unwrap());
    assert!(numbers(&viewed) == numbers(&read_events(&events(&tiny, "mine")).unwrap()));
    let log = fs::read_to_string(tiny.path("runs/mine/background.log")).unwrap();
    assert!(log.contains("resumed from step"), "{log}");
}

#[test]
fn attached_viewers_follow_a_detached_run() {
    let tiny = tiny(EPOCHS);
    let mut owner = screen(&tiny, &["train", "tiny.toml", "--run", "mine"]);
    owner.wait_for(&["● training", "step "]);
    // Paused until all viewers are attached.
    owner.press("p");
    owner.wait_for(&["● paused"]);
    let attached = |more: &[&str]| {
        let mut command = program(&tiny, &[&["attach", "mine"], more].concat());
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    };
    let (mut json, mut plain) = (attached(&["--json"]), attached(&["--plain"]));
    let mut told = BufReader::new(json.stdout.take().unwrap()).lines().map(Result::unwrap);
    let mut said = BufReader::new(plain.stderr.take().unwrap()).lines().map(Result::unwrap);
    let mut lines: Vec<String> = Vec::new();
    while !lines.last().is_some_and(|line| line.contains(r#""event":"step""#)) {
        lines.push(told.next().unwrap());
    }
    assert!(said.any(|line| line.contains("steps, batch size")));
    let mut viewer = screen(&tiny, &["attach", "mine"]);
    viewer.wait_for(&["attached to mine", "● paused"]);
    viewer.press("5");
    viewer.wait_for(&["following"]);
    owner.press("q");
    owner.wait_for(&["keep training in the background"]);
    owner.press("k");
    let (status, left) = owner.wait_exit();
    assert_eq!(status, 0, "{left}");
    viewer.wait_for(&["attached to mine", "resumed from step", "● training"]);
    assert!(said.any(|line| line.contains("mine: resumed from step")));
    // Commands go to the current process.
    viewer.press("p");
    viewer.wait_for(&["● paused"]);
    viewer.press("p");
    viewer.wait_for(&["● training"]);
    viewer.press("q");
    assert_eq!(viewer.wait_exit().0, 0);
    viewer.assert_restored();
    let rest = std::thread::spawn(move || told.collect::<Vec<String>>());
    assert_was_undisturbed(&tiny, "mine");
    lines.extend(rest.join().unwrap());
    assert!(json.wait().unwrap().success());
    drop(said);
    assert!(text(plain.wait_with_output().unwrap()).contains("stopped after"));
    let told: Vec<Event> = lines.iter().map(|line| serde_json::from_str(line).unwrap()).collect();
    let ends = told.iter().filter(|event| event.is_last()).count();
    let taken_up = told.iter().filter(|event| matches!(event, Event::Resumed(_))).count();
    assert_eq!((ends, taken_up), (1, 1), "{told:?}");
    assert!(numbers(&told) == numbers(&read_events(&events(&tiny, "mine")).unwrap()));
}

#[test]
fn a_run_starts_in_the_background_and_errors_are_printed_before() {
    let tiny = tiny("epochs = 100000");
    let said = text(output(&tiny, &["train", "tiny.toml", "--run", "mine", "--background"]));
    assert!(said.contains("watch it: finesift attach runs/mine"), "{said}");
    // Commands are typed in --plain.
    let mut typed = program(&tiny, &["attach", "mine", "--plain"]);
    let mut typed = typed.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    typed.stdin.as_mut().unwrap().write_all(b"stop\n").unwrap();
    assert!(text(typed.wait_with_output().unwrap()).contains("stopped after"));
    let told = read_events(&events(&tiny, "mine")).unwrap();
    assert!(matches!(told.last(), Some(Event::Finished(Finished { reason: Reason::Stopped, .. }))), "{told:?}");
    let wrong = ["train", "tiny.toml", "--run", "wrong", "--set", "sift.modules=[\"nowhere\"]", "--background"];
    let refused = output(&tiny, &wrong);
    assert_eq!(refused.status.code(), Some(2), "{}", String::from_utf8_lossy(&refused.stdout));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("nowhere"));
    assert!(!tiny.path("runs/wrong").exists());
    let both = output(&tiny, &["train", "tiny.toml", "--background", "--json"]);
    assert_eq!(both.status.code(), Some(2));
}
