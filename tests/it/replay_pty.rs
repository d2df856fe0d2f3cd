//! `finesift replay` in a pseudo-terminal: it plays, pauses, and ends where a replay at once begins.

use std::fs;
use std::path::Path;

use crate::place;
use crate::pty::Pty;

/// A folder of runs with the recorded run `demo`.
pub fn runs() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path().join("demo");
    fs::create_dir(&run).unwrap();
    let fixture = place::fixture("runs/demo.jsonl");
    fs::copy(fixture, run.join("events.jsonl")).unwrap();
    fs::write(run.join("preset.toml"), "").unwrap();
    folder
}

fn replay(folder: &Path, more: &[&str]) -> Pty {
    let arguments = [&["replay", "demo", "--runs", "."], more].concat();
    Pty::start(120, 40, folder, &arguments)
}

/// The texts of the tabs with curves.
fn tabs(pty: &mut Pty) -> Vec<String> {
    [("2", "selected share"), ("4", "Disk free"), ("1", "Evaluation")]
        .map(|(key, shown)| {
            pty.press(key);
            pty.wait_for(&[shown, "170/170"]);
            pty.whole_screen().contents()
        })
        .to_vec()
}

fn leave(mut pty: Pty) {
    pty.press("q");
    let (status, text) = pty.wait_exit();
    assert_eq!(status, 0, "{text}");
    pty.assert_restored();
}

#[test]
fn a_paced_replay_plays_and_pauses_and_ends_as_one_at_once() {
    let folder = runs();
    let mut pty = replay(folder.path(), &["--speed", "2"]);
    pty.wait_for(&["replay 2x", "/170"]);
    pty.press(" ");
    pty.wait_for(&["replay paused"]);
    let progress = |pty: &Pty| {
        let text = pty.text();
        text.lines().find(|line| line.contains("/170")).map(str::to_owned)
    };
    let paused = progress(&pty);
    // It stays where it is, on every tab; the speed can be changed meanwhile.
    pty.press("5");
    pty.wait_for(&["╭ Log"]);
    pty.press("]]]]]]]]1");
    pty.wait_for(&["Evaluation", "replay paused"]);
    assert_eq!(progress(&pty), paused);
    assert!(!pty.text().contains("170/170"), "{}", pty.text());
    pty.press("[[[[[[[[[ ");
    pty.wait_for(&["replay 1x"]);
    pty.press("]]]]]]]]]");
    pty.wait_for(&["● completed", "170/170"]);
    pty.wait_until("the end of the replay", |screen| screen.contents().contains("replay of "));
    let played = tabs(&mut pty);
    leave(pty);

    let mut pty = replay(folder.path(), &[]);
    pty.wait_for(&["● completed", "170/170"]);
    assert_eq!(tabs(&mut pty), played);
    leave(pty);
}

#[test]
fn a_replay_needs_a_run_and_a_speed() {
    let folder = runs();
    for (arguments, message) in [(["replay", "demi"], "demi"), (["replay", "--speed=0"], "expected a factor")] {
        let mut pty = Pty::start(100, 30, folder.path(), &[&arguments[..], &["--runs", "."]].concat());
        let (status, text) = pty.wait_exit();
        assert!(status == 2 && text.contains(message), "{status}: {text}");
    }
}

#[test]
fn any_screen_is_saved_as_svg_and_png() {
    let folder = runs();
    let mut pty = replay(folder.path(), &[]);
    pty.wait_for(&["● completed", "170/170"]);
    // With what lies above it.
    pty.press("?");
    pty.wait_for(&["save a checkpoint now"]);
    pty.press("\x13");
    pty.press("\x1b");
    pty.wait_for(&["overview-step-170.svg", "overview-step-170.png"]);
    pty.press("H");
    pty.wait_for(&["Presets"]);
    pty.press("\x13");
    pty.wait_for(&["finesift-home.svg and finesift-home.png"]);
    leave(pty);
    let screens = folder.path().join("demo/screens");
    for path in [screens.join("overview-step-170"), folder.path().join("finesift-home")] {
        let svg = fs::read_to_string(path.with_extension("svg")).unwrap();
        assert!(svg.starts_with("<svg ") && svg.ends_with("</svg>\n"));
        assert_eq!(svg.contains(">save a checkpoint now<"), path.starts_with(&screens));
        let png = fs::read(path.with_extension("png")).unwrap();
        let number = |at: usize| u32::from_be_bytes(png[at..at + 4].try_into().unwrap());
        assert_eq!((&png[1..4], number(16), number(20)), (&b"PNG"[..], 2 * (120 * 8 + 24), 2 * (40 * 16 + 24)));
    }
}
