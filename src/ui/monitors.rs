//! The runs that the monitor can show: the live run, and a replay that hides it.

use std::path::Path;

use super::comparison::ComparedRun;
use super::monitor::Monitor;
use super::replay::Pace;
use crate::protocol::Event;

/// The live run and the replay, of which the monitor shows one.
#[derive(Default)]
pub struct Monitors {
    /// The run that this process trains or is attached to.
    pub live: Option<Monitor>,
    /// The recorded run that is replayed; it hides the live one.
    pub replay: Option<Monitor>,
    /// Number of the latest replay. Events of earlier ones arrive too late.
    replays: u64,
    /// The runs that are compared, for the monitors to show over their own.
    overlays: Vec<ComparedRun>,
}

impl Monitors {
    /// The run on the monitor.
    pub fn shown(&self) -> Option<&Monitor> {
        self.replay.as_ref().or(self.live.as_ref())
    }

    pub fn shown_mut(&mut self) -> Option<&mut Monitor> {
        self.replay.as_mut().or(self.live.as_mut())
    }

    /// Whether the live run is still training.
    pub fn at_work(&self) -> bool {
        self.live.as_ref().is_some_and(Monitor::at_work)
    }

    /// Whether the live run's trainer is in another process.
    pub fn attached(&self) -> bool {
        self.live.as_ref().is_some_and(|live| live.attached)
    }

    /// Whether the live run has this run folder.
    pub fn is_live(&self, folder: &Path) -> bool {
        let files = self.live.as_ref().and_then(|live| live.files.as_ref());
        files.is_some_and(|files| files.folder == folder)
    }

    /// Shows a new live run.
    pub fn show_live(&mut self, live: Monitor) {
        (self.live, self.replay) = (Some(live), None);
        self.hand_out_overlays();
    }

    /// Shows a new replay. Returns its number.
    pub fn show_replay(&mut self, pace: Option<Pace>) -> u64 {
        self.replays += 1;
        self.replay.insert(Monitor::replay()).pace = pace;
        self.hand_out_overlays();
        self.replays
    }

    /// The replay with this number has come to its end.
    pub fn on_replay_ended(&mut self, number: u64) {
        if let Some(replay) = self.replay.as_mut().filter(|_| number == self.replays) {
            replay.pace = None;
        }
    }

    /// Replaces the runs that monitors show over their own.
    pub fn set_overlays(&mut self, overlays: Vec<ComparedRun>) {
        self.overlays = overlays;
        self.hand_out_overlays();
    }

    fn hand_out_overlays(&mut self) {
        for monitor in [&mut self.live, &mut self.replay].into_iter().flatten() {
            monitor.set_overlays(&self.overlays);
        }
    }

    /// Applies the next events of the replay with this number.
    pub fn on_replayed(&mut self, number: u64, events: Vec<Event>) {
        if let Some(replay) = self.replay.as_mut().filter(|_| number == self.replays) {
            events.into_iter().for_each(|event| replay.on_event(event));
            replay.assess();
        }
    }
}
