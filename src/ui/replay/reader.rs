//! The reader of a paced replay, which runs on a thread of its own.

use std::path::Path;
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use super::pace::Pace;
use super::timeline::Timeline;
use crate::protocol::Event;
use crate::runs::EventRange;

/// Events that are due within this time are delivered together: the screen shows no more frames.
const FRAME: Duration = Duration::from_millis(33);

/// The longest wait without a look at whether the replay is still wanted.
const LOOK: Duration = Duration::from_millis(100);

/// The pace of the reader, which another thread changes.
pub struct PaceControl {
    pace: Mutex<Pace>,
    changed: Condvar,
}

impl PaceControl {
    pub fn new(pace: Pace) -> PaceControl {
        PaceControl { pace: Mutex::new(pace), changed: Condvar::new() }
    }

    pub fn set(&self, pace: Pace) {
        *self.pace.lock().unwrap_or_else(PoisonError::into_inner) = pace;
        self.changed.notify_all();
    }

    /// Waits until so many recorded seconds have passed. False if the replay is no longer wanted.
    fn wait(&self, seconds: f64, wanted: &impl Fn() -> bool) -> bool {
        let mut left = seconds;
        let mut pace = self.pace.lock().unwrap_or_else(PoisonError::into_inner);
        while left > 0.0 {
            let due = if pace.paused { LOOK } else { Duration::try_from_secs_f64(left / pace.speed).unwrap_or(LOOK) };
            let (speed, start) = (if pace.paused { 0.0 } else { pace.speed }, Instant::now());
            pace = self.changed.wait_timeout(pace, due.min(LOOK)).unwrap_or_else(PoisonError::into_inner).0;
            left -= speed * start.elapsed().as_secs_f64();
            if !wanted() {
                return false;
            }
        }
        wanted()
    }

    fn frame(&self) -> f64 {
        FRAME.as_secs_f64() * self.pace.lock().unwrap_or_else(PoisonError::into_inner).speed
    }
}

/// Delivers the events of a run folder when they are due, as long as they are wanted.
///
/// # Errors
/// The events cannot be read.
pub fn read_paced(
    folder: &Path,
    control: &PaceControl,
    wanted: impl Fn() -> bool,
    mut deliver: impl FnMut(Vec<Event>),
) -> Result<()> {
    let path = folder.join("events.jsonl");
    let events = EventRange::open(&path, 0..u64::MAX).with_context(|| format!("{}: cannot read", path.display()))?;
    let (mut timeline, mut due, mut seconds) = (Timeline::default(), Vec::new(), 0.0);
    for event in events {
        seconds += timeline.advance(&event);
        if seconds >= control.frame() {
            deliver(std::mem::take(&mut due));
            if !control.wait(seconds, &wanted) {
                return Ok(());
            }
            seconds = 0.0;
        }
        due.push(event);
    }
    deliver(due);
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;
    use crate::runs::read_events;

    fn recorded() -> (tempfile::TempDir, Vec<Event>) {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/runs/demo.jsonl");
        let folder = tempfile::tempdir().unwrap();
        std::fs::copy(&path, folder.path().join("events.jsonl")).unwrap();
        (folder, read_events(&path).unwrap())
    }

    #[test]
    fn every_event_is_delivered_once_and_in_order() {
        let (folder, events) = recorded();
        let (control, mut delivered) = (PaceControl::new(Pace { speed: 400.0, paused: false }), Vec::new());
        let mut parts = 0;
        let start = Instant::now();
        read_paced(
            folder.path(),
            &control,
            || true,
            |events| {
                parts += 1;
                delivered.extend(events);
            },
        )
        .unwrap();
        assert_eq!(delivered, events);
        // 40 recorded seconds at 400x, in parts of a frame.
        assert!(start.elapsed() >= Duration::from_millis(80) && parts > 2, "{parts} in {:?}", start.elapsed());
    }

    #[test]
    fn a_paused_replay_ends_when_it_is_no_longer_wanted() {
        let (folder, events) = recorded();
        let control = PaceControl::new(Pace { speed: 1.0, paused: true });
        let (wanted, mut delivered) = (AtomicBool::new(true), 0);
        read_paced(
            folder.path(),
            &control,
            || wanted.swap(false, Ordering::Relaxed),
            |events| delivered += events.len(),
        )
        .unwrap();
        assert!(delivered < events.len());
        control.set(Pace { speed: 1e6, paused: false });
        read_paced(folder.path(), &control, || true, |_| {}).unwrap();
    }
}
