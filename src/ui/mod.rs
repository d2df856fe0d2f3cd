//! The terminal interface: a loop over keys, a run's events and a tick for frames. It knows no torch.
//!
//! [`app`] holds the state and changes it, the screens draw it and change nothing, and only this file waits.

mod announce;
pub mod app;
pub mod backend;
mod background;
mod format;
pub mod home;
pub mod keymap;
pub mod monitor;
mod overlay;
pub mod runs;
pub mod shell;
mod terminal;
pub mod theme;
mod toast;
mod widgets;

use std::io::{self, IsTerminal};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context, Result, anyhow};
use crossterm::event::{Event as Input, EventStream, KeyEventKind};
use futures_util::StreamExt;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};

use crate::Usage;
use crate::config::{Config, Notify};
use crate::outcome::Outcome;
use crate::preset::Library;
use crate::protocol::{Command, Event};
use crate::runs::{EventRange, Lister, RunFolder, throw_away, write_tags};
use crate::session::Session;
use crate::signals::{Signal, Signals};
use announce::Announcer;
use app::{App, Effect, Look, Msg, Screen};
use backend::{Backend, Launched};
use home::Home;
use keymap::Keymap;
use monitor::Files;
pub use runs::Comparison;
use runs::Runs;
pub use shell::draw;
use terminal::{Extras, Terminal};
use theme::{Depth, Themes};

/// Frames of data in a second, at most. Keys are drawn at once.
const FRAME: Duration = Duration::from_millis(33);

/// Events taken up between two looks at the keyboard.
const AT_ONCE: usize = 512;

/// The name that stands for dark or light, as the terminal is.
const AUTO: &str = "auto";

/// Time between two looks at the folder of runs, while it is on the screen.
const LOOK: Duration = Duration::from_secs(3);

const FILE_MANAGER: &str = if cfg!(target_os = "macos") { "open" } else { "xdg-open" };

/// How the screens are opened.
pub struct Options {
    ascii: bool,
    mouse: bool,
    notify: Notify,
    theme: String,
    themes: Themes,
    depth: Depth,
    keymap: Keymap,
    /// The file that keeps a theme.
    config: PathBuf,
}

impl Options {
    /// As the user's settings say; `ascii` insists on characters that every terminal has.
    ///
    /// # Errors
    /// [`Usage`]: a theme or keys that cannot be, with their place.
    pub fn of(config: &Config, ascii: bool) -> Result<Options> {
        let folder = config.path.parent().unwrap_or(Path::new(""));
        let (themes, depth) = (Themes::of_folder(&folder.join("themes")), Depth::of_environment());
        if config.theme != AUTO {
            themes.load(&config.theme, depth)?;
        }
        Ok(Options {
            ascii: ascii || config.ascii,
            mouse: config.mouse,
            notify: config.notify,
            theme: config.theme.clone(),
            themes,
            depth,
            keymap: Keymap::with(&config.keys)?,
            config: config.path.clone(),
        })
    }

    /// The theme to begin with. The terminal is asked if it has to be.
    fn look(&self) -> Result<Look> {
        let name = match self.theme.as_str() {
            AUTO if background::is_light() == Some(true) => "light",
            AUTO => "dark",
            name => name,
        };
        let theme = self.themes.load(name, self.depth)?;
        Ok(Look { theme, name: name.to_owned(), depth: self.depth, ascii: self.ascii })
    }
}

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
    live: Option<Live>,
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
    announcer: Announcer,
    /// What is to be written besides the screen.
    word: String,
    mouse: bool,
    config: PathBuf,
}

/// A run under way.
struct Live {
    session: Session,
    folder: RunFolder,
    fresh: bool,
}

impl From<Launched> for Live {
    fn from(Launched { session, folder, fresh }: Launched) -> Live {
        Live { session, folder, fresh }
    }
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
        let library = Library::of_environment();
        let home = Home::new(library.list());
        let mut app = App::new(look, options.keymap, home, Runs::default(), width, height);
        app.themes = options.themes;
        let single = launched.is_some();
        let live = launched.map(Live::from);
        if let Some(live) = &live {
            app.update(Msg::Launched);
            app.update(Msg::Files(files(live.folder.path())));
        }
        Ok(Workbench {
            lister: Arc::new(Mutex::new(Lister::new(backend.runs()))),
            replay: Arc::default(),
            announcer: Announcer::new(options.notify, |name| std::env::var(name).ok()),
            word: String::new(),
            mouse: options.mouse,
            config: options.config,
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
            if !matches!(ending, Ok(Ending::Left)) {
                live.session.send(Command::Stop { save: true });
            }
            loop {
                tokio::select! {
                    event = live.session.next() => match event {
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
                _ = look.tick(), if self.app.screen == Screen::Runs => self.perform(Effect::List),
                _ = tick.tick(), if stale || self.app.waiting() => {
                    let waiting = self.app.toasts.waiting();
                    if let Some(effect) = self.app.update(Msg::Tick(self.started.elapsed())) {
                        self.perform(effect);
                    }
                    if stale || waiting != self.app.toasts.waiting() {
                        self.show(terminal)?;
                        stale = false;
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

    /// Does what the state asks for. What takes long is done aside, and its answer comes as a message.
    fn perform(&mut self, effect: Effect) {
        match effect {
            Effect::Send(command) => {
                if let Some(live) = &self.live {
                    live.session.send(command);
                }
            }
            Effect::Launch(preset) => self.begin(|backend| backend.launch(*preset)),
            Effect::Outlook(preset) => {
                let backend = self.backend.clone();
                self.aside(move || {
                    // An answer has to come in any case: it is what the next question waits for.
                    let outlook = catch_unwind(AssertUnwindSafe(|| backend.outlook(&preset)));
                    let outlook = outlook.unwrap_or_else(|_| Err(anyhow!("this preset cannot be looked into")));
                    vec![Msg::Outlook(preset.toml, outlook.map_err(|error| format!("{error:#}")))]
                });
            }
            Effect::Replay(folder, number) => {
                self.replay.store(number, Ordering::Relaxed);
                let (latest, answers) = (self.replay.clone(), self.answers.0.clone());
                self.aside(move || {
                    let tell = |events| {
                        let _ = answers.send(Msg::Replayed(number, events));
                        latest.load(Ordering::Relaxed) == number
                    };
                    let _ = answers.send(Msg::Files(files(&folder)));
                    refusal(&folder, read_in_parts(&folder, tell)).into_iter().collect()
                });
            }
            Effect::Write(files) => self.aside(move || {
                let names = files.iter().filter_map(|(path, _)| path.file_name());
                let names: Vec<_> = names.map(|name| name.to_string_lossy()).collect();
                let folder = files.first().and_then(|(path, _)| path.parent()).unwrap_or(Path::new("."));
                vec![done(write(&files).map(|()| format!("wrote {} into {}", names.join(" and "), folder.display())))]
            }),
            Effect::Overlay(folders) => {
                for folder in folders {
                    self.aside(move || {
                        let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
                        let mut run = Box::new(monitor::Run::default());
                        let take = |events: Vec<Event>| {
                            events.into_iter().for_each(|event| run.apply(event));
                            true
                        };
                        match read_in_parts(&folder, take) {
                            Ok(()) => vec![Msg::Overlaid(name, run)],
                            Err(error) => refusal(&folder, Err(error)).into_iter().collect(),
                        }
                    });
                }
            }
            Effect::List => {
                let lister = self.lister.clone();
                self.aside(move || {
                    // One look at a time is enough.
                    let Ok(mut lister) = lister.try_lock() else { return Vec::new() };
                    let now = SystemTime::now();
                    match lister.refresh(now) {
                        Ok(listed) => vec![Msg::Listed(listed, now)],
                        Err(error) => vec![Msg::Refused(format!("cannot look for runs: {error}"))],
                    }
                });
            }
            Effect::Compare(runs) => self.aside(move || {
                vec![match Comparison::of(&runs) {
                    _ if runs.len() < 2 => Msg::Refused("mark two runs or more to compare them".into()),
                    Ok(comparison) => Msg::Compared(comparison),
                    Err(error) => Msg::Refused(format!("{error:#}")),
                }]
            }),
            Effect::Rename(run, name) => self.aside(move || {
                vec![done(crate::runs::rename(&run, &name).map(|path| format!("it is {} now", path.display())))]
            }),
            Effect::Tag(runs, tags) => self.aside(move || {
                let outcome = runs.iter().try_for_each(|run| write_tags(run, &tags));
                vec![done(outcome.map(|()| "tagged".to_owned()))]
            }),
            Effect::ThrowAway(runs) => self.aside(move || {
                runs.iter().map(|run| done(throw_away(run).map(|to| format!("moved to {}", to.display())))).collect()
            }),
            Effect::Resume(run) => self.begin(|backend| backend.resume(&run)),
            Effect::KeepTheme(name) => {
                let config = self.config.clone();
                self.aside(move || {
                    let kept = Config::keep_theme(&config, &name);
                    vec![done(kept.map(|()| format!("theme {name}, kept in {}", config.display())))]
                });
            }
            Effect::Save { name, toml, replace } => {
                let saved = self.library.save(&name, &toml, replace);
                self.app.update(match saved {
                    Ok(path) => Msg::Saved(name, path, self.library.list()),
                    Err(error) => Msg::Refused(format!("{error:#}")),
                });
            }
            Effect::Open(_) | Effect::Copy(_) | Effect::Leave | Effect::Suspend => {}
        }
    }

    fn begin(&mut self, start: impl FnOnce(&dyn Backend) -> Result<Launched>) {
        if self.app.at_work() || self.live.is_some() {
            self.app.update(Msg::Refused("a run is going already; stop it first".into()));
            return;
        }
        match start(&*self.backend) {
            Ok(launched) => {
                self.app.update(Msg::Launched);
                self.app.update(Msg::Files(files(launched.folder.path())));
                self.live = Some(launched.into());
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
            if self.told(event) {
                return true;
            }
            next = self.live.as_mut().and_then(|live| live.session.try_next());
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

    /// Takes leave of a run that has told its last.
    fn join(&mut self, live: Live) {
        if let Err(error) = live.session.join() {
            // What could not begin for a mistake leaves nothing behind.
            if live.fresh && error.is::<Usage>() {
                let _ = std::fs::remove_dir_all(live.folder.path());
            }
            self.failure = Some(error);
        }
    }

    /// Lets the user into a folder: with a shell, and beside the screen with a file manager where there is a desktop.
    async fn visit(&mut self, terminal: &mut Terminal, folder: &Path) -> Result<()> {
        let desktop = ["DISPLAY", "WAYLAND_DISPLAY"].iter().any(|name| std::env::var_os(name).is_some());
        if desktop && std::env::var_os("SSH_CONNECTION").is_none() {
            let mut manager = tokio::process::Command::new(FILE_MANAGER);
            let quiet = || std::process::Stdio::null();
            match manager.arg(folder).stdin(quiet()).stdout(quiet()).stderr(quiet()).spawn() {
                Ok(_) => self.app.toasts.info(format!("opened {}", folder.display())),
                Err(error) => {
                    self.app.toasts.error(format!("{FILE_MANAGER}: {error}; the folder is {}", folder.display()))
                }
            }
            return Ok(());
        }
        terminal.release();
        println!("\n{}\n`exit` brings finesift back", folder.display());
        let shell = std::env::var_os("SHELL").unwrap_or_else(|| "/bin/sh".into());
        let child = tokio::process::Command::new(&shell).current_dir(folder).spawn();
        match child {
            Ok(mut child) => loop {
                // A run goes on meanwhile.
                let live = self.live.as_mut();
                tokio::select! {
                    _ = child.wait() => break,
                    Some(event) = async { live.expect("guarded").session.next().await }, if live.is_some() => {
                        self.told(event);
                    }
                }
            },
            Err(error) => {
                self.app.toasts.error(format!("{}: {error}; the folder is {}", shell.display(), folder.display()))
            }
        }
        terminal.retake()
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
                self.told(event);
            }
        }
        terminal.retake()
    }
}

/// Reads the events of a run's folder in parts, for as long as they are wanted.
fn read_in_parts(folder: &Path, mut tell: impl FnMut(Vec<Event>) -> bool) -> Result<()> {
    let path = folder.join("events.jsonl");
    let mut events =
        EventRange::open(&path, 0..u64::MAX).with_context(|| format!("{}: cannot read", path.display()))?;
    loop {
        let part: Vec<Event> = events.by_ref().take(AT_ONCE).collect();
        if part.is_empty() || !tell(part) {
            return Ok(());
        }
    }
}

fn refusal(folder: &Path, outcome: Result<()>) -> Option<Msg> {
    outcome.err().map(|error| Msg::Refused(format!("{}: {error:#}", folder.display())))
}

fn done(outcome: Result<String>) -> Msg {
    match outcome {
        Ok(what) => Msg::Done(what),
        Err(error) => Msg::Refused(format!("{error:#}")),
    }
}

/// A run's files; without a preset that can be read, none is shown.
fn files(folder: &Path) -> Files {
    Files { folder: folder.to_owned(), preset: std::fs::read_to_string(folder.join("preset.toml")).unwrap_or_default() }
}

/// Writes each text to its file.
fn write(files: &[(PathBuf, String)]) -> Result<()> {
    for (path, text) in files {
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).with_context(|| format!("{}: cannot make it", folder.display()))?;
        }
        std::fs::write(path, text).with_context(|| format!("{}: cannot write", path.display()))?;
    }
    Ok(())
}

/// Whether the terminal's keys come to this process.
fn in_foreground() -> bool {
    rustix::termios::tcgetpgrp(io::stdin()).is_ok_and(|group| group == rustix::process::getpgrp())
}
