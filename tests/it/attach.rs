//! Attaching to a run in another process: what a viewer sees and sends, and what the socket refuses.

use std::fs;
use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use finesift::Usage;
use finesift::attach::{SocketLine, Viewer, listen};
use finesift::protocol::{Command, Event, Finished, Phase, Reason, Resumed};
use finesift::runs::{EventLog, RunFolder};
use finesift::session::{Port, Session};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rustix::process::Uid;
use rustix::thread::set_thread_res_uid;
use tempfile::TempDir;

/// A run with a scripted trainer.
struct ActiveRun {
    runs: TempDir,
    folder: PathBuf,
    session: Session,
}

impl ActiveRun {
    fn start(trainer: impl FnOnce(&Port) + Send + 'static) -> ActiveRun {
        let runs = tempfile::tempdir().unwrap();
        ActiveRun::start_in(runs, "mine", trainer)
    }

    fn start_in(runs: TempDir, name: &str, trainer: impl FnOnce(&Port) + Send + 'static) -> ActiveRun {
        let run = RunFolder::create(runs.path(), Some(name), "tiny", "").unwrap();
        let folder = run.path().to_owned();
        let log = EventLog::open(&run.events()).unwrap();
        let session = Session::spawn(Some(log), move |port| {
            let _listener = listen(run.path(), run.name(), port.tap())?;
            port.emit(Event::info("open"));
            trainer(port);
            Ok(())
        });
        let mut going = ActiveRun { runs, folder, session: session.unwrap() };
        // The socket is open before this event.
        assert_eq!(going.session.blocking_next(), Some(Event::info("open")));
        going
    }

    fn end(self) {
        self.session.send(Command::Stop { save: false });
        self.session.join().unwrap();
    }
}

/// Confirms commands until it is stopped.
fn obedient(port: &Port) {
    loop {
        match port.wait() {
            Some(Command::Pause) => port.emit(Event::Phase { phase: Phase::Paused }),
            Some(Command::Resume) => port.emit(Event::Phase { phase: Phase::Training }),
            Some(Command::Sample { prompt }) => port.emit(Event::Sample { step: 1, prompt, text: "yes".into() }),
            Some(Command::Stop { .. }) | None => break,
            Some(_) => {}
        }
    }
    port.emit(finished());
}

fn finished() -> Event {
    Event::Finished(Finished { reason: Reason::Stopped, step: 1, elapsed: 1.0, best: None })
}

fn paused() -> Event {
    Event::Phase { phase: Phase::Paused }
}

/// The next event of a viewer.
fn next(viewer: &mut Viewer) -> Option<Event> {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(viewer.next())
}

/// The first event of a resumed run.
fn resumed() -> Event {
    Event::Resumed(Resumed {
        run: "mine".into(),
        step: 1,
        steps: 2,
        best: String::new(),
        patience: None,
        clip: None,
        checkpoint: "step-1".into(),
        elapsed: 1.0,
        device: "cpu".into(),
        device_note: String::new(),
        ranks: 1,
        version: "0".into(),
    })
}

/// Events between a checkpoint and the last.
const TAIL: usize = 20;

/// A detached run: its folder, the position of its checkpoint in the events, and a viewer.
fn detached(viewer: impl FnOnce(&Path) -> Viewer) -> (TempDir, PathBuf, u64, Viewer) {
    let (tell, checkpoint) = std::sync::mpsc::channel();
    let going = ActiveRun::start(move |port| {
        assert_eq!(port.wait(), Some(Command::Stop { save: true }));
        tell.send(port.emitter().written()).unwrap();
        (0..TAIL).for_each(|_| port.emit(Event::info("a checkpoint was written")));
        port.emit(finished());
    });
    let viewer = viewer(&going.folder);
    going.session.detach();
    going.session.send(Command::Stop { save: true });
    going.session.join().unwrap();
    (going.runs, going.folder, checkpoint.recv().unwrap(), viewer)
}

/// Resumes a run at a position in its events, as another process would, and emits so many events before it takes commands.
fn resume(folder: &Path, at: u64, many: usize) -> Session {
    let run = RunFolder::open(folder.parent().unwrap(), "mine").unwrap();
    let session = Session::spawn(None, move |port| {
        let _listener = listen(run.path(), run.name(), port.tap())?;
        port.write_to(EventLog::cut(&run.events(), at, &run.path().join("abandoned/events.jsonl"))?);
        port.emit(resumed());
        (0..many).for_each(|number| port.emit(Event::info(number.to_string())));
        obedient(port);
        Ok(())
    });
    session.unwrap()
}

fn connect(folder: &Path) -> (UnixStream, BufReader<UnixStream>) {
    let socket = UnixStream::connect(folder.join("socket")).unwrap();
    let mut lines = BufReader::new(socket.try_clone().unwrap());
    assert!(matches!(line(&mut lines), SocketLine::Hello { run, .. } if run == "mine"));
    (socket, lines)
}

fn line(lines: &mut BufReader<UnixStream>) -> SocketLine {
    let mut text = String::new();
    lines.read_line(&mut text).unwrap();
    serde_json::from_str(&text).unwrap()
}

#[test]
fn a_viewer_sees_all_events_sends_commands_and_detaches_without_a_trace() {
    let going = ActiveRun::start(obedient);
    let mut first = Viewer::attach(&going.folder).unwrap();
    assert_eq!(next(&mut first), Some(Event::info("open")));
    first.send(&Command::Pause);
    assert_eq!(next(&mut first), Some(paused()));
    first.leave().unwrap();
    // A second viewer sees earlier events.
    let mut second = Viewer::attach(&going.folder).unwrap();
    assert_eq!((next(&mut second), next(&mut second)), (Some(Event::info("open")), Some(paused())));
    assert!(!second.caught_up(), "these events are from before it has attached");
    second.send(&Command::Sample { prompt: "well?".into() });
    assert_eq!(next(&mut second), Some(Event::Sample { step: 1, prompt: "well?".into(), text: "yes".into() }));
    assert!(second.caught_up());
    let mut third = Viewer::attach(&going.folder).unwrap();
    assert!(third.try_next().is_none_or(|event| event == Event::info("open")));
    second.send(&Command::Stop { save: true });
    assert_eq!((next(&mut second), next(&mut second)), (Some(finished()), None));
    second.leave().unwrap();
    let told: Vec<Event> = std::iter::from_fn(|| next(&mut third)).collect();
    assert_eq!(told.last(), Some(&finished()));
    // The owner saw all events too.
    let mut session = going.session;
    let told: Vec<Event> = std::iter::from_fn(|| session.blocking_next()).collect();
    assert_eq!((told.first(), told.last()), (Some(&paused()), Some(&finished())));
    session.join().unwrap();
    assert!(!going.folder.join("socket").exists());
    let refused = Viewer::attach(&going.folder).err().unwrap();
    assert!(refused.is::<Usage>() && refused.to_string().contains("this run is not active"), "{refused}");
}

#[test]
fn a_viewer_follows_a_detached_run_without_gaps() {
    let (_runs, folder, checkpoint, mut viewer) = detached(|folder| {
        let mut viewer = Viewer::attach(folder).unwrap();
        assert_eq!(next(&mut viewer), Some(Event::info("open")));
        viewer
    });
    for _ in 0..TAIL {
        assert_eq!(next(&mut viewer), Some(Event::info("a checkpoint was written")));
    }
    // The viewer does not see that the run was stopped, since it continues.
    let mut session = resume(&folder, checkpoint, 3);
    assert_eq!(next(&mut viewer), Some(resumed()));
    for number in 0..3 {
        assert_eq!(next(&mut viewer), Some(Event::info(number.to_string())));
    }
    // Commands go to the current process.
    viewer.send(&Command::Pause);
    assert_eq!(next(&mut viewer), Some(paused()));
    assert_eq!(session.blocking_next(), Some(resumed()));
    // Detached a second time.
    session.detach();
    session.send(Command::Stop { save: true });
    session.join().unwrap();
    let length = fs::metadata(folder.join("events.jsonl")).unwrap().len();
    let last = serde_json::to_string(&finished()).unwrap().len() as u64 + 1;
    let session = resume(&folder, length - last, 0);
    assert_eq!(next(&mut viewer), Some(resumed()));
    viewer.send(&Command::Stop { save: true });
    assert_eq!((next(&mut viewer), next(&mut viewer)), (Some(finished()), None));
    viewer.leave().unwrap();
    session.join().unwrap();
}

#[test]
fn a_viewer_that_stood_still_while_a_run_was_detached_sees_every_event_once() {
    // More than was cut off, so that the earlier end lies within.
    const MANY: usize = 5_000;
    // The viewer stops reading before the events that are cut off, and among them.
    for seen in [0, 1, 6] {
        let (_runs, folder, checkpoint, mut viewer) = detached(|folder| Viewer::attach(folder).unwrap());
        let mut told: Vec<Event> = (0..seen).map(|_| next(&mut viewer).unwrap()).collect();
        let mut session = resume(&folder, checkpoint, MANY);
        // By then, announced events are cut off.
        assert_eq!(session.blocking_next(), Some(resumed()));
        while told.last() != Some(&Event::info((MANY - 1).to_string())) {
            told.push(next(&mut viewer).unwrap());
        }
        let before = told.iter().position(|event| *event == resumed()).unwrap();
        assert!(told[0] == Event::info("open") && (seen.max(1)..=TAIL + 1).contains(&before), "{before} events");
        assert!(told[1..before].iter().all(|event| *event == Event::info("a checkpoint was written")));
        let after: Vec<Event> = (0..MANY).map(|number| Event::info(number.to_string())).collect();
        assert!(told[before + 1..] == after, "{} events", told.len());
        session.send(Command::Stop { save: true });
        assert_eq!((next(&mut viewer), next(&mut viewer)), (Some(finished()), None));
        session.join().unwrap();
    }
}

#[test]
fn a_detached_run_that_no_process_resumes_has_ended() {
    let runs = tempfile::tempdir().unwrap();
    let run = RunFolder::create(runs.path(), Some("mine"), "tiny", "").unwrap();
    let folder = run.path().to_owned();
    let mut log = EventLog::open(&run.events()).unwrap();
    log.append(&Event::info("open"));
    let written = log.append(&finished()).end;
    drop(run);
    let listener = UnixListener::bind(folder.join("socket")).unwrap();
    // A process that has ended before it started another.
    let mut child = std::process::Command::new("true").spawn().unwrap();
    child.wait().unwrap();
    let hello = SocketLine::Hello { version: "0".into(), run: "mine".into(), process: child.id() };
    let told = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        for line in [hello, SocketLine::Opened(0), SocketLine::Written(written), SocketLine::Detached] {
            stream.write_all((serde_json::to_string(&line).unwrap() + "\n").as_bytes()).unwrap();
        }
    });
    let mut viewer = Viewer::attach(&folder).unwrap();
    told.join().unwrap();
    assert_eq!((next(&mut viewer), next(&mut viewer)), (Some(Event::info("open")), Some(finished())));
    assert_eq!(next(&mut viewer), None);
    viewer.leave().unwrap();
}

#[test]
fn events_without_a_file_are_sent_too_and_a_failed_run_fails_for_its_viewers() {
    let runs = tempfile::tempdir().unwrap();
    let run = RunFolder::create(runs.path(), Some("mine"), "tiny", "").unwrap();
    let (folder, events) = (run.path().to_owned(), run.events());
    let mut earlier = EventLog::open(&events).unwrap();
    let length = earlier.append(&Event::info("before")).end;
    let mut session = Session::spawn(None, move |port| {
        let _listener = listen(run.path(), run.name(), port.tap())?;
        port.emit(Event::info("open"));
        assert_eq!(port.wait(), Some(Command::Resume));
        port.emit(Event::Phase { phase: Phase::Preparing });
        port.write_to(EventLog::cut(&run.events(), length, &run.path().join("aside"))?);
        port.emit(Event::info("after"));
        anyhow::bail!("the end")
    })
    .unwrap();
    assert_eq!(session.blocking_next(), Some(Event::info("open")));
    let mut viewer = Viewer::attach(&folder).unwrap();
    viewer.send(&Command::Resume);
    let told: Vec<Event> = std::iter::from_fn(|| next(&mut viewer)).collect();
    let failed = Event::Failed { error: "the end".into(), checkpoint: None };
    let preparing = Event::Phase { phase: Phase::Preparing };
    assert_eq!(told, [preparing, Event::info("before"), Event::info("after"), failed]);
    assert_eq!(viewer.leave().unwrap_err().to_string(), "the end");
    assert!(session.join().is_err());
}

#[test]
fn a_viewer_that_stands_still_blocks_nobody_and_misses_nothing() {
    const MANY: usize = 60_000;
    let (tell, told) = std::sync::mpsc::channel();
    let going = ActiveRun::start(move |port| {
        assert_eq!(port.wait(), Some(Command::Resume));
        (0..MANY).for_each(|number| port.emit(Event::info(number.to_string())));
        tell.send(()).unwrap();
        obedient(port);
    });
    let mut viewer = Viewer::attach(&going.folder).unwrap();
    assert_eq!(next(&mut viewer), Some(Event::info("open")));
    viewer.send(&Command::Resume);
    // Nothing is read until everything is written.
    told.recv().unwrap();
    for number in 0..MANY {
        assert_eq!(next(&mut viewer), Some(Event::info(number.to_string())));
    }
    drop(viewer);
    let mut session = going.session;
    session.send(Command::Stop { save: false });
    let events = std::iter::from_fn(|| session.blocking_next());
    assert!(events.eq((0..MANY).map(|number| Event::info(number.to_string())).chain([finished()])));
    session.join().unwrap();
}

#[test]
fn invalid_commands_are_refused_and_change_nothing() {
    let going = ActiveRun::start(obedient);
    let (mut socket, mut lines) = connect(&going.folder);
    assert_eq!(line(&mut lines), SocketLine::Opened(0));
    assert!(matches!(line(&mut lines), SocketLine::Written(_)));
    // Read on another thread, so that neither side waits for the other.
    let answers = std::thread::spawn(move || {
        let read = std::iter::repeat_with(|| line(&mut lines)).filter(|line| matches!(line, SocketLine::Refused(_)));
        (read.take(10_000).count(), lines)
    });
    let mut random = ChaCha8Rng::seed_from_u64(7);
    let orders = [r#""pause""#, r#"{"stop":{"save":true}}"#, r#"{"sample":{"prompt":"x"}}"#, r#""checkpoint""#];
    let mut sent = 0;
    while sent < 10_000 {
        // Noise, and commands with one byte changed.
        let mut bytes: Vec<u8> = match random.random_range(0..3) {
            0 => (0..random.random_range(0..200)).map(|_| random.random()).collect(),
            1 => vec![b'['; random.random_range(1..5000)],
            _ => orders[random.random_range(0..orders.len())].into(),
        };
        if let Some(length @ 1..) = Some(bytes.len()) {
            bytes[random.random_range(0..length)] = random.random();
        }
        bytes.retain(|byte| *byte != b'\n');
        if serde_json::from_slice::<Command>(&bytes).is_ok() {
            continue;
        }
        bytes.push(b'\n');
        socket.write_all(&bytes).unwrap();
        sent += 1;
    }
    let (refused, mut lines) = answers.join().unwrap();
    assert_eq!(refused, 10_000);
    // It still listens.
    socket.write_all(b"\"pause\"\n").unwrap();
    let mut viewer = Viewer::attach(&going.folder).unwrap();
    assert_eq!((next(&mut viewer), next(&mut viewer)), (Some(Event::info("open")), Some(paused())));
    // One that never ends a line is not heard further.
    socket.write_all(&vec![b'x'; 80_000]).unwrap();
    let refused = std::iter::repeat_with(|| line(&mut lines)).find(|line| matches!(line, SocketLine::Refused(_)));
    assert!(matches!(refused, Some(SocketLine::Refused(why)) if why.contains("more than 65536 bytes")));
    going.end();
}

#[test]
fn orders_that_nobody_takes_do_not_pile_up() {
    let (release, released) = std::sync::mpsc::channel();
    let going = ActiveRun::start(move |port| {
        // Busy, as within a long step.
        released.recv().unwrap();
        let mut taken = 0;
        while let Some(command) = port.wait() {
            match command {
                Command::Stop { .. } => break,
                _ => taken += 1,
            }
        }
        port.emit(Event::info(format!("took {taken}")));
    });
    let (mut socket, mut lines) = connect(&going.folder);
    for _ in 0..100 {
        socket.write_all(b"\"evaluate\"\n").unwrap();
    }
    let refused = std::iter::repeat_with(|| line(&mut lines)).filter(|line| matches!(line, SocketLine::Refused(_)));
    assert_eq!(refused.take(36).count(), 36);
    release.send(()).unwrap();
    // Commands of the owner are never refused.
    going.session.send(Command::Stop { save: false });
    let mut session = going.session;
    let told: Vec<Event> = std::iter::from_fn(|| session.blocking_next()).collect();
    assert_eq!(told, [Event::info("took 64")]);
    session.join().unwrap();
}

#[test]
fn a_command_needs_no_newline_and_a_viewer_that_stops_sending_still_reads() {
    let going = ActiveRun::start(obedient);
    let (mut socket, lines) = connect(&going.folder);
    socket.write_all(br#"{"stop":{"save":true}}"#).unwrap();
    socket.shutdown(std::net::Shutdown::Write).unwrap();
    let told: Vec<String> = lines.lines().map(Result::unwrap).collect();
    assert!(told.last().unwrap().starts_with(r#"{"written":"#), "{told:?}");
    going.session.join().unwrap();
}

#[test]
fn only_the_user_of_the_run_can_use_the_socket() {
    let going = ActiveRun::start(obedient);
    let socket = going.folder.join("socket");
    assert_eq!(fs::metadata(&socket).unwrap().permissions().mode() & 0o777, 0o600);
    // Only root can act as another user.
    if rustix::process::geteuid().is_root() {
        for parent in going.folder.ancestors().filter(|parent| parent.starts_with(std::env::temp_dir())) {
            fs::set_permissions(parent, fs::Permissions::from_mode(0o755)).unwrap();
        }
        // A thread can have its own user.
        let nobody = |socket: PathBuf| {
            let other = move || {
                let nobody = Uid::from_raw(65_534);
                set_thread_res_uid(nobody, nobody, nobody).unwrap();
                let mut told = Vec::new();
                UnixStream::connect(socket)?.read_to_end(&mut told).map(|_| told)
            };
            std::thread::spawn(other).join().unwrap()
        };
        assert_eq!(nobody(socket.clone()).unwrap_err().kind(), ErrorKind::PermissionDenied);
        // Also if the file system permits it.
        fs::set_permissions(&socket, fs::Permissions::from_mode(0o666)).unwrap();
        assert!(nobody(socket).is_ok_and(|told| told.is_empty()));
    }
    going.end();
}

#[test]
fn a_stale_socket_is_replaced_and_a_long_path_works() {
    let runs = tempfile::tempdir().unwrap();
    let name = "a-run-with-a-very-long-name-".repeat(4);
    let stale = runs.path().join("stale");
    drop(UnixListener::bind(&stale).unwrap());
    let run = RunFolder::create(runs.path(), Some(&name), "tiny", "").unwrap();
    let folder = run.path().to_owned();
    fs::rename(stale, folder.join("socket")).unwrap();
    let refused = Viewer::attach(&folder).err().unwrap();
    assert!(refused.to_string().contains("cannot attach to process"), "{refused}");
    let session = Session::spawn(None, move |port| {
        let _listener = listen(run.path(), run.name(), port.tap())?;
        port.emit(Event::info("open"));
        obedient(port);
        Ok(())
    });
    let mut session = session.unwrap();
    assert_eq!(session.blocking_next(), Some(Event::info("open")));
    let mut viewer = Viewer::attach(&folder).unwrap();
    viewer.send(&Command::Stop { save: true });
    assert_eq!((next(&mut viewer), next(&mut viewer)), (Some(finished()), None));
    session.join().unwrap();
}

#[test]
fn a_socket_that_is_not_a_run_is_refused() {
    let runs = tempfile::tempdir().unwrap();
    let run = RunFolder::create(runs.path(), Some("mine"), "tiny", "").unwrap();
    // Another kind of server.
    let listener = UnixListener::bind(run.path().join("socket")).unwrap();
    let other = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream.write_all(b"220 mail\r\n").unwrap();
        let _ = stream.read(&mut [0]);
    });
    let refused = Viewer::attach(run.path()).err().unwrap();
    assert!(refused.to_string().contains("the run does not answer"), "{refused}");
    other.join().unwrap();
}
