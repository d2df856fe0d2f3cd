//! The whole program in a pseudo-terminal: a run watched, held, kept and ended by key and by signal.

use crate::pty::Pty;
use crate::tiny::Tiny;

/// A run that would go on for hours.
fn endless(tiny: &Tiny) -> String {
    let path = tiny.path("endless.toml");
    std::fs::write(&path, tiny.preset("epochs = 1000000\neval_every = 1000000")).unwrap();
    path.display().to_string()
}

fn watch(tiny: &Tiny, columns: u16, rows: u16) -> Pty {
    let preset = endless(tiny);
    let mut pty = Pty::start(columns, rows, &tiny.path(""), &["train", &preset, "--run", "mine", "--device", "cpu"]);
    pty.wait_for(&["training", "step ", "Loss"]);
    pty
}

#[test]
fn a_run_is_watched_held_and_kept_by_key() {
    let tiny = Tiny::new(0.0);
    let mut pty = watch(&tiny, 120, 40);
    pty.press("p");
    pty.wait_for(&["paused", "resume"]);
    pty.press("c");
    pty.wait_for(&["checkpoint of step"]);
    pty.press("e");
    // While it evaluates, `p` would ask for a pause once more.
    pty.wait_for(&["evaluation at step", "● paused"]);
    pty.press("p");
    pty.wait_for(&["● training"]);
    pty.press("?");
    pty.wait_for(&["write a checkpoint now"]);
    pty.press("\x1b");
    pty.wait_until("the help to go", |screen| !screen.contents().contains("write a checkpoint now"));
    pty.press("\r");
    pty.wait_for(&["cursor", "esc back"]);
    pty.press("\x1b");
    pty.wait_for(&["Gradient mass"]);
    pty.press("w");
    pty.wait_for(&["wrote loss-step-"]);
    for (tab, shown) in
        [("2", "attention.self.query.weight"), ("3", "the worst 24"), ("4", "Disk free"), ("6", "texts.csv")]
    {
        pty.press(tab);
        pty.wait_for(&[shown]);
    }
    pty.press("1q");
    pty.wait_for(&["stop and save"]);
    pty.press("s");
    let (status, text) = pty.wait_exit();
    assert_eq!(status, 0, "{text}");
    assert!(text.contains("stopped after"), "{text}");
    pty.assert_restored();
    let kept = std::fs::read_dir(tiny.path("runs/mine/checkpoints")).unwrap().count();
    assert!((1..=2).contains(&kept), "{kept} checkpoints");
    let charts = std::fs::read_dir(tiny.path("runs/mine/charts")).unwrap().map(|file| file.unwrap().path());
    let mut kinds: Vec<_> = charts.map(|path| path.extension().unwrap().to_owned()).collect();
    kinds.sort();
    assert_eq!(kinds, ["csv", "svg"]);
}

#[test]
fn a_signal_stops_the_run_with_a_checkpoint_and_gives_the_terminal_back() {
    for (signal, code) in [("TERM", 143), ("INT", 130), ("HUP", 129)] {
        let tiny = Tiny::new(0.0);
        let mut pty = watch(&tiny, 80, 24);
        pty.signal(signal);
        let (status, text) = pty.wait_exit();
        assert_eq!(status, code, "{signal}: {text}");
        pty.assert_restored();
        assert!(tiny.path("runs/mine/checkpoints").is_dir(), "{signal}: no checkpoint");
    }
}

#[test]
fn any_size_is_drawn_and_left_again() {
    let tiny = Tiny::new(0.0);
    let mut pty = watch(&tiny, 200, 60);
    for _ in 0..100 {
        pty.resize(1, 1);
        pty.resize(200, 60);
    }
    pty.wait_for(&["Gradient norm", "space pause"]);
    pty.resize(40, 10);
    pty.wait_for(&["finesift needs 60 x 16"]);
    pty.resize(80, 24);
    pty.wait_for(&["Loss", "space pause"]);
    pty.press("qd");
    assert_eq!(pty.wait_exit().0, 0);
    pty.assert_restored();
}

#[test]
fn what_is_wrong_is_said_on_the_shell_and_leaves_nothing() {
    let tiny = Tiny::new(0.0);
    let path = tiny.path("wrong.toml");
    std::fs::write(&path, tiny.preset("epochs = 1").replace("[\"classifier\"]", "[\"clasifier\"]")).unwrap();
    let mut pty = Pty::start(120, 30, &tiny.path(""), &["train", &path.display().to_string(), "--run", "mine"]);
    pty.wait_for(&["clasifier"]);
    pty.press("q");
    let (status, text) = pty.wait_exit();
    assert_eq!(status, 2, "{text}");
    assert!(text.contains("nearest are classifier"), "{text}");
    pty.assert_restored();
    assert!(!tiny.path("runs/mine").exists());
}
