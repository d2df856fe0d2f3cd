//! The terminal interface: an event loop over inputs, a run's events and a tick for frames. It knows no torch.
//!
//! [`app`] holds the state and changes it, `effects` performs what the state asks for, the screens draw the state and
//! hand inputs to it, and only this file and `leave` wait.

pub mod app;
pub mod backend;
mod charset;
mod effects;
mod export;
mod footer;
pub(crate) mod format;
mod frames;
pub mod home;
pub mod input;
mod intent;
pub mod keymap;
mod leave;
pub mod message;
pub mod monitor;
mod monitors;
mod options;
mod overlay;
mod place;
pub mod runs;
pub mod saving;
pub mod screen;
mod shell;
mod suspend;
mod terminal;
mod terminal_background;
mod terminal_status;
pub mod theme;
mod toast;
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

use crate::outcome::Outcome;
use crate::preset::Library;
use crate::protocol::Event;
use crate::runs::Lister;
use crate::signals::{Signal, Signals};
use app::App;
use backend::{Backend, Launched};
pub use charset::Charset;
use export::Exporting;
pub use frames::MIN_SIZE;
use home::Home;
use input::UserInput;
use message::{Effect, Msg};
pub use options::Options;
pub use runs::Comparison;
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
/// A signal stops the run with a checkpoint.
///
/// # Errors
/// The failure of the run that was given, or a terminal that cannot be used.
pub fn open(backend: Arc<dyn Backend>, launched: Option<Launched>, options: Options) -> Result<Outcome> {
    crossterm::style::force_color_output(options.depth != Depth::None);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let outcome = runtime.block_on(Workbench::new(backend, launched, options)?.run());
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
    /// Whether the program was started for one run, whose failure is its own.
    single: bool,
    /// Whether the run continues in a process of its own when this one ends.
    detaching: bool,
    /// The running export. Dropping it cancels it.
    export: Option<Exporting>,
    outcome: Outcome,
    failure: Option<anyhow::Error>,
    /// The messages that effects send from other threads.
    answers: (mpsc::UnboundedSender<Msg>, mpsc::UnboundedReceiver<Msg>),
    lister: Arc<Mutex<Lister>>,
    /// Number of the latest replay. The reader of an earlier one stops.
    replay: Arc<AtomicU64>,
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
        let look = options.look()?;
        let (width, height) = crossterm::terminal::size().context("cannot read the size of the terminal")?;
        let library = Library::from_env();
        let mut app = App::new(look, options.keymap, Home::new(library.list()), Runs::default(), width, height);
        app.themes = options.themes;
        let mut workbench = Workbench {
            app,
            lister: Arc::new(Mutex::new(Lister::new(backend.runs()))),
            backend,
            library,
            single: launched.is_some(),
            live: None,
            detaching: false,
            export: None,
            outcome: Outcome::default(),
            failure: None,
            answers: mpsc::unbounded_channel(),
            replay: Arc::default(),
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
            let live = self.live.as_mut();
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
                    let toasts = self.app.toasts.count();
                    let flow = self.update(terminal, Msg::Tick(self.started.elapsed())).await?;
                    if stale || toasts != self.app.toasts.count() {
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
                            if let Some(live) = self.live.take() {
                                self.join(live);
                            }
                            ControlFlow::Continue(())
                        }
                    }
                }
                _ = list.tick(), if self.app.screen == Screen::Runs => {
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
        terminal.draw(|frame| draw(frame, &self.app))?;
        let run = self.app.monitors.live.as_ref().map(|live| &live.run);
        let status = std::mem::take(&mut self.notification) + &self.status.update(run);
        if status.is_empty() { Ok(()) } else { terminal.write(&status) }
    }

    async fn on_input(&mut self, terminal: &mut Terminal, input: TerminalEvent) -> Result<ControlFlow<()>> {
        if let TerminalEvent::Resize(width, height) = input {
            terminal.forget()?;
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

    /// Applies an event of the live run. All that an event can lead to is that the workbench is left.
    fn on_event(&mut self, event: Event) -> ControlFlow<()> {
        self.note(&event);
        if matches!(event, Event::Resumed(_))
            && let Some(live) = &self.live
        {
            // The run may continue with another preset.
            self.app.update(Msg::Files(effects::files(&live.folder)));
        }
        let last = event.is_last().then(|| event.clone());
        let effect = self.app.update(Msg::Event(event));
        if let Some(last) = last {
            self.notification += &self.status.ended(&last, self.app.monitors.live.as_ref().map(|live| &live.run));
        }
        if effect == Some(Effect::Leave) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }

    /// Keeps what the program reports when it ends.
    fn note(&mut self, event: &Event) {
        if let Event::Finished(finished) = event {
            self.outcome.finished = Some(finished.clone());
        }
    }
}
