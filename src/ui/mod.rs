//! The terminal interface: an event loop over inputs, a run's events and a tick for frames. It knows no torch.
//!
//! [`app`] holds the state and changes it, `effects` performs what the state asks for, the screens draw the state and
//! hand inputs to it, and only `event_loop` and `leave` wait.

mod analysing;
pub mod analysis;
pub mod app;
pub mod backend;
mod charset;
pub mod chat;
mod chatting;
pub mod comparison;
mod effects;
mod event_loop;
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

use std::path::PathBuf;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use anyhow::{Context, Result};
use ratatui::Frame;
use tokio::sync::mpsc;

use crate::alerts::Alerts;
use crate::analysis::AnalysisLink;
use crate::chat::ChatLink;
use crate::config::OnHangup;
use crate::outcome::Outcome;
use crate::preset::Library;
use crate::queue::{Queue, Taken};
use crate::runs::Lister;
use crate::signals::Signals;
pub use analysis::AnalysisStart;
use app::App;
use backend::{Backend, Launched};
pub use charset::Charset;
pub use chat::ChatStart;
use comparison::CurveReader;
use export::Exporting;
pub use frames::MIN_SIZE;
use home::Home;
use launch::HandOff;
use message::Msg;
pub use options::Options;
use replay::{Pace, PaceControl};
use runs::Runs;
use terminal::{Extras, Terminal};
use terminal_status::TerminalStatus;
use theme::Depth;

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

/// Opens the workbench on an analysis, and shows it until the user leaves or a signal comes.
///
/// # Errors
/// A terminal that cannot be used.
pub fn open_analysis(backend: Arc<dyn Backend>, start: AnalysisStart, options: Options) -> Result<Outcome> {
    run(options, |options| {
        let mut workbench = Workbench::new(backend, None, options)?;
        workbench.open_analysis(start);
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
    /// The analysis that is being computed. Dropping it cancels it.
    analysis: Option<AnalysisLink>,
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
            analysis: None,
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
}
