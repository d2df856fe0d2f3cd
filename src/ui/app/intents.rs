//! What screens ask for, as an effect or as a change of the state.

use super::App;
use crate::ui::intent::Intent;
use crate::ui::keymap::AppAction;
use crate::ui::message::Effect;
use crate::ui::monitor::Monitor;
use crate::ui::overlay::{Overlay, Picker, Question};
use crate::ui::screen::Screen;
use crate::ui::screenshot::ScreenFiles;

impl App {
    /// Turns what a screen asks for into an effect, or into a change of the state.
    pub(super) fn fulfil(&mut self, intent: Intent) -> Option<Effect> {
        match intent {
            Intent::App(action) => self.act(action),
            Intent::Launch(preset) => Some(Effect::Launch(preset)),
            Intent::SavePreset(request) => Some(Effect::SavePreset(request)),
            Intent::EditPreset(edit) => Some(Effect::EditPreset(edit)),
            Intent::Send(command) => Some(Effect::Send(command)),
            Intent::WriteFiles(files) => Some(Effect::WriteFiles(files)),
            Intent::CloseReplay => {
                self.monitors.replay = None;
                self.show(Screen::Runs)
            }
            Intent::Pace(pace) => Some(Effect::Pace(pace)),
            Intent::Replay(folder) => Some(self.start_replay(folder)),
            Intent::Attach(folder) => self.attach(folder),
            Intent::OpenRun { run, request } => {
                self.runs.request(run, request);
                self.show(Screen::Runs)
            }
            Intent::ShowPreset { preset, key } => {
                if self.home.go_to(&preset, key) {
                    return self.show(Screen::Home);
                }
                self.toasts.error(format!("preset {preset} is not at Home; edit its file and launch it again"));
                None
            }
            Intent::Resume { run, set } => Some(Effect::Resume { run, set }),
            Intent::Follow => Some(self.follow()),
            Intent::Overlay => self.overlay_marked(),
            Intent::Edit(edit) => Some(Effect::Edit(edit)),
            Intent::Queue(edit) => Some(Effect::Queue(edit)),
            Intent::StartNext => Some(Effect::StartNext),
            Intent::Export(order) => self.export(order),
            Intent::CancelExport => Some(Effect::CancelExport),
            Intent::Chat(run) => self.chat_with(run),
            Intent::InChat(effect) => Some(Effect::Chat(effect)),
            Intent::HoldSweep(hold) => Some(Effect::HoldSweep(hold)),
            Intent::LeaveChat => self.show(match self.chat.back() {
                Screen::Monitor if self.monitor().is_none() => Screen::Runs,
                screen => screen,
            }),
            Intent::Analyze(preset) => self.analyze(preset),
            Intent::CancelAnalysis => Some(Effect::CancelAnalysis),
            Intent::LeaveAnalysis => self.show(match self.analysis.back() {
                Screen::Monitor if self.monitor().is_none() => Screen::Home,
                screen => screen,
            }),
            Intent::OpenFolder(folder) => Some(Effect::OpenFolder(folder)),
            Intent::Copy(text) => Some(Effect::Copy(text)),
            Intent::Refuse(why) => {
                self.toasts.error(why);
                None
            }
        }
    }

    pub(super) fn act(&mut self, action: AppAction) -> Option<Effect> {
        match action {
            AppAction::Help => self.overlay = Some(Overlay::Help(0)),
            AppAction::Palette => return self.open_palette(),
            AppAction::Theme => self.overlay = Some(Overlay::Themes(Picker::open(&self.look, &self.themes))),
            AppAction::SaveScreen => return Some(Effect::SaveScreen(self.screen_files())),
            AppAction::Show(screen) => return self.show(screen),
            AppAction::Suspend => return Some(Effect::Suspend),
            AppAction::Quit => {
                self.home.keep_typed();
                return self.ask(Some(Question::FIRST));
            }
        }
        None
    }

    /// Where the screen is saved: a run's into its folder, others into the current folder.
    pub(super) fn screen_files(&self) -> ScreenFiles {
        let files = match self.screen {
            Screen::Monitor => self.monitor().and_then(Monitor::screen_files),
            Screen::Home | Screen::Runs | Screen::Chat | Screen::Analysis | Screen::Sweep => None,
        };
        let name = format!("finesift-{}", self.screen.name().to_lowercase());
        files.unwrap_or(ScreenFiles { folder: ".".into(), name })
    }

    pub(super) fn show(&mut self, screen: Screen) -> Option<Effect> {
        self.chat.opened_from(self.screen);
        self.analysis.opened_from(self.screen);
        match screen {
            // The monitor shows the live run while it trains, and when it is asked for again.
            Screen::Monitor
                if self.monitors.live.is_some() && (self.screen == Screen::Monitor || self.monitors.at_work()) =>
            {
                return self.show_live_run();
            }
            Screen::Monitor if self.monitors.shown().is_none() => {
                self.toasts.info("no run yet: launch a preset at Home, or replay a run from Runs");
            }
            Screen::Sweep if self.sweep.is_none() => {
                self.toasts.info("no sweep here: `finesift sweep FILE.toml` opens one");
            }
            Screen::Analysis if !self.analysis.is_open() => {
                self.toasts.info("no analysis yet: press a on a preset at Home");
            }
            screen => self.screen = screen,
        }
        (screen == Screen::Runs).then_some(Effect::ListRuns)
    }
}
