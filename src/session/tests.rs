//! Events and commands between a trainer and a front end, and panics on either side.

use super::*;
use crate::protocol::Phase;
use crate::runs::read_events;

#[test]
fn a_panic_becomes_a_failed_event() {
    let mut session = Session::spawn(None, |_| panic!("boom")).unwrap();
    let Some(Event::Failed { error, .. }) = session.blocking_next() else { panic!("no event") };
    assert!(error.contains("boom"), "{error}");
    assert!(session.blocking_next().is_none());
    assert!(session.join().unwrap_err().to_string().contains("boom"));
}

#[test]
fn a_failed_event_names_the_latest_checkpoint() {
    let failure = || Interrupted { error: "NaN".into(), checkpoint: "here".into() };
    let mut session = Session::spawn(None, move |_| Err(failure().into())).unwrap();
    let expected = Event::Failed { error: "NaN".into(), checkpoint: Some("here".into()) };
    assert_eq!(session.blocking_next(), Some(expected));
}

#[test]
fn a_full_queue_blocks_no_trainer_and_loses_no_event() {
    const MANY: usize = EVENTS + 5;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("events.jsonl");
    // Earlier events of the run are not delivered again.
    EventLog::open(&path).unwrap().append(&Event::info("before"));
    let log = EventLog::open(&path).unwrap();
    let mut session = Session::spawn(Some(log), |port| {
        assert_eq!(port.wait(), Some(Command::Resume));
        (0..MANY).for_each(|number| port.emit(Event::info(number.to_string())));
        // Sent when there is room again.
        assert_eq!(port.wait(), Some(Command::Pause));
        port.emit(Event::Phase { phase: Phase::Paused });
        (0..MANY).for_each(|number| port.emit(Event::info(number.to_string())));
        Ok(())
    })
    .unwrap();
    session.send(Command::Resume);
    let number = |number: usize| Event::info(number.to_string());
    assert_eq!(session.blocking_next(), Some(number(0)));
    // Nothing is read until all are written, so some do not fit.
    while read_events(&path).unwrap().len() <= MANY {
        std::thread::yield_now();
    }
    for expected in 1..EVENTS {
        assert_eq!(session.blocking_next(), Some(number(expected)));
    }
    session.send(Command::Pause);
    for expected in EVENTS..MANY {
        assert_eq!(session.blocking_next(), Some(number(expected)));
    }
    assert_eq!(session.blocking_next(), Some(Event::Phase { phase: Phase::Paused }));
    while !session.thread.as_ref().unwrap().is_finished() {
        std::thread::yield_now();
    }
    for expected in 0..MANY {
        assert_eq!(session.blocking_next(), Some(number(expected)));
    }
    assert_eq!(session.blocking_next(), None);
    session.join().unwrap();
}

#[test]
fn a_resumed_run_delivers_earlier_events_only_with_history() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("events.jsonl");
    let mut log = EventLog::open(&path).unwrap();
    let length = log.append(&Event::info("before")).end;
    log.append(&Event::info("cut off"));
    let delivered = |history: bool, fails: bool| {
        let (path, aside) = (path.clone(), folder.path().join("aside"));
        let session = Session::spawn(None, move |port| {
            port.emit(Event::Phase { phase: Phase::Preparing });
            if fails {
                return Err(anyhow::anyhow!("refused"));
            }
            port.write_to(EventLog::cut(&path, length, &aside)?);
            port.emit(Event::info("after"));
            Ok(())
        });
        let mut session = if history { session.unwrap().with_history() } else { session.unwrap() };
        let next = || session.blocking_next().map(|event| (event, session.is_behind()));
        let (events, behind): (Vec<Event>, Vec<bool>) = std::iter::from_fn(next).unzip();
        let old: Vec<bool> = events.iter().map(|event| *event == Event::info("before")).collect();
        assert_eq!(behind, old, "only old events come late");
        events
    };
    let preparing = Event::Phase { phase: Phase::Preparing };
    let refused = Event::Failed { error: "refused".into(), checkpoint: None };
    assert_eq!(delivered(true, true), [preparing.clone(), refused]);
    // A refused resume changes nothing.
    assert_eq!(read_events(&path).unwrap(), [Event::info("before"), Event::info("cut off")]);
    assert_eq!(delivered(false, false), [preparing.clone(), Event::info("after")]);
    assert_eq!(read_events(&path).unwrap(), [Event::info("before"), Event::info("after")]);
    assert_eq!(delivered(true, false), [preparing, Event::info("before"), Event::info("after")]);
}

#[test]
fn a_front_end_that_panics_stops_the_trainer_with_a_checkpoint() {
    let (sender, commands) = mpsc::channel();
    let session = Session::spawn(None, move |port| {
        while let Some(command) = port.wait() {
            sender.send(command)?;
        }
        Ok(())
    })
    .unwrap();
    let fallen: Result<()> = catch_panic(|| {
        session.send(Command::Pause);
        let _session = session;
        panic!("the screen panicked")
    });
    assert!(fallen.is_err());
    assert_eq!(commands.into_iter().collect::<Vec<_>>(), [Command::Pause, Command::Stop { save: true }]);
}
