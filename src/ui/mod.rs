//! The terminal interface: a loop over keys, a run's events and a tick for frames. It knows no torch.
//!
//! [`app`] holds the state and changes it, the screens draw it and change nothing, and only this file waits.

pub mod app;
pub mod backend;
mod format;
mod home;
pub mod keymap;
mod monitor;
mod overlay;
mod runs;
mod shell;
mod terminal;
pub mod theme;
mod toast;
mod widgets;

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};
use crossterm::event::{Event as Input, EventStream, KeyEventKind};
use futures_util::StreamExt;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};

use crate::Usage;
use crate::outcome::Outcome;
use crate::preset::{Library, Preset};
use crate::protocol::{Command, Event};
use crate::runs::{RunFolder, read_events};
use crate::session::Session;
use crate::signals::{Signal, Signals};
use app::{App, Effect, Look, Msg};
use backend::{Backend, Launched};
use home::Home;
use keymap::Keymap;
use runs::Runs;
use terminal::Terminal;
use theme::{Depth, Theme};

/// Frames of data in a second, at most. Keys are drawn at once.
const FRAME: Duration = Duration::from_millis(33);

/// Events taken up between two looks at the keyboard.
const AT_ONCE: usize = 512;

/// How the screens are opened.
pub struct Options {
    /// Whether to do without box-drawing and braille characters.
    pub ascii: bool,
}

/// Opens the screens, at a run that was started or else at Home, and shows them until the user leaves or a signal comes:
/// that stops a run with a checkpoint.
///
/// # Errors
/// Those of the run that was given, and a terminal that cannot be had.
pub fn open(backend: Arc<dyn Backend>, launched: Option<Launched>, options: &Options) -> Result<Outcome> {
    let depth = Depth::of_environment();
    let name = "dark";
    let look = Look { theme: Theme::load(name, depth)?, name, depth, ascii: options.ascii };
    crossterm::style::force_color_output(depth != Depth::None);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let outcome = runtime.block_on(Workbench::new(backend, launched, look)?.run());
    // What is still being worked out aside is of no use any more.
    runtime.shutdown_background();
    outcome
}

struct Workbench {
    backend: Arc<dyn Backend>,
    library: Library,
    live: Option<Live>,
    /// Whether the program was started for one run, whose failure is its own.
    single: bool,
    app: App,
    outcome: Outcome,
    failure: Option<anyhow::Error>,
    /// Answers of work that was done aside.
    answers: (mpsc::UnboundedSender<Msg>, mpsc::UnboundedReceiver<Msg>),
    started: Instant,
}

/// A run under way.
struct Live {
    session: Session,
    folder: RunFolder,
}

/// Why the loop ended.
enum Ending {
    Left,
    Signalled(Signal),
}

impl Workbench {
    fn new(backend: Arc<dyn Backend>, launched: Option<Launched>, look: Look) -> Result<Workbench> {
        let (width, height) = crossterm::terminal::size().context("cannot ask the terminal for its size")?;
        let library = Library::of_environment();
        let home = Home::new(library.list());
        let mut app = App::new(look, Keymap::default(), home, Runs::default(), width, height);
        let single = launched.is_some();
        let live = launched.map(|Launched { session, folder }| Live { session, folder });
        if single {
            app.update(Msg::Launched);
        }
        Ok(Workbench {
            backend,
            library,
            live,
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
        let mut terminal = Terminal::take()?;
        let ending = self.watch(&mut terminal, &mut signals).await;
        drop(terminal);
        if let Ok(Ending::Signalled(signal)) = ending {
            self.outcome.signal = Some(signal);
        }
        if let Some(mut live) = self.live.take() {
            // A terminal that is gone takes the screen along, and not the run's results.
            if !matches!(ending, Ok(Ending::Left)) {
                live.session.send(Command::Stop { save: true });
            }
            while let Some(event) = live.session.next().await {
                self.note(&event);
            }
            self.join(live);
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
                        Some(effect) => self.perform(effect),
                        None => {}
                    }
                    terminal.draw(|frame| shell::draw(frame, &self.app))?;
                    stale = false;
                }
                Some(answer) = self.answers.1.recv() => {
                    stale = true;
                    if let Some(effect) = self.app.update(answer) {
                        self.perform(effect);
                    }
                }
                event = async { live.expect("guarded").session.next().await }, if live.is_some() => {
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
                _ = tick.tick(), if stale || self.app.waiting() => {
                    let waiting = self.app.toasts.waiting();
                    if let Some(effect) = self.app.update(Msg::Tick(self.started.elapsed())) {
                        self.perform(effect);
                    }
                    if stale || waiting != self.app.toasts.waiting() {
                        terminal.draw(|frame| shell::draw(frame, &self.app))?;
                        stale = false;
                    }
                }
            }
        }
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

    /// Does what the state asks for. What takes long is done aside, and its answer comes as a message.
    fn perform(&mut self, effect: Effect) {
        match effect {
            Effect::Send(command) => {
                if let Some(live) = &self.live {
                    live.session.send(command);
                }
            }
            Effect::Launch(preset) => self.launch(*preset),
            Effect::Outlook(preset) => {
                let backend = self.backend.clone();
                self.aside(move || {
                    // An answer has to come in any case: it is what the next question waits for.
                    let outlook = catch_unwind(AssertUnwindSafe(|| backend.outlook(&preset)));
                    let outlook = outlook.unwrap_or_else(|_| Err(anyhow!("this preset cannot be looked into")));
                    vec![Msg::Outlook(preset.toml, outlook.map_err(|error| format!("{error:#}")))]
                });
            }
            Effect::Replay(folder) => self.aside(move || match read_events(&folder.join("events.jsonl")) {
                Ok(events) => events.into_iter().map(Msg::Replayed).collect(),
                Err(error) => vec![Msg::Refused(format!("{}: {error}", folder.display()))],
            }),
            Effect::Save { name, toml, replace } => {
                let saved = self.library.save(&name, &toml, replace);
                self.app.update(match saved {
                    Ok(path) => Msg::Saved(name, path, self.library.list()),
                    Err(error) => Msg::Refused(format!("{error:#}")),
                });
            }
            Effect::Leave | Effect::Suspend => {}
        }
    }

    fn launch(&mut self, preset: Preset) {
        if self.app.at_work() || self.live.is_some() {
            self.app.update(Msg::Refused("a run is going already; stop it first".into()));
            return;
        }
        match self.backend.launch(preset) {
            Ok(Launched { session, folder }) => {
                self.live = Some(Live { session, folder });
                self.app.update(Msg::Launched);
            }
            Err(error) => {
                self.app.update(Msg::Refused(format!("{error:#}")));
            }
        }
    }

    fn aside(&self, work: impl FnOnce() -> Vec<Msg> + Send + 'static) {
        let answers = self.answers.0.clone();
        tokio::task::spawn_blocking(move || {
            for answer in work() {
                // Nobody waits for it any more.
                let _ = answers.send(answer);
            }
        });
    }

    /// Takes up an event and those that wait behind it. Whether to leave.
    fn take_up(&mut self, event: Event) -> bool {
        let mut next = Some(event);
        for _ in 0..AT_ONCE {
            let Some(event) = next else { return false };
            self.note(&event);
            if self.app.update(Msg::Event(event)) == Some(Effect::Leave) {
                return true;
            }
            next = self.live.as_mut().and_then(|live| live.session.try_next());
        }
        match next {
            Some(event) => {
                self.note(&event);
                self.app.update(Msg::Event(event)) == Some(Effect::Leave)
            }
            None => false,
        }
    }

    fn note(&mut self, event: &Event) {
        if let Event::Finished(finished) = event {
            self.outcome.finished = Some(finished.clone());
        }
    }

    /// Takes leave of a run that has told its last.
    fn join(&mut self, live: Live) {
        if let Err(error) = live.session.join() {
            // What could not begin for a mistake leaves nothing behind.
            if error.is::<Usage>() {
                let _ = std::fs::remove_dir_all(live.folder.path());
            }
            self.failure = Some(error);
        }
    }

    /// Stops the process as the shell expects of Ctrl-Z. Continued in the background it trains on, and takes the terminal
    /// again only when it is given to it.
    async fn suspend(&mut self, terminal: &mut Terminal) -> Result<()> {
        let mut continued = signal(SignalKind::from_raw(rustix::process::Signal::CONT.as_raw()))?;
        terminal.release();
        rustix::process::kill_current_process_group(rustix::process::Signal::TSTP).context("cannot suspend")?;
        // Without a shell that controls jobs the system ignores it, and no one will continue what never stopped.
        let _ = timeout(Duration::from_millis(500), continued.recv()).await;
        while !in_foreground() {
            tokio::select! {
                _ = continued.recv() => {}
                _ = sleep(Duration::from_secs(1)) => {}
            }
            while let Some(event) = self.live.as_mut().and_then(|live| live.session.try_next()) {
                self.note(&event);
                self.app.update(Msg::Event(event));
            }
        }
        terminal.retake()
    }
}

/// Whether the terminal's keys come to this process.
fn in_foreground() -> bool {
    rustix::termios::tcgetpgrp(io::stdin()).is_ok_and(|group| group == rustix::process::getpgrp())
}
