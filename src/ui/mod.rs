//! The terminal interface: an event loop over inputs, a run's events and a tick for frames. It knows no torch.
//!
//! [`app`] holds the state and changes it, `effects` performs what the state asks for, the screens draw the state and
//! hand inputs to it, and only this file and `leave` wait.

pub mod app;
pub mod backend;
mod charset;
pub mod chat;
mod chatting;
pub mod comparison;
mod effects;
mod export;
mod footer;
pub(crate) mod format;
mod frames;
pub mod graphics;
pub mod home;
pub mod input;
mod intent;
pub mod keymap;
mod launch;
mod leave;
pub mod message;
pub mod monitor;
mod monitors;
mod options;
mod overlay;
mod pill;
mod place;
pub mod queue_edit;
pub mod replay;
pub mod runs;
pub mod saving;
mod scene;
pub mod screen;
pub mod screenshot;
mod shell;
mod smoothing;
pub mod start_request;
mod starts;
mod strip;
mod suspend;
mod terminal;
mod terminal_background;
mod terminal_query;
mod terminal_status;
pub mod theme;
mod toast;
mod top_line;
mod widgets;

use std::collections::VecDeque;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use crossterm::event::Event as TerminalEvent;
use ratatui::Frame;
use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval};

use crate::alerts::Alerts;
use crate::chat::ChatLink;
use crate::config::OnHangup;
use crate::outcome::Outcome;
use crate::preset::Library;
use crate::protocol::Event;
use crate::queue::{Queue, Taken};
use crate::runs::Lister;
use crate::signals::{Signal, Signals};
use app::App;
use backend::{Backend, Launched};
pub use charset::Charset;
pub use chat::ChatStart;
use comparison::CurveReader;
use export::Exporting;
pub use frames::MIN_SIZE;
use graphics::PixelSize;
use home::Home;
use input::UserInput;
use launch::HandOff;
use message::{Effect, Msg};
pub use options::Options;
use replay::{Pace, PaceControl};
use runs::Runs;
use screen::Screen;
use terminal::{Extras, Terminal};
use terminal_status::TerminalStatus;
use theme::Depth;

/// Time between two frames of data. Inputs are drawn at once.
const FRAME: Duration = Duration::from_millis(33);

/// While a run trains, the screen rests this many times as long as the last frame of data took to draw: a frame takes a
/// core from the trainer's threads, and all of them wait for the one that lost it.
const REST: u32 = 400;
const LONGEST_REST: Duration = Duration::from_secs(1);

/// Events of the live run that are applied between two looks at the keyboard.
const EVENTS_AT_ONCE: usize = 512;

/// Time between two listings of the runs, while they are on the screen.
const LIST_EVERY: Duration = Duration::from_secs(3);

/// Opens the workbench, on a run that was started or else at Home, and shows it until the user leaves or a signal comes.
/// A signal stops the run with a checkpoint; a hang-up detaches it, unless the settings say otherwise.
///
/// # Errors
/// The failure of the run that was given, or a terminal that cannot be used.
pub fn open(backend: Arc<dyn Backend>, launched: Option<Launched>, options: Options) -> Result<Outcome> {
    run(options, |options| Workbench::new(backend, launched, options))
}

/// Opens the workbench on a chat, and shows it until the user leaves or a signal comes.
///
/// # Errors
/// A terminal that cannot be used.
pub fn open_chat(backend: Arc<dyn Backend>, start: ChatStart, options: Options) -> Result<Outcome> {
    run(options, |options| {
        let mut workbench = Workbench::new(backend, None, options)?;
        workbench.start_chat(start);
        Ok(workbench)
    })
}

/// Opens the workbench on a recorded run: all of it at once, or at a multiple of its own pace.
///
/// # Errors
/// A terminal that cannot be used.
pub fn replay(backend: Arc<dyn Backend>, folder: PathBuf, speed: Option<f64>, options: Options) -> Result<Outcome> {
    run(options, |options| {
        let mut workbench = Workbench::new(backend, None, options)?;
        workbench.open_replay(folder, speed.map(|speed| Pace { speed, paused: false }));
        Ok(workbench)
    })
}

fn run(options: Options, open: impl FnOnce(Options) -> Result<Workbench>) -> Result<Outcome> {
    crossterm::style::force_color_output(options.depth != Depth::None);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let outcome = runtime.block_on(async { open(options)?.run().await });
    // Leaving does not wait for files that are still read on other threads.
    runtime.shutdown_background();
    outcome
}

/// Draws the application.
pub fn draw(frame: &mut Frame, app: &App) {
    shell::draw(frame, &app.scene());
}

/// The application, and what its effects need.
struct Workbench {
    app: App,
    backend: Arc<dyn Backend>,
    library: Library,
    /// The run that this process trains or is attached to.
    live: Option<Launched>,
    /// Whether the live run is the one that the program was started for, whose failure is its own.
    single: bool,
    /// Whether the live run continues in a process of its own once it has stopped here.
    detaching: bool,
    /// Whether the user has stopped the live run.
    stopping: bool,
    /// The start of that process, until it has detached.
    hand_off: Option<HandOff>,
    queue: Queue,
    /// The entry of the queue that the live run is of, until it has started.
    taken: Option<Taken>,
    on_hangup: OnHangup,
    /// The running export. Dropping it cancels it.
    export: Option<Exporting>,
    /// The model that the chat has in memory.
    chat: Option<ChatLink>,
    outcome: Outcome,
    failure: Option<anyhow::Error>,
    /// The messages that effects send from other threads.
    answers: (mpsc::UnboundedSender<Msg>, mpsc::UnboundedReceiver<Msg>),
    lister: Arc<Mutex<Lister>>,
    /// Reads the runs that are compared.
    curves: CurveReader,
    /// Number of the latest replay. The reader of an earlier one stops.
    replay: Arc<AtomicU64>,
    /// The pace of the latest paced replay.
    pace: Option<Arc<PaceControl>>,
    status: TerminalStatus,
    /// A notification that waits to be written to the terminal.
    notification: String,
    mouse: bool,
    /// The user's settings file.
    config: PathBuf,
    started: Instant,
}

/// Why the event loop ended.
enum Ending {
    Left,
    Signalled(Signal),
}

impl Workbench {
    fn new(backend: Arc<dyn Backend>, launched: Option<Launched>, options: Options) -> Result<Workbench> {
        let (look, without_pixels) = options.look()?;
        let (width, height) = crossterm::terminal::size().context("cannot read the size of the terminal")?;
        let library = Library::from_env();
        let mut app = App::new(look, options.keymap, Home::new(library.list()), Runs::default(), width, height);
        app.themes = options.themes;
        if let Some(why) = without_pixels {
            app.toasts.info(format!("charts are drawn in braille: {why}"));
        }
        app.alerts = Alerts::new(options.alerts);
        let mut workbench = Workbench {
            app,
            lister: Arc::new(Mutex::new(Lister::new(backend.runs()))),
            queue: Queue::of(backend.runs()),
            backend,
            library,
            single: launched.is_some(),
            live: None,
            detaching: false,
            stopping: false,
            hand_off: None,
            taken: None,
            on_hangup: options.on_hangup,
            export: None,
            chat: None,
            outcome: Outcome::default(),
            failure: None,
            answers: mpsc::unbounded_channel(),
            curves: CurveReader::default(),
            replay: Arc::default(),
            pace: None,
            status: TerminalStatus::new(options.notify, |name| std::env::var(name).ok()),
            notification: String::new(),
            mouse: options.mouse,
            config: options.config,
            started: Instant::now(),
        };
        for answer in launched.map(|launched| workbench.watch_run(launched)).unwrap_or_default() {
            workbench.app.update(answer);
        }
        Ok(workbench)
    }

    async fn run(mut self) -> Result<Outcome> {
        let mut signals = Signals::listen()?;
        self.list_queue();
        let extras = Extras { mouse: self.mouse, title: self.status.titled, progress: self.status.progress };
        let mut terminal = Terminal::take(extras)?;
        let ending = self.watch(&mut terminal, &mut signals).await;
        drop(terminal);
        self.leave(ending, signals).await
    }

    async fn watch(&mut self, terminal: &mut Terminal, signals: &mut Signals) -> Result<Ending> {
        let mut tick = interval(FRAME);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut list = interval(LIST_EVERY);
        list.set_missed_tick_behavior(MissedTickBehavior::Delay);
        // Whether there is something to draw.
        let mut stale = true;
        loop {
            let waits = self.waits_for_its_turn();
            let (live, hand_off, chat) = (self.live.as_mut(), self.hand_off.as_mut(), self.chat.as_mut());
            let flow = tokio::select! {
                biased;
                signal = signals.next() => return Ok(Ending::Signalled(signal)),
                input = terminal.next_input() => {
                    let flow = self.on_input(terminal, input?).await?;
                    if flow.is_continue() {
                        self.show(terminal)?;
                        stale = false;
                    }
                    flow
                }
                Some(answer) = self.answers.1.recv() => {
                    stale = true;
                    self.update(terminal, answer).await?
                }
                // Before the events: a run can send them faster than they are applied.
                _ = tick.tick(), if stale || self.app.waiting() => {
                    let (toasts, playing) = (self.app.toasts.count(), self.app.playing());
                    let flow = self.update(terminal, Msg::Tick(self.started.elapsed())).await?;
                    if stale || playing || toasts != self.app.toasts.count() {
                        let start = Instant::now();
                        self.show(terminal)?;
                        stale = false;
                        if self.app.monitors.at_work() {
                            tick.reset_after((REST * start.elapsed()).clamp(FRAME, LONGEST_REST));
                        }
                    }
                    flow
                }
                event = async { live.expect("guarded").link.next().await }, if live.is_some() => {
                    stale = true;
                    match event {
                        Some(event) => self.on_events(event),
                        None => {
                            let answers = self.end_live();
                            self.update_all(terminal, answers).await?
                        }
                    }
                }
                reply = async { chat.expect("guarded").next().await }, if chat.is_some() => {
                    stale = true;
                    self.on_chat(reply);
                    ControlFlow::Continue(())
                }
                outcome = async { hand_off.expect("guarded").wait().await }, if hand_off.is_some() => {
                    stale = true;
                    let answer = self.end_hand_off(outcome);
                    self.update(terminal, answer).await?
                }
                _ = list.tick(), if self.app.screen == Screen::Runs || waits => {
                    if waits && self.perform_all(terminal, Effect::StartNext).await?.is_break() {
                        return Ok(Ending::Left);
                    }
                    self.perform_all(terminal, Effect::ListRuns).await?
                }
            };
            if flow.is_break() {
                return Ok(Ending::Left);
            }
        }
    }

    /// Draws the screen, and writes what else has changed.
    fn show(&mut self, terminal: &mut Terminal) -> Result<()> {
        terminal.draw(|frame| draw(frame, &self.app), self.app.look.pixels.as_ref())?;
        let run = self.app.monitors.live.as_ref().map(|live| &live.run);
        let status = std::mem::take(&mut self.notification) + &self.status.update(run);
        if status.is_empty() { Ok(()) } else { terminal.write(&status) }
    }

    async fn on_input(&mut self, terminal: &mut Terminal, input: TerminalEvent) -> Result<ControlFlow<()>> {
        if let TerminalEvent::Resize(width, height) = input {
            terminal.forget()?;
            if let (Some(pixels), Some(cell)) = (&mut self.app.look.pixels, PixelSize::of_cell()) {
                pixels.set_cell(cell);
            }
            return self.update(terminal, Msg::Resize(width, height)).await;
        }
        match UserInput::of(input) {
            Some(input) => self.update(terminal, Msg::Input(input)).await,
            None => Ok(ControlFlow::Continue(())),
        }
    }

    /// Updates the state, and performs what it asks for. Breaks if the workbench is left.
    async fn update(&mut self, terminal: &mut Terminal, msg: Msg) -> Result<ControlFlow<()>> {
        match self.app.update(msg) {
            Some(effect) => self.perform_all(terminal, effect).await,
            None => Ok(ControlFlow::Continue(())),
        }
    }

    async fn update_all(&mut self, terminal: &mut Terminal, answers: Vec<Msg>) -> Result<ControlFlow<()>> {
        for answer in answers {
            if self.update(terminal, answer).await?.is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    /// Performs an effect, and those that its answers lead to.
    async fn perform_all(&mut self, terminal: &mut Terminal, effect: Effect) -> Result<ControlFlow<()>> {
        let mut effects = VecDeque::from([effect]);
        while let Some(effect) = effects.pop_front() {
            match self.perform(terminal, effect).await? {
                ControlFlow::Continue(answers) => {
                    effects.extend(answers.into_iter().filter_map(|answer| self.app.update(answer)));
                }
                ControlFlow::Break(()) => return Ok(ControlFlow::Break(())),
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    /// Applies an event of the live run, and those that wait behind it.
    fn on_events(&mut self, event: Event) -> ControlFlow<()> {
        let mut next = Some(event);
        for _ in 0..EVENTS_AT_ONCE {
            let Some(event) = next else { break };
            self.on_event(event)?;
            next = self.live.as_mut().and_then(|live| live.link.try_next());
        }
        match next {
            Some(event) => self.on_event(event),
            None => ControlFlow::Continue(()),
        }
    }

    /// Applies an event of the live run. It can lead to an alert, or to leaving the workbench.
    fn on_event(&mut self, event: Event) -> ControlFlow<()> {
        self.note(&event);
        if matches!(event, Event::Resumed(_))
            && let Some(live) = &self.live
        {
            // The run may continue with another preset.
            self.app.update(Msg::Files(effects::files(&live.folder)));
        }
        self.app.alerts.muted = self.live.as_ref().is_some_and(|live| live.link.is_behind());
        let last = event.is_last().then(|| event.clone());
        let effect = self.app.update(Msg::Event(event));
        if let Some(last) = last {
            self.notification += &self.status.ended(&last, self.app.monitors.live.as_ref().map(|live| &live.run));
        }
        match effect {
            Some(Effect::Leave) => return ControlFlow::Break(()),
            Some(Effect::Alert { text, pause }) => self.alert(&text, pause),
            _ => {}
        }
        ControlFlow::Continue(())
    }

    /// Keeps what the program reports when it ends, and removes a run that has started from the queue.
    fn note(&mut self, event: &Event) {
        match event {
            Event::Finished(finished) => self.outcome.finished = Some(finished.clone()),
            Event::Started(_) => self.leave_queue(),
            _ => {}
        }
    }
}
