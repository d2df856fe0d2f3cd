//! The program in a pseudo-terminal without an active run: the Runs screen, themes, settings, terminal sequences.

use std::fs;
use std::io::Write;
use std::path::PathBuf;

use crate::pty::Pty;
use crate::runs_screen::SampleRuns;

/// The program at Home, with settings and runs.
fn open(samples: &SampleRuns, settings: &str, more: &[(&str, &str)]) -> Pty {
    configure(samples, settings);
    Pty::start_with(120, 40, &samples.path(), &["--runs", "."], more)
}

fn configure(samples: &SampleRuns, settings: &str) {
    let config = samples.path().join("config/finesift");
    fs::create_dir_all(&config).unwrap();
    fs::write(config.join("config.toml"), settings).unwrap();
}

fn at_runs(samples: &SampleRuns, settings: &str, more: &[(&str, &str)]) -> Pty {
    let mut pty = open(samples, settings, more);
    pty.wait_for(&["Presets"]);
    pty.press("R");
    pty.wait_for(&["too-high", "rate-0.05"]);
    pty
}

fn leave(mut pty: Pty) -> String {
    pty.press("q");
    let (status, text) = pty.wait_exit();
    assert_eq!(status, 0, "{text}");
    pty.assert_restored();
    text
}

#[test]
fn a_terminal_without_an_alternate_screen_is_cleared_at_start_and_end() {
    let samples = SampleRuns::new();
    let mut pty = at_runs(&samples, "", &[]);
    let first = pty.on_one_screen_after('@');
    assert!(first.contains("too-high") && !first.contains('@'), "{first}");
    pty.press("q");
    pty.wait_exit();
    let last = pty.on_one_screen_after('@');
    assert!(!last.contains("too-high") && !last.contains('@'), "{last}");
}

#[test]
fn runs_are_renamed_tagged_and_moved_to_the_trash() {
    let samples = SampleRuns::new();
    let mut pty = at_runs(&samples, "", &[]);
    pty.press("/early\r");
    pty.wait_for(&["1 of 6"]);
    pty.press("n\u{15}first-try\r");
    pty.wait_for(&["renamed to ./first-try"]);
    pty.press("\x1b");
    pty.wait_for(&["first-try", "rate-0.05"]);
    pty.press("/rate\r");
    pty.wait_for(&["1 of 6"]);
    pty.press("g good\r");
    pty.wait_for(&["#sweep #good"]);
    pty.press("D");
    pty.wait_for(&["Move rate-0.05 to the trash?"]);
    pty.press("y");
    pty.wait_for(&["moved to ./.trash/rate-0.05"]);
    leave(pty);
    assert!(samples.path().join("first-try/events.jsonl").exists() && !samples.path().join("early").exists());
    assert_eq!(fs::read_to_string(samples.path().join(".trash/rate-0.05/tags")).unwrap(), "sweep\ngood\n");
}

#[test]
fn a_run_is_replayed_and_its_path_copied() {
    let samples = SampleRuns::new();
    let mut pty = at_runs(&samples, "", &[]);
    pty.press("/paper\r");
    pty.wait_for(&["1 of 6"]);
    pty.press("y");
    // OSC 52 sets the clipboard, in base 64.
    pty.wait_for_sequence("\x1b]52;c;");
    pty.press("\r");
    pty.wait_for(&["● completed", "step 170/170", "Gradient mass"]);
    pty.press("\x1b");
    pty.wait_for(&["1 of 6"]);
    leave(pty);
}

#[test]
fn three_recorded_runs_are_compared_from_a_fresh_start() {
    let samples = SampleRuns::new();
    let mut pty = at_runs(&samples, "", &[]);
    // Nothing was launched and nothing is on the monitor.
    pty.press("\x1b[H   ");
    pty.wait_for(&["3 marked", "Compared 3", "baseline", "1 differs"]);
    pty.wait_until("all curves", |screen| !screen.contents().contains("reading"));
    pty.press("c");
    pty.wait_for(&["Eval loss", "accuracy", "Gradient mass", "Learning rate", "Gradient norm", "Tokens/s", "Memory"]);
    pty.press("\x1b");
    pty.wait_for(&["3 marked"]);
    // Without a run on the monitor, overlaying opens the same.
    pty.press("v");
    pty.wait_for(&["Gradient mass"]);
    pty.press("\x1b");
    pty.wait_for(&["3 marked"]);
    // The legend follows a run that trains in another process.
    let events = samples.path().join("now/events.jsonl");
    let step = r#"{"event":"step","step":133,"epoch":1.5,"loss":0.3,"learning_rate":0.0001,"grad_norm":1.0,"tokens_per_second":4000.0,"elapsed":25.0}"#;
    let mut file = fs::File::options().append(true).open(events).unwrap();
    writeln!(file, "{step}").unwrap();
    pty.wait_until("the next step", |screen| {
        screen.contents().lines().any(|line| line.contains("now") && line.trim_end_matches(['│', ' ']).ends_with("133"))
    });
    leave(pty);
}

#[test]
fn the_screen_returns_after_a_shell_in_the_run_folder() {
    let samples = SampleRuns::new();
    let shell = samples.path().join("shell");
    fs::write(&shell, "#!/bin/sh\nread line\necho \"$line\" > note\n").unwrap();
    let chmod = std::process::Command::new("chmod").arg("+x").arg(&shell).status().unwrap();
    assert!(chmod.success());
    let mut pty = at_runs(&samples, "", &[("SHELL", &shell.display().to_string())]);
    pty.press("/paper\ro");
    pty.wait_until("the shell", |screen| {
        !screen.alternate_screen() && screen.contents().contains("returns to finesift")
    });
    pty.press("typed there\r");
    pty.wait_until("the screen", |screen| screen.alternate_screen() && screen.contents().contains("1 of 6"));
    pty.press("y");
    pty.wait_for_sequence("\x1b]52;c;");
    leave(pty);
    assert_eq!(fs::read_to_string(samples.path().join("demo-20270101-090000/note")).unwrap(), "typed there\n");
}

/// An export that waits for its input: the run's events are a pipe without a writer.
fn exporting(samples: &SampleRuns) -> (Pty, PathBuf) {
    let mut pty = at_runs(samples, "", &[]);
    pty.press("/paper\r");
    pty.wait_for(&["1 of 6"]);
    let run = samples.path().join("demo-20270101-090000");
    let (pipe, events) = (run.join("pipe"), run.join("events.jsonl"));
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    fs::rename(&pipe, &events).unwrap();
    pty.press("e\x1b[B\x1b[B\x1b[B\x1b[B");
    pty.wait_for(&["● CSV", "exports/run/metrics.csv"]);
    pty.press("\r");
    pty.wait_for(&["exporting demo-20270101-090000: reading"]);
    (pty, run)
}

#[test]
fn quitting_waits_for_an_export_or_cancels_it_without_leftovers() {
    let samples = SampleRuns::new();
    let (mut pty, run) = exporting(&samples);
    pty.press("q");
    pty.wait_for(&["An export is still running.", "demo-20270101-090000 as CSV", "to ./demo"]);
    pty.press("\x1b");
    pty.wait_until("the question to go", |screen| !screen.contents().contains("An export is still running."));
    pty.press("q");
    pty.wait_for(&["cancel it and quit"]);
    pty.press("w");
    pty.wait_for(&["Quitting when this export is done"]);
    assert!(!run.join("exports").exists());
    // Each open returns when there is a reader, the export or the listing of runs, which then reads the end of file.
    let pipe = run.join("events.jsonl");
    std::thread::spawn(move || while fs::File::options().write(true).open(&pipe).is_ok() {});
    let (status, text) = pty.wait_exit();
    assert_eq!(status, 0, "{text}");
    pty.assert_restored();
    assert!(run.join("exports/run/metrics.csv").is_file());

    let samples = SampleRuns::new();
    let (mut pty, run) = exporting(&samples);
    pty.press("q");
    pty.wait_for(&["An export is still running."]);
    pty.press("c");
    assert_eq!(pty.wait_exit().0, 0);
    pty.assert_restored();
    assert!(!run.join("exports").exists());
}

#[test]
fn a_chosen_theme_is_saved() {
    let samples = SampleRuns::new();
    let mut pty = at_runs(&samples, "# mine\nascii = false\n", &[]);
    pty.press("t");
    pty.wait_for(&["enter keeps"]);
    pty.press("\x1b[F");
    // Nord is previewed before it is chosen.
    pty.wait_until("the preview", |screen| {
        screen.cell(30, 60).is_some_and(|cell| cell.bgcolor() == vt100::Color::Rgb(0x2e, 0x34, 0x40))
    });
    pty.press("\r");
    pty.wait_for(&["set theme nord in"]);
    leave(pty);
    let config = fs::read_to_string(samples.path().join("config/finesift/config.toml")).unwrap();
    assert_eq!(config, "theme = \"nord\"\n# mine\nascii = false\n");
}

#[test]
fn the_background_is_queried_and_defaults_to_dark() {
    let samples = SampleRuns::new();
    for (answer, background) in [
        ("\x1b]11;rgb:ffff/ffff/ffff\x1b\\\x1b[?62;22c", vt100::Color::Rgb(0xfb, 0xfb, 0xfa)),
        ("\x1b]11;rgb:1111/1111/1111\x07\x1b[?62;22c", vt100::Color::Default),
        ("\x1b[?1;2c", vt100::Color::Default),
    ] {
        configure(&samples, "theme = \"auto\"");
        // The answer to the last question comes with the one to the first.
        let mut pty = Pty::start_answering(answer, 120, 40, &samples.path(), &["--runs", "."], &[]);
        pty.wait_for_sequence("\x1b]11;?");
        pty.wait_for(&["Presets"]);
        pty.wait_until("the background", |screen| screen.cell(20, 60).is_some_and(|cell| cell.bgcolor() == background));
        leave(pty);
    }
}

#[test]
fn no_color_and_ascii_are_respected() {
    let samples = SampleRuns::new();
    let mut pty = at_runs(&samples, "ascii = true\nmouse = false", &[("NO_COLOR", "1")]);
    pty.press("?");
    pty.wait_for(&["Anywhere"]);
    assert!(pty.text().is_ascii(), "{}", pty.text());
    // No colour in any sequence: 30 to 37, 38, 40 to 48, 90 and on.
    let written = String::from_utf8_lossy(&pty.written).into_owned();
    for sequence in written.split("\x1b[").skip(1) {
        let Some((numbers, _)) = sequence.split_once('m') else { continue };
        if numbers.bytes().all(|byte| byte.is_ascii_digit() || byte == b';') {
            let coloured = numbers.split(';').filter_map(|number| number.parse::<u8>().ok());
            let none = coloured.clone().all(|number| matches!(number, 0..=29 | 39 | 49 | 50..=69));
            assert!(none, "ESC[{numbers}m sets a colour");
        }
    }
    assert!(!pty.wrote("\x1b[?1000h"), "the mouse is captured");
    pty.press("\r");
    leave(pty);
}

#[test]
fn title_and_taskbar_are_restored() {
    let samples = SampleRuns::new();
    let mut pty = at_runs(&samples, "", &[("WT_SESSION", "1")]);
    assert!(pty.wrote("\x1b[22;2t") && pty.wrote("\x1b]2;finesift\x07") && pty.wrote("\x1b]9;4;0\x07"));
    pty.written.clear();
    pty.press("q");
    pty.wait_exit();
    assert!(pty.wrote("\x1b]2;\x07\x1b[23;2t") && pty.wrote("\x1b]9;4;0\x07"));
    // An unknown terminal receives no taskbar sequences.
    let pty = at_runs(&samples, "", &[]);
    assert!(!pty.wrote("\x1b]9;"));
    leave(pty);
}

#[test]
fn an_error_in_the_settings_is_printed_to_the_shell() {
    let samples = SampleRuns::new();
    for (settings, message) in [
        ("theme = \"nrod\"", "did you mean \"nord\"?"),
        ("\nmose = true", "config.toml:2: unknown key \"mose\"; did you mean \"mouse\"?"),
        ("[keys]\npause = \"c\"", "config.toml:2: keys.pause: c is already bound to checkpoint"),
    ] {
        let config = samples.path().join("config/finesift");
        fs::create_dir_all(&config).unwrap();
        fs::write(config.join("config.toml"), settings).unwrap();
        let mut pty = Pty::start(120, 40, &samples.path(), &["--runs", "."]);
        let (status, text) = pty.wait_exit();
        assert_eq!(status, 2, "{text}");
        assert!(text.replace('\n', "").contains(message), "{text}");
        pty.assert_restored();
    }
}

#[test]
fn a_signal_and_many_resizes_leave_the_terminal_restored() {
    let samples = SampleRuns::new();
    let mut pty = at_runs(&samples, "[keys]\nruns = [\"R\", \"ctrl-r\"]", &[]);
    for _ in 0..50 {
        pty.resize(1, 1);
        pty.resize(120, 40);
    }
    pty.press("H");
    pty.wait_for(&["Presets"]);
    pty.press("\x12");
    pty.wait_for(&["too-high", "rate-0.05"]);
    pty.signal("TERM");
    assert_eq!(pty.wait_exit().0, 143);
    pty.assert_restored();
}
