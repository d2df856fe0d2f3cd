//! What is printed: to a full device, to a closed pipe, in the user's time zone, in columns of wide characters.

use std::fs::File;
use std::process::{Command, Output, Stdio};

use crate::runs_screen::SampleRuns;

/// The program among sample runs.
fn finesift(samples: &SampleRuns) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_finesift"));
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
