//! The state of the application, and how messages change it. Nothing is drawn and nothing waits here.

use std::path::PathBuf;

use crossterm::event::KeyModifiers;
use ratatui::layout::Rect;

use super::chat::Chat;
use super::comparison::ComparisonUpdate;
use super::footer::Footer;
use super::frames::{Frames, fits};
use super::home::Home;
use super::input::UserInput;
use super::intent::Intent;
use super::keymap::{Action, AppAction, Context, Keymap};
use super::message::{Effect, Msg};
use super::monitor::{Files, Monitor};
use super::monitors::Monitors;
use super::overlay::{BusyDialog, Choice, Completion, Outcome, Overlay, Palette, Picker, Question, remember};
use super::replay::Pace;
use super::runs::Runs;
use super::scene::Scene;
use super::screen::Screen;
use super::screenshot::ScreenFiles;
use super::starts::Starts;
use super::theme::{Look, Theme, Themes};
use super::toast::{Place, Toasts};
use super::top_line;
use crate::alerts::{Alert, Alerts};
use crate::export::{Cancelled, ChangedBiases, ExportRequest};
use crate::preset::PresetEntry;
use crate::protocol::{Command, Event};

/// The state of the application.
pub struct App {
    /// The screen in front.
    pub screen: Screen,
    pub home: Home,
    pub monitors: Monitors,
    pub runs: Runs,
    pub chat: Chat,
    /// What lies above the screen.
    pub overlay: Option<Overlay>,
    pub look: Look,
    pub themes: Themes,
    pub keymap: Keymap,
    pub toasts: Toasts,
    /// The user's alert rules, watched on the live run.
    pub alerts: Alerts,
    /// Whether to leave as soon as the live run has ended.
    pub leaving: bool,
    /// What was chosen in the palette, the latest first.
    recent: Vec<Choice>,
    starts: Starts,
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
            chat: Chat::default(),
            overlay: None,
            look,
            themes: Themes::default(),
            keymap,
            toasts: Toasts::default(),
            alerts: Alerts::default(),
            leaving: false,
            recent: Vec::new(),
            starts: Starts::default(),
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
        self.toasts.count() > 0 || self.playing() || self.screen == Screen::Home && self.home.waiting()
    }

    /// Whether the screen changes as time advances.
    pub fn playing(&self) -> bool {
        self.screen == Screen::Monitor && self.monitor().is_some_and(Monitor::playing)
    }

    /// What is drawn.
    pub fn scene(&self) -> Scene<'_> {
        Scene {
            screen: self.screen,
            home: &self.home,
            runs: &self.runs,
            chat: &self.chat,
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
                if let Some(monitor) = self.monitors.shown_mut() {
                    monitor.tick(now);
                }
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
            Msg::Launched => {
                self.chat.close("a run is training in this process, and has its memory");
                self.runs.queue_mut().on_own_run();
                self.show_live(Monitor::launched());
            }
            Msg::Busy(request, active) => {
                self.overlay = Some(Overlay::Busy(BusyDialog { request, active, selected: 0 }));
            }
            Msg::Followed(name, files) => self.on_followed(&name, files),
            Msg::Ended => return self.starts.on_idle(self.runs.queue()),
            Msg::HandedOff(name, outcome) => return self.on_handed_off(&name, outcome),
            Msg::Queued(entries) => self.runs.queue_mut().on_listed(entries),
            Msg::QueueRefused(why) => {
                self.runs.queue_mut().hold();
                self.toasts.error(format!("the queue is on hold: {why}"));
            }
            Msg::Attached => self.show_live(Monitor::attached()),
            Msg::Replayed(number, events) => self.monitors.on_replayed(number, events),
            Msg::ReplayEnded(number) => self.monitors.on_replay_ended(number),
            Msg::Listed(runs, now) => {
                let changed = runs.is_some();
                let intent = self.runs.on_listed(runs, now);
                if changed {
                    self.renew_palette();
                }
                return intent.and_then(|intent| self.fulfil(intent));
            }
            Msg::Compared(ComparisonUpdate::Unreadable(why)) => self.toasts.error(why),
            Msg::Compared(update) => {
                self.runs.on_compared(update);
                self.monitors.set_overlays(self.runs.compared());
            }
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
            Msg::ChatPrompts(prompts) => self.chat.set_history(prompts),
            Msg::Chat(reply) => return self.chat.on_reply(reply).map(Effect::Chat),
            Msg::ChatSaved(outcome) => self.chat.on_saved(outcome),
            Msg::RunRenamed(from, to) => {
                self.runs.on_renamed(&from, &to);
                self.toasts.info(format!("renamed to {}", to.display()));
                return Some(Effect::ListRuns);
            }
            Msg::RunNotRenamed { run, name, why } => {
                if !self.runs.on_not_renamed(run, &name, &why) {
                    self.toasts.error(why);
                }
            }
            Msg::PresetEdited(edited, presets) => {
                self.toasts.info(edited.to_string());
                self.home.on_edited(&edited, presets);
            }
            Msg::NotSaved(why) => {
                if !self.home.on_not_saved(&why) {
                    self.toasts.error(why);
                }
            }
            Msg::Estimate(toml, estimate) => return self.home.on_estimate(&toml, estimate).map(Effect::DownloadSizes),
            Msg::DownloadSizes(sizes) => self.home.on_download_sizes(sizes),
        }
        None
    }

    /// Applies an event of the live run.
    fn on_event(&mut self, event: Event) -> Option<Effect> {
        let mut alert = None;
        let hidden = self.screen != Screen::Monitor || self.monitors.replay.is_some();
        if let Some(live) = &mut self.monitors.live {
            let name = live.name();
            let place = if hidden { Place::Elsewhere(&name) } else { Place::OnScreen { logged: live.shows_log() } };
            self.toasts.of_event(&event, place);
            if event.is_last() {
                self.home.renew_estimate();
            }
            alert = self.alerts.on_event(&event);
            live.on_event(event);
        }
        if self.leaving && !self.monitors.at_work() {
            return Some(Effect::Leave);
        }
        self.raise(alert?)
    }

    /// Shows an alert of the live run, and pauses the run if a rule says so.
    fn raise(&mut self, alert: Alert) -> Option<Effect> {
        let live = self.monitors.live.as_mut()?;
        let text = format!("{}: {}", live.run.name(), alert.text);
        let pause = alert.pause && live.pause_for_alert();
        self.toasts.warning(if pause { format!("{text}; pausing") } else { text.clone() });
        // The toast disappears, the log stays.
        live.on_event(Event::warning(format!("alert: {}", alert.text)));
        Some(Effect::Alert { text, pause })
    }

    /// Reads the marked runs from now on, and no others.
    fn follow(&mut self) -> Effect {
        let runs = self.runs.follow();
        self.monitors.set_overlays(self.runs.compared());
        Effect::Follow(runs)
    }

    /// Shows the marked runs over the one on the monitor; without one, beside each other.
    fn overlay_marked(&mut self) -> Option<Effect> {
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
        if let UserInput::Click(at) = input
            && let frames = self.frames()
            && let footer = Footer::new(frames.footer, &self.scene().place(), &self.keymap, self.overlay.as_ref())
            && let Some(key) = footer.key_at(at)
        {
            return self.handle(UserInput::Key(key.event()));
        }
        // With what lies above it, and while the user types: ctrl is no text.
        if let UserInput::Key(key) = &input
            && key.modifiers.contains(KeyModifiers::CONTROL)
            && self.keymap.action(Context::Anywhere, key) == Some(Action::App(AppAction::SaveScreen))
        {
            return self.act(AppAction::SaveScreen);
        }
        if let Some(overlay) = self.overlay.take() {
            return self.handle_on_overlay(overlay, &input);
        }
        let frames = self.frames();
        if let UserInput::Click(at) = input {
            // On a strip, a click would hit what is not shown.
            if !fits(self.size) {
                return None;
            }
            if top_line::is_on_pill(frames.top, &self.scene(), at) {
                return self.show_live_run();
            }
            if !frames.body.contains(at) {
                return self.show(frames.screen_at(at)?);
            }
        }
        let (body, keymap) = (frames.body, &self.keymap);
        let intent = match self.screen {
            Screen::Home => self.home.handle(&input, body, keymap, &self.look),
            Screen::Runs => self.runs.handle(&input, body, keymap),
            Screen::Chat => self.chat.handle(&input, body, keymap, &self.look),
            Screen::Monitor => self.monitors.shown_mut()?.handle(&input, body, keymap, &self.look),
        };
        self.fulfil(intent?)
    }

    fn handle_on_overlay(&mut self, mut overlay: Overlay, input: &UserInput) -> Option<Effect> {
        let outcome = overlay.handle(input, &self.scene().below_overlay(self.frames().body));
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
            Outcome::Start(request, answer) => {
                return self.starts.on_answer(request, answer, &mut self.monitors, self.runs.queue_mut());
            }
            Outcome::Completion(question, answer) => return self.on_answer(question, answer),
        }
        None
    }

    /// Opens the palette, unless text is typed. The runs are listed for it.
    fn open_palette(&mut self) -> Option<Effect> {
        // In the chat text is always typed, and stays where it is.
        if self.screen != Screen::Chat && self.scene().place().dialog().is_some() {
            return None;
        }
        let scene = self.scene().below_overlay(self.frames().body);
        self.overlay = Some(Overlay::Palette(Palette::open(&scene, &self.themes, &self.recent)));
        Some(Effect::ListRuns)
    }

    fn renew_palette(&mut self) {
        if let Some(Overlay::Palette(mut palette)) =
            self.overlay.take_if(|overlay| matches!(overlay, Overlay::Palette(_)))
        {
            let scene = self.scene().below_overlay(self.frames().body);
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
        let body = self.frames().body;
        let intent = match self.screen {
            Screen::Home => self.home.perform(action),
            Screen::Runs => self.runs.act(action, body),
            Screen::Monitor => self.monitors.shown_mut()?.act(action, body),
            Screen::Chat => self.chat.act(action, body, &self.look),
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
            Intent::LeaveChat => self.show(match self.chat.back() {
                Screen::Monitor if self.monitor().is_none() => Screen::Runs,
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

    fn act(&mut self, action: AppAction) -> Option<Effect> {
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
    fn screen_files(&self) -> ScreenFiles {
        let files = match self.screen {
            Screen::Monitor => self.monitor().and_then(Monitor::screen_files),
            Screen::Home | Screen::Runs | Screen::Chat => None,
        };
        let name = format!("finesift-{}", self.screen.name().to_lowercase());
        files.unwrap_or(ScreenFiles { folder: ".".into(), name })
    }

    fn show(&mut self, screen: Screen) -> Option<Effect> {
        self.chat.opened_from(self.screen);
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
            screen => self.screen = screen,
        }
        (screen == Screen::Runs).then_some(Effect::ListRuns)
    }

    /// Opens a chat with a run's model, or returns to it. A run that trains in this process keeps the memory for itself.
    fn chat_with(&mut self, run: PathBuf) -> Option<Effect> {
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

    /// Shows the live run instead of a replay.
    fn show_live_run(&mut self) -> Option<Effect> {
        self.monitors.replay = None;
        self.screen = Screen::Monitor;
        None
    }

    /// Where the parts of the terminal lie.
    fn frames(&self) -> Frames {
        Frames::of(self.size, self.toasts.lines(self.size.width, self.size.height))
    }

    fn show_live(&mut self, monitor: Monitor) {
        self.alerts.reset();
        self.home.renew_estimate();
        self.monitors.show_live(monitor);
        self.screen = Screen::Monitor;
    }

    /// Reports whether the live run continues in the background, and starts the run that waits for it.
    fn on_handed_off(&mut self, name: &str, outcome: Result<(), String>) -> Option<Effect> {
        match outcome {
            Ok(()) => self.toasts.info(format!("{name} continues in the background")),
            Err(why) => {
                self.starts.on_failed_hand_off(self.runs.queue_mut());
                self.toasts.error(why);
            }
        }
        self.starts.on_idle(self.runs.queue())
    }

    /// Watches a run that was taken from the queue, without a change of what the user looks at.
    fn on_followed(&mut self, name: &str, files: Files) {
        self.home.renew_estimate();
        let mut live = Monitor::launched();
        live.files = Some(files);
        self.monitors.live = Some(live);
        let left = match self.runs.queue().waiting() {
            0 => "the queue is empty now".to_owned(),
            number => format!("{number} more queued"),
        };
        self.toasts.info(format!("started {name} from the queue; {left}"));
    }

    fn start_replay(&mut self, folder: PathBuf) -> Effect {
        Effect::Replay(folder, self.open_replay(None))
    }

    /// Shows a new replay, at a pace if one is given. Returns its number.
    pub(super) fn open_replay(&mut self, pace: Option<Pace>) -> u64 {
        self.screen = Screen::Monitor;
        self.monitors.show_replay(pace)
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
