//! Signals to the program, with and without a screen.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, ChildStderr, ChildStdout, Command, Output, Stdio};

use finesift::protocol::{Event, Phase, Reason};
use finesift::runs::checkpoint::{self, STATE, StoredCheckpoint};
use finesift::runs::read_events;
use portable_pty::{CommandBuilder, PtyPair, PtySize, native_pty_system};
use rustix::process::{Pid, Signal, kill_process};

use crate::place;
use crate::resume::numbers;
use crate::tiny::Tiny;

#[test]
fn a_signal_stops_a_run_with_a_checkpoint_to_resume_from() {
    let tiny = Tiny::new(0.1);
    fs::write(tiny.path("tiny.toml"), tiny.preset("epochs = 12")).unwrap();
    let whole = output(&tiny, &["train", "tiny.toml", "--run", "whole"]);
    assert_eq!(whole.status.code(), Some(0));
    let whole = read_events(&tiny.path("runs/whole/events.jsonl")).unwrap();
    for (signal, code) in [(Signal::HUP, 129), (Signal::TERM, 143), (Signal::INT, 130)] {
        let run = format!("run-{code}");
        let (child, mut told, _) = start(&tiny, &["train", "tiny.toml", "--run", &run]);
        until(&mut told, |event| matches!(event, Event::Step(_)));
        send(&child, signal);
        let rest = rest(told);
        assert_eq!(wait(child), code);
        let Some(Event::Finished(finished)) = rest.last() else { panic!("{rest:?}") };
        assert_eq!(finished.reason, Reason::Stopped);
        assert!(tiny.path("runs").join(&run).join(format!("checkpoints/step-{:08}", finished.step)).is_dir());
        let resumed = output(&tiny, &["resume", &run]);
        assert_eq!(resumed.status.code(), Some(0), "{}", String::from_utf8_lossy(&resumed.stderr));
        let events = read_events(&tiny.path("runs").join(&run).join("events.jsonl")).unwrap();
        assert!(numbers(&events) == numbers(&whole), "{run}");
        let again = output(&tiny, &["resume", &run]);
        assert_eq!(again.status.code(), Some(2));
        assert!(String::from_utf8_lossy(&again.stderr).contains("this run is completed; there is nothing to resume"));
    }
}

#[test]
fn a_second_interrupt_quits_at_once() {
    let tiny = Tiny::new(0.1);
    tiny.write_texts(30_000);
    // One step is an epoch, and takes a minute.
    fs::write(tiny.path("tiny.toml"), tiny.preset("accumulate = 10000")).unwrap();
    let (child, mut told, stderr) = start(&tiny, &["train", "tiny.toml", "--run", "run"]);
    until(&mut told, |event| matches!(event, Event::Phase { phase: Phase::Training }));
    let second = refused(&output(&tiny, &["resume", "run"]));
    assert!(
        second.contains(&format!("process {} on ", child.id())) && second.contains("is writing this run"),
        "{second}"
    );
    send(&child, Signal::INT);
    let mut line = String::new();
    let mut stderr = BufReader::new(stderr);
    stderr.read_line(&mut line).unwrap();
    assert!(line.starts_with("interrupt: stopping after this step with a checkpoint; repeat"), "{line}");
    send(&child, Signal::INT);
    assert_eq!(wait(child), 130);
    let rest = rest(told);
    assert!(!rest.iter().any(Event::is_last), "{rest:?}");
    let mut after = String::new();
    stderr.read_to_string(&mut after).unwrap();
    assert_eq!(after, "");
    // No checkpoint was saved, and the run can start again.
    assert_eq!(checkpoint::list(&tiny.path("runs/run/checkpoints")).unwrap(), []);
}

#[test]
fn a_closed_terminal_and_a_terminate_end_a_watched_run_with_a_checkpoint() {
    let tiny = Tiny::new(0.1);
    fs::write(tiny.path("tiny.toml"), tiny.preset("epochs = 100000")).unwrap();
    fs::create_dir_all(tiny.path("config/finesift")).unwrap();
    fs::write(tiny.path("config/finesift/config.toml"), "on_hangup = \"checkpoint\"").unwrap();
    for signal in [None, Some(Signal::TERM)] {
        let run = if signal.is_none() { "closed" } else { "terminated" };
        let size = PtySize { rows: 30, cols: 100, pixel_width: 0, pixel_height: 0 };
        let PtyPair { master, slave } = native_pty_system().openpty(size).unwrap();
        let mut command = CommandBuilder::new(place::program());
        command.cwd(tiny.path(""));
        command.args(["train", "tiny.toml", "--run", run, "--runs", "runs", "--device", "cpu"]);
        command.env("OMP_NUM_THREADS", "1");
        command.env("XDG_CONFIG_HOME", tiny.path("config"));
        command.env("TERM", "xterm-256color");
        let mut child = slave.spawn_command(command).unwrap();
        drop(slave);
        let mut screen = vt100::Parser::new(30.try_into().unwrap(), 100.try_into().unwrap(), 0);
        let mut reader = master.try_clone_reader().unwrap();
        let mut bytes = [0; 4096];
        // Wait for the first evaluation.
        while !screen.screen().contents().contains("accuracy") {
            let read = reader.read(&mut bytes).unwrap();
            screen.process(&bytes[..read]);
        }
        match signal {
            Some(signal) => {
                kill_process(Pid::from_raw(child.process_id().unwrap() as i32).unwrap(), signal).unwrap();
                // Read its output, or it would block.
                while reader.read(&mut bytes).is_ok_and(|read| read > 0) {}
            }
            None => drop((reader, master)),
        }
        let status = child.wait().unwrap();
        let status = status.exit_code();
        assert!(signal.is_none() || status == 143, "{status}");
        let events = read_events(&tiny.path("runs").join(run).join("events.jsonl")).unwrap();
        let Some(Event::Finished(finished)) = events.last() else { panic!("{:?}", events.last()) };
        let kept = checkpoint::list(&tiny.path("runs").join(run).join("checkpoints")).unwrap();
        assert_eq!(kept[0].step, finished.step);
        StoredCheckpoint::open(&kept[0].path).unwrap().read(STATE).unwrap();
    }
}

#[test]
fn a_hangup_that_is_ignored_from_the_start_stays_ignored() {
    let tiny = Tiny::new(0.1);
    fs::write(tiny.path("tiny.toml"), tiny.preset("epochs = 100000")).unwrap();
    // As nohup does.
    let mut shell = Command::new("sh");
    shell.args(["-c", "trap '' HUP; exec \"$@\"", "sh"]).arg(place::program());
    let mut child = arguments(shell, &tiny, &["train", "tiny.toml", "--run", "run"])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut told = BufReader::new(child.stdout.take().unwrap());
    until(&mut told, |event| matches!(event, Event::Step(_)));
    send(&child, Signal::HUP);
    let later = |event: &Event| matches!(event, Event::Eval(eval) if eval.step > 20);
    until(&mut told, later);
    send(&child, Signal::TERM);
    let rest = rest(told);
    assert_eq!(wait(child), 143);
    assert!(matches!(rest.last(), Some(Event::Finished(_))), "{rest:?}");
}

fn program(tiny: &Tiny, words: &[&str]) -> Command {
    arguments(Command::new(place::program()), tiny, words)
}

fn arguments(mut command: Command, tiny: &Tiny, arguments: &[&str]) -> Command {
    command
        .current_dir(tiny.path(""))
        .args(arguments)
        .args(["--runs", "runs", "--device", "cpu", "--headless", "--json"])
        .env("XDG_CACHE_HOME", tiny.path("cache"))
        // Small work is slower on several threads.
        .env("OMP_NUM_THREADS", "1")
        .stdin(Stdio::null());
    command
}

fn output(tiny: &Tiny, arguments: &[&str]) -> Output {
    program(tiny, arguments).output().unwrap()
}

fn refused(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(2));
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn start(tiny: &Tiny, arguments: &[&str]) -> (Child, BufReader<ChildStdout>, ChildStderr) {
    let mut child = program(tiny, arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let (stdout, stderr) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
    (child, BufReader::new(stdout), stderr)
}

fn until(told: &mut BufReader<ChildStdout>, wanted: impl Fn(&Event) -> bool) {
    let mut line = String::new();
    while told.read_line(&mut line).unwrap() > 0 {
        if wanted(&serde_json::from_str(&line).unwrap()) {
            return;
        }
        line.clear();
    }
    panic!("it ended before");
}

fn rest(told: BufReader<ChildStdout>) -> Vec<Event> {
    told.lines().map(|line| serde_json::from_str(&line.unwrap()).unwrap()).collect()
}

fn send(child: &Child, signal: Signal) {
    kill_process(Pid::from_raw(child.id() as i32).unwrap(), signal).unwrap();
}

fn wait(mut child: Child) -> i32 {
    let status = child.wait().unwrap();
    status.code().unwrap_or_else(|| panic!("{status}"))
}
