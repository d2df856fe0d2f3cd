//! The terminal interface: a loop over keys, the run's events and a tick for frames. It knows no torch.
//!
//! [`app`] holds the state and changes it, [`screens`] draw it and change nothing, and only this file waits.

pub mod app;
mod format;
pub mod keymap;
pub mod run;
pub mod screens;
mod terminal;
pub mod theme;
mod widgets;

use std::io;
use std::time::Duration;

use anyhow::{Context, Result};
use crossterm::event::{Event as Input, EventStream, KeyEventKind};
use futures_util::StreamExt;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};

use crate::outcome::Outcome;
use crate::protocol::{Command, Event};
use crate::session::Session;
use crate::signals::{Signal, Signals};
use app::{App, Effect, Look, Msg};
use terminal::Terminal;
use theme::{Depth, Theme};

/// Frames of data in a second, at most. Keys are drawn at once.
const FRAME: Duration = Duration::from_millis(33);

/// Events taken up between two looks at the keyboard.
const AT_ONCE: usize = 512;

/// Shows a run until the user leaves, or a signal comes: that stops the run with a checkpoint.
///
/// # Errors
/// Those of the run, and a terminal that cannot be had.
pub fn monitor(session: Session, ascii: bool) -> Result<Outcome> {
    let depth = Depth::of_environment();
    let name = "dark";
    let look = Look { theme: Theme::load(name, depth)?, name, depth, ascii };
    crossterm::style::force_color_output(depth != Depth::None);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(Monitor::new(session, look)?.run())
}

struct Monitor {
    session: Session,
    /// Whether the session has nothing more to tell.
    silent: bool,
    app: App,
    outcome: Outcome,
}

/// Why the loop ended.
enum Ending {
    Left,
    Signalled(Signal),
}

impl Monitor {
    fn new(session: Session, look: Look) -> Result<Monitor> {
        let (width, height) = crossterm::terminal::size().context("cannot ask the terminal for its size")?;
        Ok(Monitor { session, silent: false, app: App::new(look, width, height), outcome: Outcome::default() })
    }

    async fn run(mut self) -> Result<Outcome> {
        let mut signals = Signals::listen()?;
        let mut terminal = Terminal::take()?;
        let ending = self.watch(&mut terminal, &mut signals).await;
        drop(terminal);
        match ending {
            Ok(Ending::Left) => {}
            Ok(Ending::Signalled(signal)) => {
                self.outcome.signal = Some(signal);
                self.session.send(Command::Stop { save: true });
            }
            // A terminal that is gone takes the screen along, and not the run's results.
            Err(_) => self.session.send(Command::Stop { save: true }),
        }
        while let Some(event) = self.session.next().await {
            self.note(&event);
        }
        self.session.join()?;
        ending.map(|_| self.outcome)
    }

    async fn watch(&mut self, terminal: &mut Terminal, signals: &mut Signals) -> Result<Ending> {
        let mut keys = EventStream::new();
        let mut tick = interval(FRAME);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        // Whether there is something to draw.
        let mut stale = true;
        loop {
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
                        Some(Effect::Send(command)) => self.session.send(command),
                        None => {}
                    }
                    self.draw(terminal)?;
                    stale = false;
                }
                event = self.session.next(), if !self.silent => {
                    stale = true;
                    match event {
                        Some(event) => {
                            if self.take_up(event) {
                                return Ok(Ending::Left);
                            }
                        }
                        None => self.silent = true,
                    }
                }
                _ = tick.tick(), if stale => {
                    self.draw(terminal)?;
                    stale = false;
                }
            }
        }
    }

    fn input(&mut self, input: Input) -> Option<Effect> {
        match input {
            Input::Key(key) if key.kind != KeyEventKind::Release => self.app.update(Msg::Key(key)),
            Input::Resize(width, height) => self.app.update(Msg::Resize(width, height)),
            _ => None,
        }
    }

    /// Takes up an event and those that wait behind it. Whether to leave.
    fn take_up(&mut self, event: Event) -> bool {
        let mut next = Some(event);
        for _ in 0..AT_ONCE {
            let Some(event) = next else { break };
            self.note(&event);
            if self.app.update(Msg::Event(event)) == Some(Effect::Leave) {
                return true;
            }
            next = self.session.try_next();
        }
        if let Some(event) = next {
            self.note(&event);
            return self.app.update(Msg::Event(event)) == Some(Effect::Leave);
        }
        false
    }

    fn note(&mut self, event: &Event) {
        if let Event::Finished(finished) = event {
            self.outcome.finished = Some(finished.clone());
        }
    }

    fn draw(&mut self, terminal: &mut Terminal) -> Result<()> {
        let app = &self.app;
        terminal.draw(|frame| screens::monitor::draw(frame, app))
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
            while let Some(event) = self.session.try_next() {
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
