//! Runs on failing disks, and checkpoints with valid checksums and invalid contents.

use std::fs::{self, File};
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex};

use finesift::protocol::{Command, Event, Level, Phase};
use finesift::runs::checkpoint::{self, Manifest, STATE, StoredCheckpoint};
use finesift::runs::{Disk, RealDisk, read_events};
use finesift::train::{CheckpointSelector, ResumeOptions};

use crate::disks::{ERRNOS, Faulty};
use crate::resume::numbers;
use crate::run::{complete, finish, resume, resume_on, spawn_on, turn};
use crate::tiny::Tiny;

const NEWEST: ResumeOptions = ResumeOptions { from: CheckpointSelector::Newest, force: false, set: Vec::new() };

#[test]
fn a_temporary_disk_failure_is_reported_and_changes_no_result() {
    let _turn = turn();
    let tiny = Tiny::new(0.1);
    let preset = tiny.preset("epochs = 2");
    let whole = complete(&tiny, &preset, "whole");
    for errno in ERRNOS {
        let name = format!("run-{errno}");
        let broken = Arc::new(AtomicBool::new(false));
        let fails = broken.clone();
        let disk = Arc::new(Faulty::new(errno, move |_| fails.load(Ordering::SeqCst)));
        let mut session = spawn_on(disk, &tiny, &preset, &name).unwrap();
        let (mut events, mut good) = (Vec::new(), None);
        while let Some(event) = session.blocking_next() {
            match &event {
                Event::Step(step) if step.step == 4 => session.send(Command::Pause),
                Event::Phase { phase: Phase::Paused } if good.is_none() => session.send(Command::Checkpoint),
                Event::Checkpointed { path, .. } if good.is_none() => {
                    good = Some(path.clone());
                    broken.store(true, Ordering::SeqCst);
                    session.send(Command::Checkpoint);
                }
                Event::Log { level: Level::Warning, message } => {
                    assert!(message.contains(&format!("os error {errno}")), "{message}");
                    StoredCheckpoint::open(good.as_ref().unwrap()).unwrap().read(STATE).unwrap();
                    broken.store(false, Ordering::SeqCst);
                    session.send(Command::Resume);
                }
                _ => {}
            }
            events.push(event);
        }
        session.join().unwrap();
        assert!(!broken.load(Ordering::SeqCst) && good.is_some(), "errno {errno}");
        assert_eq!(numbers(&events), numbers(&whole));
        let kept = checkpoint::list(&tiny.path("runs").join(&name).join("checkpoints")).unwrap();
        assert_eq!(kept[0].step, 18);
        for checkpoint in kept {
            StoredCheckpoint::open(&checkpoint.path).unwrap().read(STATE).unwrap();
        }
    }
}

#[test]
fn a_final_checkpoint_that_cannot_be_written_fails_the_run_and_loses_nothing() {
    let _turn = turn();
    let tiny = Tiny::new(0.1);
    let preset = tiny.preset("epochs = 2").replace("[keep]", "[keep]\nevery_steps = 2");
    let whole = complete(&tiny, &preset, "whole");
    // The first checkpoint takes about twenty calls; all later calls fail.
    let disk = Arc::new(Faulty::new(28, |call| call >= 20));
    let error = finish(spawn_on(disk, &tiny, &preset, "run").unwrap()).unwrap_err();
    let message = error.to_string();
    assert!(message.contains("cannot save the last checkpoint") && message.contains("os error 28"), "{message}");
    let events = tiny.path("runs/run/events.jsonl");
    let Some(Event::Failed { checkpoint: Some(path), .. }) = read_events(&events).unwrap().pop() else {
        panic!("no checkpoint is named")
    };
    StoredCheckpoint::open(&path).unwrap().read(STATE).unwrap();
    finish(resume(&tiny, "run", NEWEST).unwrap()).unwrap();
    assert_eq!(numbers(&read_events(&events).unwrap()), numbers(&whole));
}

#[test]
fn a_stalled_disk_delays_no_step_and_takes_no_memory() {
    let _turn = turn();
    let tiny = Tiny::new(0.0);
    let preset = tiny.preset("epochs = 2000\neval_every = 1000000").replace("[keep]", "[keep]\nevery_steps = 1");
    let disk = Arc::new(Gate::default());
    let mut session = spawn_on(disk.clone(), &tiny, &preset, "run").unwrap();
    let (mut kept, mut pauses) = (Vec::new(), 0);
    while let Some(event) = session.blocking_next() {
        match event {
            // Twenty steps are taken while the first checkpoint is being written.
            Event::Step(step) if step.step == 20 => session.send(Command::Pause),
            Event::Phase { phase: Phase::Paused } => {
                pauses += 1;
                // The requested checkpoint replaces the one that waits.
                if pauses == 1 { session.send(Command::Checkpoint) } else { disk.open() }
            }
            Event::Checkpointed { step, .. } => {
                kept.push(step);
                if kept.len() == 2 {
                    session.send(Command::Stop { save: true });
                }
            }
            _ => {}
        }
    }
    session.join().unwrap();
    // Of twenty due checkpoints, one was being written and one waited. That one is up to date, so the end needs no other.
    assert_eq!((kept.len(), kept[0]), (2, 1), "{kept:?}");
    assert!(kept[1] >= 20, "{kept:?}");
}

#[test]
fn a_tampered_checkpoint_is_refused_with_its_file() {
    let _turn = turn();
    let tiny = Tiny::new(0.0);
    let disk = Arc::new(RealDisk);
    let preset = tiny.preset("epochs = 1").replace("rate = 0.05", "rate = 0.001");
    finish(spawn_on(disk, &tiny, &preset, "run").unwrap()).unwrap();
    // The library resumes a completed run too; the program does not.
    let path = checkpoint::list(&tiny.path("runs/run/checkpoints")).unwrap().remove(0).path;
    let stored = StoredCheckpoint::open(&path).unwrap();
    let state = stored.read(STATE).unwrap();
    let tamper = |change: &dyn Fn(&mut Manifest), state: &[u8]| {
        let mut manifest = stored.manifest.clone();
        fs::write(path.join(STATE), state).unwrap();
        manifest.files[0].bytes = state.len() as u64;
        manifest.files[0].sha256 = sha256(state);
        change(&mut manifest);
        fs::write(path.join("checkpoint.json"), manifest.seal().unwrap()).unwrap();
        finish(resume_on(Arc::new(RealDisk), &tiny, "run", NEWEST).unwrap()).unwrap_err().to_string()
    };
    let header = u64::from_le_bytes(state[..8].try_into().unwrap()) as usize + 8;
    let with = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut state = state.clone();
        change(&mut state);
        state
    };
    let keep = |_: &mut Manifest| {};
    let twice = |manifest: &mut Manifest| {
        let last = manifest.slots.pop().unwrap();
        manifest.slots.resize(100, last);
    };
    for (message, error) in [
        ("the model has no parameter ../../x", tamper(&|manifest| manifest.slots[0].name = "../../x".into(), &state)),
        ("has shape [1, 1], but", tamper(&|manifest| manifest.slots[0].shape = vec![1, 1], &state)),
        ("components cannot be trained", tamper(&|manifest| manifest.slots[0].trained = -1, &state)),
        ("components cannot be trained", tamper(&|manifest| manifest.slots[0].trained = i64::MAX, &state)),
        ("expected F32", tamper(&|manifest| manifest.slots[0].trained += 1, &state)),
        ("is dense, but only", tamper(&|manifest| manifest.slots[0].dense = true, &state)),
        ("comes after a dense one", tamper(&|manifest| manifest.slots.reverse(), &state)),
        ("that the state of this model can take", tamper(&|manifest| manifest.files[0].bytes = 1 << 40, &state)),
        ("parameters are trained, but the model has 41", tamper(&twice, &state)),
        ("it is not listed in the manifest", tamper(&|manifest| manifest.files[0].name = "../state".into(), &state)),
        ("not finite", tamper(&|manifest| manifest.updates = -5, &state)),
        // The first index, the header's length, and what the header says.
        ("not ascending", tamper(&keep, &with(&|state| state[header..header + 4].copy_from_slice(&[255; 4])))),
        (
            "not ascending",
            tamper(&keep, &with(&|state| state[header..header + 4].copy_from_slice(&[255, 255, 255, 127]))),
        ),
        ("state.safetensors", tamper(&keep, &with(&|state| state[..8].copy_from_slice(&(1u64 << 63).to_le_bytes())))),
        ("state.safetensors", tamper(&keep, &with(&|state| state[10..14].copy_from_slice(b"\"x\":")))),
        ("state.safetensors", tamper(&keep, b"")),
        ("sift.rate was", tamper(&|manifest| manifest.preset = "[sift]\nrate = 0.5".into(), &state)),
    ] {
        assert!(error.contains(message), "{message}: {error}");
    }
}

/// A disk whose writes block until it is opened.
#[derive(Default)]
struct Gate {
    open: Mutex<bool>,
    changed: Condvar,
}

impl Gate {
    fn open(&self) {
        *self.open.lock().unwrap() = true;
        self.changed.notify_all();
    }
}

impl Disk for Gate {
    fn create(&self, file: &Path) -> io::Result<File> {
        let mut open = self.open.lock().unwrap();
        while !*open {
            open = self.changed.wait(open).unwrap();
        }
        drop(open);
        RealDisk.create(file)
    }
}

fn sha256(bytes: &[u8]) -> String {
    use sha2::{Digest, Sha256};
    format!("{:x}", Sha256::digest(bytes))
}
