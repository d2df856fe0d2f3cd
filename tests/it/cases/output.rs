//! What is printed: to a full device, to a closed pipe, in the user's time zone, in columns of wide characters.

use std::fs::File;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, SystemTime};

use unicode_width::UnicodeWidthStr;

use crate::place;
use crate::runs_screen::SampleRuns;

/// The program among sample runs.
fn finesift(samples: &SampleRuns) -> Command {
    let mut command = Command::new(place::program());
    command.current_dir(samples.path()).env("FINESIFT_RUNS", ".").stdin(Stdio::null());
    command.env("XDG_CONFIG_HOME", samples.path().join("config"));
    command
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Commands that print something without libtorch.
const PRINTING: [&[&str]; 10] = [
    &["--help"],
    &["--version"],
    &["runs", "--help"],
    &["runs"],
    &["runs", "--json"],
    &["presets"],
    &["config"],
    &["doctor"],
    &["completions", "bash"],
    &["man"],
];

#[test]
fn a_full_device_is_a_failure() {
    let samples = SampleRuns::new();
    for arguments in PRINTING {
        let full = File::options().write(true).open("/dev/full").unwrap();
        let output = finesift(&samples).args(arguments).stdout(full).output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{arguments:?}");
        let said = stderr(&output);
        let message = "finesift: cannot write to stdout: No space left on device";
        assert!(said.lines().last().is_some_and(|line| line.starts_with(message)), "{arguments:?}: {said}");
    }
}

#[test]
fn a_closed_pipe_ends_the_program_without_a_message() {
    let samples = SampleRuns::new();
    for arguments in PRINTING {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let output = finesift(&samples).args(arguments).stdout(writer).output().unwrap();
        assert_eq!((output.status.code(), stderr(&output).as_str()), (Some(1), ""), "{arguments:?}");
    }
}

#[test]
fn times_are_those_of_the_users_zone() {
    let samples = SampleRuns::new();
    let events = File::options().write(true).open(samples.path().join("early/events.jsonl")).unwrap();
    // 2026-01-15 20:00 UTC, in winter.
    events.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(1_768_507_200)).unwrap();
    let listed = |zone: &str, zones: &str| {
        let output = finesift(&samples).arg("runs").env("TZ", zone).env("TZDIR", zones).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        let table = String::from_utf8(output.stdout).unwrap();
        let line = table.lines().find(|line| line.starts_with("early ")).unwrap().to_owned();
        (line, String::from_utf8(output.stderr).unwrap())
    };
    let nowhere = samples.path().join("nowhere");
    for (zone, time) in [
        ("Asia/Kolkata", "2026-01-16 01:30"),
        (":Europe/Berlin", "2026-01-15 21:00"),
        ("IST-5:30", "2026-01-16 01:30"),
        ("EST5EDT,M3.2.0,M11.1.0", "2026-01-15 15:00"),
        ("UTC", "2026-01-15 20:00"),
        ("", "2026-01-15 20:00"),
    ] {
        // A minimal container has no files of time zones.
        for zones in ["", nowhere.to_str().unwrap()] {
            let (line, warned) = listed(zone, zones);
            assert!(line.ends_with(time), "{zone}: {line}");
            assert_eq!(warned, "", "{zone}");
        }
    }
    let (line, warned) = listed("Asia/Kolkatta", "");
    assert!(line.ends_with("2026-01-15 20:00"), "{line}");
    assert_eq!(
        warned,
        "finesift: warning: TZ=Asia/Kolkatta is no known time zone, such as Europe/Berlin; times are in UTC\n"
    );
}

#[test]
fn columns_align_with_wide_characters() {
    let samples = SampleRuns::new();
    for name in ["学习率-试验", "e\u{301}tude", "실험-02"] {
        let run = samples.path().join(name);
        std::fs::create_dir(&run).unwrap();
        std::fs::copy(samples.path().join("early/events.jsonl"), run.join("events.jsonl")).unwrap();
    }
    let presets = samples.path().join("config/finesift/presets");
    std::fs::create_dir_all(&presets).unwrap();
    for name in ["情感", "a-rather-long-name"] {
        let text = "about = \"mine\"\n[model]\nid = \"a/b\"\n[data]\ntask = \"rte\"\n[train]\nlearning_rate = 1e-3\n";
        std::fs::write(presets.join(format!("{name}.toml")), text).unwrap();
    }
    let column = |command: &str, word: &str, rows: &[&str]| {
        let output = finesift(&samples).arg(command).output().unwrap();
        let table = String::from_utf8(output.stdout).unwrap();
        let starts: Vec<usize> = rows
            .iter()
            .map(|row| {
                let line = table.lines().find(|line| line.starts_with(row)).unwrap_or_else(|| panic!("{row}: {table}"));
                line[..line.find(word).unwrap()].width()
            })
            .collect();
        assert!(starts.windows(2).all(|pair| pair[0] == pair[1]), "{starts:?}\n{table}");
    };
    column("runs", "stopped", &["early ", "学习率-试验 ", "e\u{301}tude ", "실험-02 "]);
    column("runs", "96/170", &["early ", "学习率-试验 ", "e\u{301}tude ", "실험-02 "]);
    column("presets", "mine", &["情感 ", "a-rather-long-name "]);
}
