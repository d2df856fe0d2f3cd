//! The runs in view: the live one, replays, those that are compared, and the chat with one.

use super::App;
use crate::ui::message::Effect;
use crate::ui::monitor::{Files, Monitor};
use crate::ui::replay::Pace;
use crate::ui::screen::Screen;
use std::path::PathBuf;

impl App {
    pub(super) fn show_live(&mut self, monitor: Monitor) {
        self.alerts.reset();
        self.home.renew_estimate();
        self.monitors.show_live(monitor);
        self.screen = Screen::Monitor;
    }

    /// Shows the live run instead of a replay.
    pub(super) fn show_live_run(&mut self) -> Option<Effect> {
        self.monitors.replay = None;
        self.screen = Screen::Monitor;
        None
    }

    /// Watches a run that was taken from the queue, without a change of what the user looks at.
    pub(super) fn on_followed(&mut self, name: &str, files: Files) {
        self.home.renew_estimate();
        // The card of the run that has ended disappears with it.
        let ended = self.monitors.live.as_ref().and_then(Monitor::ending);
        let mut live = Monitor::launched();
        live.files = Some(files);
        self.monitors.live = Some(live);
        let left = match self.runs.queue().waiting() {
            0 => "the queue is empty now".to_owned(),
            number => format!("{number} more queued"),
        };
        let ended = ended.map(|ended| format!("{ended}, see Runs; ")).unwrap_or_default();
        self.toasts.info(format!("{ended}started {name} from the queue; {left}"));
    }

    /// Reports whether the live run continues in the background, and starts the run that waits for it.
    pub(super) fn on_handed_off(&mut self, name: &str, outcome: Result<(), String>) -> Option<Effect> {
        match outcome {
            Ok(()) => self.toasts.info(format!("{name} continues in the background")),
            Err(why) => {
                self.starts.on_failed_hand_off(self.runs.queue_mut());
                self.toasts.error(why);
            }
        }
        self.starts.on_idle(self.runs.queue())
    }

    /// Attaches to a run in another process; while this process trains one, the other is replayed.
    pub(super) fn attach(&mut self, folder: PathBuf) -> Option<Effect> {
        let at_work = self.monitors.at_work();
        if at_work && self.monitors.is_live(&folder) {
            self.monitors.replay = None;
            self.screen = Screen::Monitor;
            return None;
        }
        let busy = at_work && !self.monitors.attached();
        Some(if busy { self.start_replay(folder) } else { Effect::Attach(folder) })
    }

    pub(super) fn start_replay(&mut self, folder: PathBuf) -> Effect {
        Effect::Replay(folder, self.open_replay(None))
    }

    /// Shows a new replay, at a pace if one is given. Returns its number.
    pub(in crate::ui) fn open_replay(&mut self, pace: Option<Pace>) -> u64 {
        self.screen = Screen::Monitor;
        self.monitors.show_replay(pace)
    }

    /// Reads the marked runs from now on, and no others.
    pub(super) fn follow(&mut self) -> Effect {
        let runs = self.runs.follow();
        self.monitors.set_overlays(self.runs.compared());
        Effect::Follow(runs)
    }

    /// Shows the marked runs over the one on the monitor; without one, beside each other.
    pub(super) fn overlay_marked(&mut self) -> Option<Effect> {
        let effect = self.follow();
        let shown = match self.monitors.shown_mut() {
            Some(monitor) => monitor.show_overlays(),
            None => {
                let intent = self.runs.open_comparison();
                return self.fulfil(intent);
            }
        };
        match shown {
            Ok(()) => self.screen = Screen::Monitor,
            Err(why) => self.toasts.error(why),
        }
        Some(effect)
    }

    /// Opens a chat with a run's model, or returns to it. A run that trains in this process keeps the memory for itself.
    pub(super) fn chat_with(&mut self, run: PathBuf) -> Option<Effect> {
        if self.monitors.at_work() && !self.monitors.attached() {
            let why = "a run is training in this process; prompt it with g on the Monitor, or chat once it has ended";
            match self.screen {
                Screen::Chat => self.chat.refuse(why),
                _ => self.toasts.error(why),
            }
            return None;
        }
        let opened = self.chat.has(&run);
        if !opened {
            self.chat.open(self.chat.start_with(run.clone()));
        }
        self.show(Screen::Chat);
        (!opened).then_some(Effect::OpenChat(run))
    }
}
