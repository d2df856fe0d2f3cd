//! Taking the terminal and giving it back, whatever happens.

use std::io::{self, Stdout, Write, stdout};
use std::mem::ManuallyDrop;
use std::panic;
use std::sync::Once;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use anyhow::{Context, Result, bail};
use crossterm::clipboard::CopyToClipboard;
use crossterm::cursor::{MoveTo, Show};
use crossterm::event::{
    DisableBracketedPaste, DisableMouseCapture, EnableBracketedPaste, EnableMouseCapture, Event, EventStream,
};
use crossterm::terminal::{
    BeginSynchronizedUpdate, Clear, ClearType, EndSynchronizedUpdate, EnterAlternateScreen, LeaveAlternateScreen,
    disable_raw_mode, enable_raw_mode,
};
use crossterm::{execute, queue};
use futures_util::StreamExt;
use ratatui::backend::CrosstermBackend;
use ratatui::layout::{Position, Rect};
use ratatui::{Frame, Terminal as Ratatui};

use super::terminal_status::{KEEP_TITLE, NO_PROGRESS, RESTORE_TITLE};

/// Whether the terminal is ours now, for the panic hook.
static TAKEN: AtomicBool = AtomicBool::new(false);

/// Whether it was given a title, and progress for the taskbar, that have to be taken back.
static TITLED: AtomicBool = AtomicBool::new(false);
static PROGRESS: AtomicBool = AtomicBool::new(false);

/// The terminal while it is ours; dropping it gives it back.
pub struct Terminal {
    /// Never dropped: it would show the cursor, which [`give_back`] does, and panic where the terminal is gone.
    ratatui: ManuallyDrop<Ratatui<CrosstermBackend<Stdout>>>,
    /// `None` while the terminal is released: the stream would read what is typed to another program.
    inputs: Option<EventStream>,
    extras: Extras,
}

/// What is used of a terminal besides its screen.
#[derive(Clone, Copy)]
pub struct Extras {
    /// The mouse.
    pub mouse: bool,
    /// The window's title.
    pub title: bool,
    /// Progress in the taskbar.
    pub progress: bool,
}

impl Terminal {
    /// Takes it.
    pub fn take(extras: Extras) -> Result<Terminal> {
        hook();
        enter(extras).context("cannot take over the terminal")?;
        let ratatui = Ratatui::new(CrosstermBackend::new(stdout())).context("cannot draw on the terminal");
        let ratatui = ratatui.inspect_err(|_| give_back())?;
        Ok(Terminal { ratatui: ManuallyDrop::new(ratatui), inputs: Some(EventStream::new()), extras })
    }

    /// Waits for the next input.
    pub async fn next_input(&mut self) -> Result<Event> {
        let Some(inputs) = &mut self.inputs else { bail!("the terminal is released") };
        let Some(input) = inputs.next().await else { bail!("the terminal is gone") };
        input.context("cannot read the terminal")
    }

    /// Gives it back for a while.
    pub fn release(&mut self) {
        self.inputs = None;
        give_back();
    }

    /// Takes it again.
    pub fn retake(&mut self) -> Result<()> {
        enter(self.extras).context("cannot take over the terminal")?;
        self.inputs = Some(EventStream::new());
        self.forget()
    }

    /// Draws everything anew next time. A terminal that was made smaller and larger again between two frames has the size
    /// it had, but not what was on it.
    pub fn forget(&mut self) -> Result<()> {
        // `clear` would ask the terminal where its cursor is, and the answer would come among the keys.
        let size = self.ratatui.size().context("cannot ask the terminal for its size")?;
        self.ratatui.resize(Rect::from((Position::ORIGIN, size))).context("cannot draw on the terminal")
    }

    /// Writes a sequence that moves nothing on the screen.
    pub fn write(&mut self, sequence: &str) -> Result<()> {
        let mut out = stdout();
        out.write_all(sequence.as_bytes()).and_then(|()| out.flush()).context("cannot write to the terminal")
    }

    /// Puts a text on the clipboard of the terminal, also of one that is far away (OSC 52).
    pub fn copy(&mut self, text: &str) -> Result<()> {
        execute!(stdout(), CopyToClipboard::to_clipboard_from(text)).context("cannot write to the terminal")
    }

    /// Draws a frame. A terminal that knows how shows it all at once.
    pub fn draw(&mut self, render: impl FnOnce(&mut Frame)) -> Result<()> {
        let frame = || {
            queue!(stdout(), BeginSynchronizedUpdate)?;
            self.ratatui.draw(render)?;
            execute!(stdout(), EndSynchronizedUpdate)
        };
        frame().context("cannot draw on the terminal")
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        give_back();
    }
}

fn enter(extras: Extras) -> io::Result<()> {
    enable_raw_mode()?;
    TAKEN.store(true, Ordering::SeqCst);
    TITLED.store(extras.title, Ordering::SeqCst);
    PROGRESS.store(extras.progress, Ordering::SeqCst);
    if extras.title {
        stdout().write_all(KEEP_TITLE.as_bytes())?;
    }
    if extras.mouse {
        queue!(stdout(), EnableMouseCapture)?;
    }
    // GNU screen has no alternate one unless told to. What was there before would show wherever nothing is drawn, and what is
    // told at the end would be written over the last frame.
    execute!(stdout(), EnterAlternateScreen, Clear(ClearType::All), EnableBracketedPaste)
}

fn give_back() {
    if TAKEN.swap(false, Ordering::SeqCst) {
        // A terminal that is gone needs nothing.
        if TITLED.swap(false, Ordering::SeqCst) {
            let _ = stdout().write_all(RESTORE_TITLE.as_bytes());
        }
        if PROGRESS.swap(false, Ordering::SeqCst) {
            let _ = stdout().write_all(NO_PROGRESS.as_bytes());
        }
        let _ = execute!(stdout(), DisableMouseCapture, DisableBracketedPaste, Clear(ClearType::All), MoveTo(0, 0));
        let _ = execute!(stdout(), LeaveAlternateScreen, Show);
        let _ = disable_raw_mode();
    }
}

/// A panic of the screen's own thread gives the terminal back before it is told. One of another thread is told by the
/// session as an event: written on the screen it would only spoil it.
fn hook() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let (own, before) = (thread::current().id(), panic::take_hook());
        panic::set_hook(Box::new(move |info| {
            if thread::current().id() == own {
                give_back();
            } else if TAKEN.load(Ordering::SeqCst) {
                return;
            }
            before(info);
        }));
    });
}
