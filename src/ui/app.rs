//! The state of the application, and how messages change it. Nothing is drawn and nothing waits here.

use std::path::PathBuf;

use ratatui::layout::Rect;

use super::footer::Footer;
use super::frames::Frames;
use super::home::Home;
use super::input::UserInput;
use super::intent::Intent;
use super::keymap::{Action, AppAction, Keymap};
use super::message::{Effect, Msg};
use super::monitor::Monitor;
use super::monitors::Monitors;
use super::overlay::{Choice, Completion, Outcome, Overlay, Palette, Picker, Question, remember};
use super::runs::Runs;
use super::screen::Screen;
use super::shell::Scene;
use super::theme::{Look, Theme, Themes};
use super::toast::Toasts;
use crate::export::{Cancelled, ChangedBiases, ExportRequest};
use crate::preset::PresetEntry;
use crate::protocol::{Command, Event};
use crate::runs::History;

/// The state of the application.
pub struct App {
    /// The screen in front.
    pub screen: Screen,
    pub home: Home,
    pub monitors: Monitors,
    pub runs: Runs,
    /// What lies above the screen.
    pub overlay: Option<Overlay>,
    pub look: Look,
    pub themes: Themes,
    pub keymap: Keymap,
    pub toasts: Toasts,
    /// Whether to leave as soon as the live run has ended.
    pub leaving: bool,
    /// What was chosen in the palette, the latest first.
    recent: Vec<Choice>,
    size: Rect,
}

impl App {
    /// Opens at Home.
    pub fn new(look: Look, keymap: Keymap, home: Home, runs: Runs, width: u16, height: u16) -> App {
        App {
            screen: Screen::Home,
            home,
            monitors: Monitors::default(),
            runs,
            overlay: None,
            look,
            themes: Themes::default(),
            keymap,
            toasts: Toasts::default(),
            leaving: false,
            recent: Vec::new(),
            size: Rect::new(0, 0, width, height),
        }
    }

    /// Opens at Home with these presets and the default keys.
    pub fn at_home(look: Look, presets: Vec<PresetEntry>, width: u16, height: u16) -> App {
        App::new(look, Keymap::default(), Home::new(presets), Runs::default(), width, height)
    }

    /// The run on the monitor.
    pub fn monitor(&self) -> Option<&Monitor> {
        self.monitors.shown()
    }

    /// Whether something will happen as time advances.
    pub fn waiting(&self) -> bool {
        self.toasts.count() > 0 || self.screen == Screen::Home && self.home.waiting()
    }

    /// What is drawn.
    pub fn scene(&self) -> Scene<'_> {
        Scene {
            screen: self.screen,
            home: &self.home,
            runs: &self.runs,
            live: self.monitors.live.as_ref(),
            monitor: self.monitors.shown(),
            toasts: &self.toasts,
            overlay: self.overlay.as_ref(),
            keymap: &self.keymap,
            look: &self.look,
        }
    }

    /// Updates the state with a message. Returns what the event loop has to do.
    pub fn update(&mut self, msg: Msg) -> Option<Effect> {
        match msg {
            Msg::Input(input) => return self.handle(input),
            Msg::Event(event) => return self.on_event(event),
            Msg::Tick(now) => {
                self.toasts.tick(now);
                if self.screen == Screen::Home {
                    return self.home.tick(now).map(Effect::Estimate);
                }
            }
            Msg::NotAttached(folder) => return Some(self.start_replay(folder)),
            Msg::Exported(outcome) => return self.on_exported(outcome),
            Msg::AllSaved => return self.ask(Question::Presets.next()),
            Msg::Done(what) => {
                self.toasts.info(what);
                return Some(Effect::ListRuns);
            }
            Msg::Notice(what) => self.toasts.info(what),
            Msg::Refused(why) => self.toasts.error(why),
            Msg::Resize(width, height) => self.size = Rect::new(0, 0, width, height),
            Msg::Launched => self.show_live(Monitor::launched()),
            Msg::Attached => self.show_live(Monitor::attached()),
            Msg::Replayed(number, events) => self.monitors.on_replayed(number, events),
            Msg::Listed(runs, now) => {
                let changed = runs.is_some();
                self.runs.on_listed(runs, now);
                if changed {
                    self.renew_palette();
                }
            }
            Msg::Compared(comparison) => self.overlay = Some(Overlay::Comparison(comparison, 0)),
            Msg::Overlaid(name, run) => self.on_overlaid(name, *run),
            Msg::Files(files) => {
                if let Some(monitor) = self.monitors.shown_mut() {
                    monitor.files = Some(files);
                }
            }
            Msg::Exporting(progress) => self.runs.on_export_progress(progress),
            Msg::Saved(saved, presets) => {
                self.home.on_saved(&saved, presets);
                for saved in saved {
                    self.toasts.info(format!("saved as {}", saved.path.display()));
                }
            }
            Msg::Estimate(toml, estimate) => self.home.on_estimate(&toml, estimate),
        }
        None
    }

    /// Applies an event of the live run.
    fn on_event(&mut self, event: Event) -> Option<Effect> {
        if let Some(live) = &mut self.monitors.live {
            self.toasts.of_event(&event);
            if event.is_last() {
                self.home.renew_estimate();
            }
            live.on_event(event);
        }
        (self.leaving && !self.monitors.at_work()).then_some(Effect::Leave)
    }

    /// Draws another run's curves beneath those on the monitor from now on.
    fn on_overlaid(&mut self, name: String, run: History) {
        let Some(monitor) = self.monitors.shown_mut() else {
            return self.toasts.error("there is no run on the monitor to overlay curves on; replay one first");
        };
        monitor.overlay(name, run);
        self.screen = Screen::Monitor;
    }

    /// Reports how an export has ended, and offers a remedy if there is one.
    fn on_exported(&mut self, outcome: Result<(), anyhow::Error>) -> Option<Effect> {
        let order = self.runs.end_export()?;
        let mut leaving = false;
        if let Some(Overlay::Quit(question @ (Question::Export | Question::Waiting), _)) = self.overlay {
            self.overlay = None;
            leaving = question == Question::Waiting;
        }
        match outcome {
            Ok(()) => {
                self.toasts.info(format!("exported to {}", order.out.display()));
                if leaving {
                    return self.ask(Question::Waiting.next());
                }
            }
            Err(error) if error.is::<Cancelled>() => self.toasts.info("cancelled the export; nothing was written"),
            Err(error) => match error.downcast::<ChangedBiases>() {
                // On another screen, or while the user types, a question would take keys meant for something else.
                Ok(biases) if self.screen == Screen::Runs && !self.runs.typing() => {
                    self.runs.ask_about_biases(order, biases);
                }
                Ok(biases) => self.toasts.error(format!("no adapter: {biases}")),
                Err(error) => self.toasts.error(format!("{error:#}")),
            },
        }
        None
    }

    /// Hands an input to the overlay, to the line of screens, or to the screen in front.
    fn handle(&mut self, input: UserInput) -> Option<Effect> {
        let frames = Frames::of(self.size);
        let footer = Footer::new(frames.footer, &self.scene().place(), &self.keymap, self.overlay.as_ref());
        if let UserInput::Click(at) = input
            && let Some(key) = footer.key_at(at)
        {
            return self.handle(UserInput::Key(key.event()));
        }
        if let Some(overlay) = self.overlay.take() {
            return self.handle_on_overlay(overlay, &input);
        }
        if let UserInput::Click(at) = input
            && !frames.body.contains(at)
        {
            return self.show(frames.screen_at(at)?);
        }
        let (body, keymap) = (frames.body, &self.keymap);
        let intent = match self.screen {
            Screen::Home => self.home.handle(&input, body, keymap),
            Screen::Runs => self.runs.handle(&input, body, keymap),
            Screen::Monitor => self.monitors.shown_mut()?.handle(&input, body, keymap),
        };
        self.fulfil(intent?)
    }

    fn handle_on_overlay(&mut self, mut overlay: Overlay, input: &UserInput) -> Option<Effect> {
        let outcome = overlay.handle(input, &self.scene().below_overlay(Frames::of(self.size).body));
        match outcome {
            Outcome::Stay => self.overlay = Some(overlay),
            Outcome::Close => {}
            Outcome::Preview { name, theme } => {
                self.set_theme(name, theme);
                self.overlay = Some(overlay);
            }
            Outcome::Revert { name, theme } => self.set_theme(name, theme),
            Outcome::KeepTheme(name) => return Some(Effect::KeepTheme(name)),
            Outcome::Refuse(why) => {
                self.toasts.error(why);
                self.overlay = Some(overlay);
            }
            Outcome::Choose(choice) => return self.choose(choice),
            Outcome::Completion(question, answer) => return self.on_answer(question, answer),
        }
        None
    }

    /// Opens the palette, unless text is typed. The runs are listed for it.
    fn open_palette(&mut self) -> Option<Effect> {
        if self.scene().place().dialog().is_some() {
            return None;
        }
        let scene = self.scene().below_overlay(Frames::of(self.size).body);
        self.overlay = Some(Overlay::Palette(Palette::open(&scene, &self.themes, &self.recent)));
        Some(Effect::ListRuns)
    }

    fn renew_palette(&mut self) {
        if let Some(Overlay::Palette(mut palette)) =
            self.overlay.take_if(|overlay| matches!(overlay, Overlay::Palette(_)))
        {
            let scene = self.scene().below_overlay(Frames::of(self.size).body);
            palette.renew(&scene, &self.themes, &self.recent);
            self.overlay = Some(Overlay::Palette(palette));
        }
    }

    /// Does what was chosen in the palette.
    fn choose(&mut self, choice: Choice) -> Option<Effect> {
        remember(&mut self.recent, &choice);
        match choice {
            Choice::Act(action) => self.perform(action),
            Choice::OnScreen(choice) => {
                let intent = choice.prepare(&mut self.home, &mut self.runs)?;
                self.fulfil(intent)
            }
            Choice::Theme(name) => self.use_theme(name),
            Choice::ToggleAscii => {
                self.look.ascii = !self.look.ascii;
                None
            }
        }
    }

    fn use_theme(&mut self, name: String) -> Option<Effect> {
        match self.themes.load(&name, self.look.depth) {
            Ok(theme) => {
                self.set_theme(name.clone(), theme);
                Some(Effect::KeepTheme(name))
            }
            Err(error) => self.fulfil(Intent::Refuse(format!("{error:#}"))),
        }
    }

    /// Performs an action on the screen in front, as its key does.
    fn perform(&mut self, action: Action) -> Option<Effect> {
        let body = Frames::of(self.size).body;
        let intent = match self.screen {
            Screen::Home => self.home.perform(action),
            Screen::Runs => self.runs.act(action, body),
            Screen::Monitor => self.monitors.shown_mut()?.act(action, body),
        };
        self.fulfil(intent?)
    }

    fn set_theme(&mut self, name: String, theme: Theme) {
        (self.look.name, self.look.theme) = (name, theme);
    }

    /// Turns what a screen asks for into an effect, or into a change of the state.
    fn fulfil(&mut self, intent: Intent) -> Option<Effect> {
        match intent {
            Intent::App(action) => self.act(action),
            Intent::Launch(preset) => Some(Effect::Launch(preset)),
            Intent::SavePreset(request) => Some(Effect::SavePreset(request)),
            Intent::Send(command) => Some(Effect::Send(command)),
            Intent::WriteFiles(files) => Some(Effect::WriteFiles(files)),
            Intent::CloseReplay => {
                self.monitors.replay = None;
                self.show(Screen::Runs)
            }
            Intent::Replay(folder) => Some(self.start_replay(folder)),
            Intent::Attach(folder) => self.attach(folder),
            Intent::Resume { run, set } => Some(Effect::Resume { run, set }),
            Intent::Overlay(folders) => Some(Effect::Overlay(folders)),
            Intent::Compare(runs) => Some(Effect::Compare(runs)),
            Intent::Edit(edit) => Some(Effect::Edit(edit)),
            Intent::Export(order) => self.export(order),
            Intent::CancelExport => Some(Effect::CancelExport),
            Intent::OpenFolder(folder) => Some(Effect::OpenFolder(folder)),
            Intent::Copy(text) => Some(Effect::Copy(text)),
            Intent::Refuse(why) => {
                self.toasts.error(why);
                None
            }
        }
    }

    fn act(&mut self, action: AppAction) -> Option<Effect> {
        match action {
            AppAction::Help => self.overlay = Some(Overlay::Help(0)),
            AppAction::Palette => return self.open_palette(),
            AppAction::Theme => self.overlay = Some(Overlay::Themes(Picker::open(&self.look, &self.themes))),
            AppAction::Show(screen) => return self.show(screen),
            AppAction::Suspend => return Some(Effect::Suspend),
            AppAction::Quit => {
                self.home.keep_typed();
                return self.ask(Some(Question::FIRST));
            }
        }
        None
    }

    fn show(&mut self, screen: Screen) -> Option<Effect> {
        match screen {
            // Asked for again, the monitor shows the live run.
            Screen::Monitor if self.screen == Screen::Monitor && self.monitors.live.is_some() => {
                self.monitors.replay = None;
            }
            Screen::Monitor if self.monitors.shown().is_none() => {
                self.toasts.info("no run yet: launch a preset at Home, or replay a run from Runs");
            }
            screen => self.screen = screen,
        }
        (screen == Screen::Runs).then_some(Effect::ListRuns)
    }

    fn show_live(&mut self, monitor: Monitor) {
        self.home.renew_estimate();
        self.monitors.show_live(monitor);
        self.screen = Screen::Monitor;
    }

    fn start_replay(&mut self, folder: PathBuf) -> Effect {
        self.screen = Screen::Monitor;
        Effect::Replay(folder, self.monitors.show_replay())
    }

    /// Attaches to a run in another process; while this process trains one, the other is replayed.
    fn attach(&mut self, folder: PathBuf) -> Option<Effect> {
        let at_work = self.monitors.at_work();
        if at_work && self.monitors.is_live(&folder) {
            self.monitors.replay = None;
            self.screen = Screen::Monitor;
            return None;
        }
        let busy = at_work && !self.monitors.attached();
        Some(if busy { self.start_replay(folder) } else { Effect::Attach(folder) })
    }

    /// Starts an export, unless one is running.
    fn export(&mut self, order: ExportRequest) -> Option<Effect> {
        if !self.runs.begin_export(&order) {
            self.toasts.error("an export is still running; wait for it, or cancel it with X");
            return None;
        }
        Some(Effect::Export(order))
    }

    /// Asks the first question from this one on that applies. Leaves if none does.
    fn ask(&mut self, from: Option<Question>) -> Option<Effect> {
        let scene = self.scene().below_overlay(Rect::ZERO);
        match std::iter::successors(from, |question| question.next()).find(|question| question.applies(&scene)) {
            Some(question) => {
                self.overlay = Some(Overlay::Quit(question, 0));
                None
            }
            None => Some(Effect::Leave),
        }
    }

    fn on_answer(&mut self, question: Question, answer: Completion) -> Option<Effect> {
        match answer {
            Completion::Stay => None,
            Completion::Leave => self.ask(question.next()),
            Completion::SavePresets => {
                let requests = self.home.unsaved().into_iter().filter_map(|unsaved| unsaved.request.ok());
                Some(Effect::SaveAll(requests.collect()))
            }
            Completion::Wait => {
                self.overlay = Some(Overlay::Quit(Question::Waiting, 0));
                None
            }
            // Leaving cancels the export anyway.
            Completion::CancelExport => self.ask(question.next()).or(Some(Effect::CancelExport)),
            Completion::SaveAndStop => self.stop_and_leave("stopping…", true, Effect::Send),
            Completion::DiscardAndStop => self.stop_and_leave("stopping…", false, Effect::Send),
            Completion::Detach => self.stop_and_leave("detaching…", true, |_| Effect::Detach),
        }
    }

    /// Leaves as soon as the live run has stopped; at once if it ended while the question was asked.
    fn stop_and_leave(&mut self, word: &'static str, save: bool, effect: fn(Command) -> Effect) -> Option<Effect> {
        self.leaving = true;
        let stop = self.monitors.live.as_mut().and_then(|live| live.request(word, Command::Stop { save }));
        Some(stop.map_or(Effect::Leave, effect))
    }
}
