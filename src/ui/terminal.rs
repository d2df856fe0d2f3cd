//! Setting the terminal up and restoring it, whatever happens.

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
use ratatui::layout::{Position, Rect, Size};
use ratatui::{Frame, Terminal as Ratatui};

use super::graphics::{DELETE_ALL, Pictures, Placements, Protocol};
use super::terminal_status::{KEEP_TITLE, NO_PROGRESS, RESTORE_TITLE};

/// Whether the terminal is set up now, for the panic hook.
static TAKEN: AtomicBool = AtomicBool::new(false);

/// Whether a title, and progress in the taskbar, have to be restored.
static TITLED: AtomicBool = AtomicBool::new(false);
static PROGRESS: AtomicBool = AtomicBool::new(false);

/// Whether the terminal holds images that clearing the screen may not delete.
static IMAGES: AtomicBool = AtomicBool::new(false);

/// The terminal while it is set up. Dropping it restores it.
pub struct Terminal {
    /// Never dropped: that would show the cursor, which [`restore`] does, and panic if the terminal is gone.
    ratatui: ManuallyDrop<Ratatui<CrosstermBackend<Stdout>>>,
    /// `None` while the terminal is released: the stream would read what is typed to another program.
    inputs: Option<EventStream>,
    extras: Extras,
    placements: Placements,
}

/// Terminal features in use besides the screen.
#[derive(Clone, Copy)]
pub struct Extras {
    pub mouse: bool,
    /// The title of the window.
    pub title: bool,
    /// Progress in the taskbar.
    pub progress: bool,
}

impl Terminal {
    /// Sets the terminal up.
    pub fn take(extras: Extras) -> Result<Terminal> {
        hook();
        enter(extras).context("cannot set up the terminal")?;
        let ratatui = Ratatui::new(CrosstermBackend::new(stdout())).context("cannot draw on the terminal");
        let ratatui = ratatui.inspect_err(|_| restore())?;
        let (ratatui, placements) = (ManuallyDrop::new(ratatui), Placements::default());
        Ok(Terminal { ratatui, inputs: Some(EventStream::new()), extras, placements })
    }

    /// Waits for the next input.
    pub async fn next_input(&mut self) -> Result<Event> {
        let Some(inputs) = &mut self.inputs else { bail!("the terminal is released") };
        let Some(input) = inputs.next().await else { bail!("the terminal is gone") };
        input.context("cannot read the terminal")
    }

    /// Restores the terminal for a while.
    pub fn release(&mut self) {
        self.inputs = None;
        restore();
    }

    /// Sets the terminal up again.
    pub fn retake(&mut self) -> Result<()> {
        enter(self.extras).context("cannot set up the terminal")?;
        self.inputs = Some(EventStream::new());
        self.forget()
    }

    /// Columns and rows.
    pub fn size(&self) -> Result<Size> {
        self.ratatui.size().context("cannot read the size of the terminal")
    }

    /// Makes the next frame draw everything. A terminal that shrinks and grows back between two frames has its old size, but
    /// not its content.
    pub fn forget(&mut self) -> Result<()> {
        // `clear` would ask the terminal for the cursor's position, and the answer would arrive among the keys.
        let size = self.size()?;
        self.placements.forget();
        delete_images();
        self.ratatui.resize(Rect::from((Position::ORIGIN, size))).context("cannot draw on the terminal")
    }

    /// Writes a sequence that does not change the screen.
    pub fn write(&mut self, sequence: &str) -> Result<()> {
        let mut out = stdout();
        out.write_all(sequence.as_bytes()).and_then(|()| out.flush()).context("cannot write to the terminal")
    }

    /// Copies a text to the clipboard of the terminal, also over ssh (OSC 52).
    pub fn copy(&mut self, text: &str) -> Result<()> {
        execute!(stdout(), CopyToClipboard::to_clipboard_from(text)).context("cannot write to the terminal")
    }

    /// Draws a frame and its pictures, in one piece if the terminal supports synchronized updates.
    pub fn draw(&mut self, render: impl FnOnce(&mut Frame), pictures: Option<&Pictures>) -> Result<()> {
        let frame = || {
            queue!(stdout(), BeginSynchronizedUpdate)?;
            let mut images = Ok(Vec::new());
            self.ratatui.draw(|frame| {
                render(frame);
                if let Some(pictures) = pictures {
                    images = self.placements.arrange(pictures, frame.buffer_mut());
                }
            })?;
            let images = images?;
            if !images.is_empty() {
                IMAGES.store(pictures.is_some_and(|pictures| pictures.protocol == Protocol::Kitty), Ordering::SeqCst);
                stdout().write_all(&images)?;
            }
            execute!(stdout(), EndSynchronizedUpdate)
        };
        frame().context("cannot draw on the terminal")
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        restore();
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
    // GNU screen has no alternate screen by default. Without clearing, old content would show wherever nothing is drawn, and
    // what is printed at the end would overwrite the last frame.
    execute!(stdout(), EnterAlternateScreen, Clear(ClearType::All), EnableBracketedPaste)
}

fn restore() {
    if TAKEN.swap(false, Ordering::SeqCst) {
        // Errors are ignored: the terminal may be gone.
        if TITLED.swap(false, Ordering::SeqCst) {
            let _ = stdout().write_all(RESTORE_TITLE.as_bytes());
        }
        if PROGRESS.swap(false, Ordering::SeqCst) {
            let _ = stdout().write_all(NO_PROGRESS.as_bytes());
        }
        delete_images();
        let _ = execute!(stdout(), DisableMouseCapture, DisableBracketedPaste, Clear(ClearType::All), MoveTo(0, 0));
        let _ = execute!(stdout(), LeaveAlternateScreen, Show);
        let _ = disable_raw_mode();
    }
}

/// Deletes the images of a terminal that keeps them when its screen is cleared.
fn delete_images() {
    if IMAGES.swap(false, Ordering::SeqCst) {
        // Errors are ignored: the terminal may be gone.
        let _ = stdout().write_all(DELETE_ALL.as_bytes());
    }
}

/// Installs a panic hook that restores the terminal before a panic of this thread is printed. A panic of another thread is
/// not printed, as it would spoil the screen: the session reports it as an event.
fn hook() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let (own, before) = (thread::current().id(), panic::take_hook());
        panic::set_hook(Box::new(move |info| {
            if thread::current().id() == own {
                restore();
            } else if TAKEN.load(Ordering::SeqCst) {
                return;
            }
            before(info);
        }));
    });
}
