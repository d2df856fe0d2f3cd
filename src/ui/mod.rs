//! The terminal interface: a loop over keys, a run's events and a tick for frames. It knows no torch.
//!
//! [`app`] holds the state and changes it, the screens draw it and change nothing, and only this file waits.

pub mod app;
pub mod backend;
mod effects;
mod export;
pub(crate) mod format;
pub mod home;
pub mod keymap;
mod message;
pub mod monitor;
mod options;
mod overlay;
pub mod runs;
pub mod shell;
mod suspend;
mod terminal;
mod terminal_background;
mod terminal_status;
pub mod theme;
mod toast;
mod widgets;

use std::io::{self, IsTerminal};
use std::path::PathBuf;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use crossterm::event::{Event as Input, EventStream, KeyEventKind};
use futures_util::StreamExt;
use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval};

use crate::Usage;
use crate::outcome::Outcome;
use crate::preset::Library;
use crate::protocol::{Command, Event, Reason};
use crate::runs::Lister;
use crate::signals::{Signal, Signals};
use app::{App, Effect, Msg, Screen};
use backend::{Backend, Launched};
use export::Exporting;
use home::Home;
pub use options::Options;
pub use runs::Comparison;
use runs::Runs;
pub use shell::draw;
use terminal::{Extras, Terminal};
use terminal_status::TerminalStatus;
use theme::Depth;

/// Frames of data in a second, at most. Keys are drawn at once.
const FRAME: Duration = Duration::from_millis(33);

/// While a run goes, the screen rests between two frames of data this many times as long as the last one took: a frame
/// takes a core from the trainer's threads, and all of them wait for the one that lost it.
const REST: u32 = 400;
const LONGEST_REST: Duration = Duration::from_secs(1);

/// Events taken up between two looks at the keyboard.
const AT_ONCE: usize = 512;

/// Time between two looks at the folder of runs, while it is on the screen.
const LOOK: Duration = Duration::from_secs(3);

/// Opens the screens, at a run that was started or else at Home, and shows them until the user leaves or a signal comes:
/// that stops a run with a checkpoint.
///
/// # Errors
/// Those of the run that was given, and a terminal that cannot be had.
pub fn open(backend: Arc<dyn Backend>, launched: Option<Launched>, options: Options) -> Result<Outcome> {
    crossterm::style::force_color_output(options.depth != Depth::None);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let outcome = runtime.block_on(Workbench::new(backend, launched, options)?.run());
    // Whoever leaves does not wait for what is still read aside.
    runtime.shutdown_background();
    outcome
}

struct Workbench {
    backend: Arc<dyn Backend>,
    library: Library,
    /// The run under way.
    live: Option<Launched>,
    /// Whether the program was started for one run, whose failure is its own.
    single: bool,
    app: App,
    outcome: Outcome,
    failure: Option<anyhow::Error>,
    /// Answers of work that was done aside.
    answers: (mpsc::UnboundedSender<Msg>, mpsc::UnboundedReceiver<Msg>),
    started: Instant,
    lister: Arc<Mutex<Lister>>,
    /// Number of the latest replay; the reader of an earlier one gives up.
    replay: Arc<AtomicU64>,
    announcer: TerminalStatus,
    /// What is to be written besides the screen.
    word: String,
    mouse: bool,
    config: PathBuf,
    /// The export under way; whoever leaves calls it off.
    export: Option<Exporting>,
}

/// Why the loop ended.
enum Ending {
    Left,
    Signalled(Signal),
}

impl Workbench {
    fn new(backend: Arc<dyn Backend>, launched: Option<Launched>, options: Options) -> Result<Workbench> {
        let look = options.look()?;
        let (width, height) = crossterm::terminal::size().context("cannot ask the terminal for its size")?;
        let library = Library::from_env();
        let home = Home::new(library.list());
        let mut app = App::new(look, options.keymap, home, Runs::default(), width, height);
        app.themes = options.themes;
        let single = launched.is_some();
        if let Some(launched) = &launched {
            app.update(effects::begun(launched));
            app.update(Msg::Files(effects::files(&launched.folder)));
        }
        Ok(Workbench {
            lister: Arc::new(Mutex::new(Lister::new(backend.runs()))),
            replay: Arc::default(),
            announcer: TerminalStatus::new(options.notify, |name| std::env::var(name).ok()),
            word: String::new(),
            mouse: options.mouse,
            config: options.config,
            export: None,
            backend,
            library,
            live: launched,
            single,
            app,
            outcome: Outcome::default(),
            failure: None,
            answers: mpsc::unbounded_channel(),
            started: Instant::now(),
        })
    }

    async fn run(mut self) -> Result<Outcome> {
        let mut signals = Signals::listen()?;
        let extras = Extras { mouse: self.mouse, title: self.announcer.titled, progress: self.announcer.progress };
        let mut terminal = Terminal::take(extras)?;
        let ending = match self.watch(&mut terminal, &mut signals).await {
            // One that was closed is no terminal any more, and may say so before the signal comes.
            Err(_) if !io::stdin().is_terminal() => Ok(Ending::Signalled(Signal::Hangup)),
            ending => ending,
        };
        drop(terminal);
        if let Ok(Ending::Signalled(signal)) = ending {
            self.outcome.signal = Some(signal);
        }
        if let Some(mut live) = self.live.take() {
            // A terminal that is gone takes the screen along, and not the run's results.
            if !matches!(ending, Ok(Ending::Left)) && live.link.is_own() {
                live.link.send(Command::Stop { save: true });
            }
            while live.link.is_own() {
                tokio::select! {
                    event = live.link.next() => match event {
                        Some(event) => self.note(&event),
                        None => break,
                    },
                    // Whoever asks twice does not want to wait for a checkpoint. A terminal that is closed may say so
                    // more than once.
                    signal = signals.next(), if self.outcome.signal.is_some() => {
                        if signal != Signal::Hangup {
                            signal_hook::low_level::exit(signal.exit_code());
                        }
                    }
                }
            }
            self.take_leave(live)?;
        }
        ending?;
        match self.failure {
            Some(failure) if self.single => Err(failure),
            _ => Ok(self.outcome),
        }
    }

    async fn watch(&mut self, terminal: &mut Terminal, signals: &mut Signals) -> Result<Ending> {
        let mut keys = EventStream::new();
        let mut tick = interval(FRAME);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut look = interval(LOOK);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        // Whether there is something to draw.
        let mut stale = true;
        loop {
            let live = self.live.as_mut();
            tokio::select! {
                biased;
                signal = signals.next() => return Ok(Ending::Signalled(signal)),
                input = keys.next() => {
                    let Some(input) = input else { anyhow::bail!("the terminal is gone") };
                    let input = input.context("cannot read the terminal")?;
                    if matches!(input, Input::Resize(..)) {
                        terminal.forget()?;
                    }
                    match self.input(input) {
                        Some(Effect::Leave) => return Ok(Ending::Left),
                        Some(Effect::Suspend) => {
                            drop(keys);
                            self.suspend(terminal).await?;
                            keys = EventStream::new();
                        }
                        Some(Effect::Open(folder)) => {
                            drop(keys);
                            self.visit(terminal, &folder).await?;
                            keys = EventStream::new();
                        }
                        Some(Effect::Copy(text)) => {
                            terminal.copy(&text)?;
                            self.app.toasts.info(format!("copied {text}"));
                        }
                        Some(effect) => self.perform(effect),
                        None => {}
                    }
                    self.show(terminal)?;
                    stale = false;
                }
                Some(answer) = self.answers.1.recv() => {
                    stale = true;
                    match self.app.update(answer) {
                        Some(Effect::Leave) => return Ok(Ending::Left),
                        Some(effect) => self.perform(effect),
                        None => {}
                    }
                }
                event = async { live.expect("guarded").link.next().await }, if live.is_some() => {
                    stale = true;
                    match event {
                        Some(event) => {
                            if self.take_up(event) {
                                return Ok(Ending::Left);
                            }
                        }
                        None => {
                            if let Some(live) = self.live.take() {
                                self.join(live);
                            }
                        }
                    }
                }
                _ = look.tick(), if self.app.screen == Screen::Runs => self.perform(Effect::List),
                _ = tick.tick(), if stale || self.app.waiting() => {
                    let toasts = self.app.toasts.count();
                    if let Some(effect) = self.app.update(Msg::Tick(self.started.elapsed())) {
                        self.perform(effect);
                    }
                    if stale || toasts != self.app.toasts.count() {
                        let start = Instant::now();
                        self.show(terminal)?;
                        stale = false;
                        if self.app.at_work() {
                            tick.reset_after((REST * start.elapsed()).clamp(FRAME, LONGEST_REST));
                        }
                    }
                }
            }
        }
    }

    /// Draws the screen, and writes what else has changed.
    fn show(&mut self, terminal: &mut Terminal) -> Result<()> {
        terminal.draw(|frame| draw(frame, &self.app))?;
        let word = std::mem::take(&mut self.word) + &self.announcer.update(&self.app);
        if word.is_empty() { Ok(()) } else { terminal.write(&word) }
    }

    fn input(&mut self, input: Input) -> Option<Effect> {
        self.app.update(match input {
            Input::Key(key) if key.kind != KeyEventKind::Release => Msg::Key(key),
            Input::Resize(width, height) => Msg::Resize(width, height),
            Input::Mouse(mouse) => Msg::Mouse(mouse),
            Input::Paste(text) => Msg::Paste(text),
            _ => return None,
        })
    }

    /// Takes up an event and those that wait behind it. Whether to leave.
    fn take_up(&mut self, event: Event) -> bool {
        let mut next = Some(event);
        for _ in 0..AT_ONCE {
            let Some(event) = next else { return false };
            if self.told(event) {
                return true;
            }
            next = self.live.as_mut().and_then(|live| live.link.try_next());
        }
        match next {
            Some(event) => self.told(event),
            None => false,
        }
    }

    /// Takes up one event. Whether to leave.
    fn told(&mut self, event: Event) -> bool {
        self.note(&event);
        let word = event.is_last().then(|| event.clone());
        let leave = self.app.update(Msg::Event(event)) == Some(Effect::Leave);
        if let Some(last) = word {
            self.word += &self.announcer.ended(&last, &self.app);
        }
        leave
    }

    fn note(&mut self, event: &Event) {
        if let Event::Finished(finished) = event {
            self.outcome.finished = Some(finished.clone());
        }
    }

    /// Takes leave of a run that has told its last, or that goes on elsewhere.
    fn join(&mut self, live: Launched) {
        if let Err(error) = live.link.join() {
            // What could not begin for a mistake leaves nothing behind.
            if live.fresh && error.is::<Usage>() {
                let _ = std::fs::remove_dir_all(&live.folder);
            }
            self.failure = Some(error);
        }
    }

    /// The same when the screen is left. A run that is to stay behind was stopped, and is taken up by another process.
    fn take_leave(&mut self, live: Launched) -> Result<()> {
        let (folder, own) = (live.folder.clone(), live.link.is_own());
        self.join(live);
        let stopped = self.outcome.finished.as_ref().is_some_and(|finished| finished.reason == Reason::Stopped);
        if own && self.app.staying_behind && stopped && self.failure.is_none() {
            self.backend.detach(&folder).with_context(|| {
                let folder = folder.display();
                format!("the run is stopped, with a checkpoint: `finesift resume {folder}` takes it up; it could not go on by itself")
            })?;
            self.outcome.detached = Some(folder);
        } else if !own && self.app.at_work() {
            self.outcome.detached = Some(folder);
        }
        Ok(())
    }
}
