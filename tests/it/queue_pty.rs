//! The whole program: queued runs start one after the other, and a run continues in the background when its terminal is gone.

use std::collections::BTreeSet;
use std::fs;
use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant};

use finesift::protocol::{Event, Finished, Reason};
use finesift::runs::{Lister, RunState, read_events};

use crate::attach_pty::{EPOCHS, assert_was_undisturbed, events, output, program, screen, text, tiny};
use crate::pty::Pty;
use crate::resume::numbers;
use crate::tiny::Tiny;

/// A preset of the user's, in Home's list.
fn listed(tiny: &Tiny, name: &str, more: &str) {
    let presets = tiny.path("config/finesift/presets");
    fs::create_dir_all(&presets).unwrap();
    fs::write(presets.join(format!("{name}.toml")), tiny.preset(more)).unwrap();
}

/// Launches a preset of Home while another run trains, up to the question.
fn launch_another(pty: &mut Pty, preset: &str) {
    pty.press("H");
    pty.wait_for(&["Presets"]);
    pty.press(&format!("/{preset}"));
    pty.wait_for(&["1 of "]);
    pty.press("\r");
    pty.press("r");
    pty.wait_for(&[&format!("Start {preset}"), "c  cancel"]);
}

/// The only run whose name begins so.
fn run_of(tiny: &Tiny, start: &str) -> String {
    let runs = fs::read_dir(tiny.path("runs")).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let runs: Vec<String> = runs.filter(|name| name.starts_with(start)).collect();
    assert_eq!(runs.len(), 1, "{runs:?}");
    runs[0].clone()
}

fn completed(tiny: &Tiny, run: &str) -> bool {
    Lister::state_of(&tiny.path("runs").join(run)) == RunState::Completed
}

/// Waits for a change that another process makes.
fn wait_until(what: &str, holds: impl Fn() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < Duration::from_secs(120), "gave up waiting for {what}");
        thread::sleep(Duration::from_millis(20));
    }
}

/// Asserts that a run that was resumed never claims that its restored head is new.
fn assert_head_is_restored(tiny: &Tiny, run: &str) {
    let told = read_events(&events(tiny, run)).unwrap();
    let resumed = told.iter().position(|event| matches!(event, Event::Resumed(_))).expect("it was not resumed");
    let claims = |event: &Event| matches!(event, Event::Log { message, .. } if message.contains("newly initialised"));
    assert!(told[..resumed].iter().any(claims) && !told[resumed..].iter().any(claims));
    // What is not in the file is in the output of the process.
    let log = fs::read_to_string(tiny.path("runs").join(run).join("background.log")).unwrap();
    assert!(log.contains("resumed from step") && !log.contains("newly initialised"), "{log}");
}

#[test]
fn a_run_that_is_queued_behind_another_starts_by_itself() {
    let tiny = tiny("epochs = 150\neval_every = 1000000");
    listed(&tiny, "words", "epochs = 2");
    let mut pty = screen(&tiny, &["train", "tiny.toml", "--run", "first"]);
    pty.wait_for(&["● training", "step "]);
    pty.press("p");
    pty.wait_for(&["● paused"]);
    launch_another(&mut pty, "words");
    pty.wait_for(&["\"first\" is paused", "q  queue it", "b  send \"first\" to the background"]);
    pty.press("q");
    pty.wait_for(&["queued words; it is next"]);
    // Changes of the file do not change what is queued.
    listed(&tiny, "words", "epochs = 1000000");
    pty.press("R");
    pty.wait_for(&["Queue 1", "○ queued", "first"]);
    assert!(text(output(&tiny, &["queue"])).contains("1       queued  "));
    // Leaving says that it would stay queued.
    pty.press("q");
    pty.wait_for(&["1 run is queued: k trains it too"]);
    pty.press("\x1b");
    pty.wait_until("the question to go", |screen| !screen.contents().contains("1 run is queued"));
    pty.press("M");
    pty.wait_for(&["Gradient mass", "● paused"]);
    pty.press("p");
    pty.wait_for(&["words-", "● completed"]);
    let second = run_of(&tiny, "words-");
    wait_until("the second run", || completed(&tiny, &second));
    assert!(completed(&tiny, "first"));
    pty.press("q");
    let (status, left) = pty.wait_exit();
    assert_eq!(status, 0, "{left}");
    // The run that the last lines are about is the last one.
    assert!(left.contains("completed after 18 steps") && left.contains(&second), "{left}");
    assert_eq!(text(output(&tiny, &["queue"])), "no queued runs in runs\n");
}

#[test]
fn the_first_run_is_sent_to_the_background_and_another_one_starts() {
    let tiny = tiny(EPOCHS);
    listed(&tiny, "words", EPOCHS);
    let mut pty = screen(&tiny, &["train", "tiny.toml", "--run", "mine"]);
    pty.wait_for(&["● training", "step "]);
    launch_another(&mut pty, "words");
    pty.press("b");
    pty.wait_for(&["mine continues in the background"]);
    pty.wait_for(&["words-", "● training", "step "]);
    pty.press("R");
    pty.wait_for(&["mine", "words-"]);
    for run in ["mine".to_owned(), run_of(&tiny, "words-")] {
        assert_eq!(Lister::state_of(&tiny.path("runs").join(&run)), RunState::Running, "{run}");
    }
    pty.press("q");
    pty.wait_for(&["stop and save"]);
    pty.press("s");
    let (status, left) = pty.wait_exit();
    assert_eq!(status, 0, "{left}");
    assert!(left.contains("stopped after") && left.contains("words-"), "{left}");
    assert_was_undisturbed(&tiny, "mine");
    assert_head_is_restored(&tiny, "mine");
}

#[test]
fn a_run_continues_in_the_background_when_its_terminal_is_closed() {
    for closes in [true, false] {
        let tiny = tiny(EPOCHS);
        let mut pty = screen(&tiny, &["train", "tiny.toml", "--run", "mine"]);
        pty.wait_for(&["● training", "step "]);
        let status = if closes {
            pty.close()
        } else {
            pty.signal("HUP");
            let (status, left) = pty.wait_exit();
            pty.assert_restored();
            assert!(left.contains("training continues in the background"), "{left}");
            status
        };
        assert_eq!(status, 129);
        let mut viewer = screen(&tiny, &["attach"]);
        viewer.wait_for(&["attached to mine", "● training", "step "]);
        viewer.press("q");
        assert_eq!(viewer.wait_exit().0, 0);
        assert_was_undisturbed(&tiny, "mine");
        assert_head_is_restored(&tiny, "mine");
    }
}

#[test]
fn a_run_with_a_progress_bar_continues_in_the_background_too() {
    let tiny = tiny(EPOCHS);
    let mut pty = screen(&tiny, &["train", "tiny.toml", "--run", "mine", "--headless"]);
    pty.wait_for(&["accuracy"]);
    assert_eq!(pty.close(), 129);
    assert_was_undisturbed(&tiny, "mine");
}

#[test]
fn queued_runs_train_one_after_the_other_and_a_failed_start_blocks_none() {
    let tiny = tiny("epochs = 2");
    let whole = program(&tiny, &["train", "tiny.toml", "--run", "whole", "--headless"]).output().unwrap();
    assert!(whole.status.success());
    let add = |more: &[&str]| text(output(&tiny, &[&["queue", "add", "tiny.toml"], more].concat()));
    add(&["--run", "a"]);
    add(&["--run", "b", "--set", "sift.modules=[\"nowhere\"]"]);
    add(&["--run", "c", "--set", "train.epochs=3"]);
    let listed = add(&["--run", "d"]);
    let numbers_listed = listed.lines().filter(|line| line.starts_with(|c: char| c.is_ascii_digit())).count();
    assert!(numbers_listed == 4 && listed.contains("train.epochs = 3"), "{listed}");
    text(output(&tiny, &["queue", "move", "4", "1"]));
    text(output(&tiny, &["queue", "rm", "3"]));
    let listed = text(output(&tiny, &["queue", "--json"]));
    let ids: Vec<u64> = listed
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap()["id"].as_u64().unwrap())
        .collect();
    assert_eq!(ids, [4, 1, 2]);
    let taken = output(&tiny, &["queue", "add", "tiny.toml", "--run", "whole"]);
    assert_eq!(taken.status.code(), Some(2), "{}", String::from_utf8_lossy(&taken.stdout));

    // Two processes share the work, and no two runs train at once.
    let workers = [(); 2].map(|()| {
        let mut worker = program(&tiny, &["queue", "run"]);
        worker.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    });
    let ended = workers.map(|worker| worker.wait_with_output().unwrap());
    let said = ended.each_ref().map(|ended| String::from_utf8_lossy(&ended.stdout).into_owned()).concat();
    assert!(said.contains("runs/a: completed after 18 steps") && said.contains("runs/d: completed"), "{said}");
    assert!(said.contains("b: failed: ") && said.contains("nowhere"), "{said}");
    let codes: BTreeSet<Option<i32>> = ended.iter().map(|ended| ended.status.code()).collect();
    assert!(codes.contains(&Some(1)), "{codes:?}");
    let undisturbed = numbers(&read_events(&events(&tiny, "whole")).unwrap());
    for run in ["a", "d"] {
        assert!(numbers(&read_events(&events(&tiny, run)).unwrap()) == undisturbed, "{run}");
    }
    let left = text(output(&tiny, &["queue"]));
    assert!(left.contains("2       failed  b") && left.contains("nowhere") && left.lines().count() == 3, "{left}");
    assert!(!tiny.path("runs/b").exists());
    assert_eq!(text(output(&tiny, &["queue", "run"])), "no queued runs in runs\n");
}

#[test]
fn a_signal_stops_the_current_run_and_leaves_the_rest_queued() {
    let tiny = tiny("epochs = 100000");
    for run in ["a", "b"] {
        text(output(&tiny, &["queue", "add", "tiny.toml", "--run", run]));
    }
    let worker = program(&tiny, &["queue", "run"]).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let steps =
        || read_events(&events(&tiny, "a")).unwrap_or_default().iter().any(|event| matches!(event, Event::Step(_)));
    wait_until("the first steps", steps);
    let pid = worker.id().to_string();
    assert!(std::process::Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
    let ended = worker.wait_with_output().unwrap();
    assert_eq!(ended.status.code(), Some(143));
    let told = read_events(&events(&tiny, "a")).unwrap();
    assert!(matches!(told.last(), Some(Event::Finished(Finished { reason: Reason::Stopped, .. }))), "{told:?}");
    let left = text(output(&tiny, &["queue"]));
    assert!(left.contains("2       queued  b") && left.lines().count() == 2, "{left}");
}

#[test]
fn a_background_process_works_through_the_queue_after_its_run() {
    let tiny = tiny("epochs = 2");
    text(output(&tiny, &["queue", "add", "tiny.toml", "--run", "later"]));
    text(output(&tiny, &["train", "tiny.toml", "--run", "first", "--background"]));
    wait_until("the queued run", || tiny.path("runs/later").exists() && completed(&tiny, "later"));
    assert!(completed(&tiny, "first"));
    assert_eq!(text(output(&tiny, &["queue"])), "no queued runs in runs\n");
    let log = fs::read_to_string(tiny.path("runs/later/background.log")).unwrap();
    assert!(log.contains("later: 18 steps") || log.contains("18"), "{log}");
}
