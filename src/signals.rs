//! Signals that end a front end. The front end decides what happens to its run.

use std::fmt;

use anyhow::{Context, Result};
use tokio::signal::unix::{self, SignalKind};

/// A caught signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// The terminal was closed.
    Hangup,
    /// Ctrl-C.
    Interrupt,
    /// What `kill` sends.
    Terminate,
}

/// Catches signals, so that they do not kill the process.
pub struct Signals {
    hangup: unix::Signal,
    interrupt: unix::Signal,
    terminate: unix::Signal,
}

impl Signal {
    /// The exit status that a shell reports for a process killed by it.
    pub fn exit_code(self) -> i32 {
        128 + match self {
            Signal::Hangup => 1,
            Signal::Interrupt => 2,
            Signal::Terminate => 15,
        }
    }
}

impl fmt::Display for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Signal::Hangup => "hangup",
            Signal::Interrupt => "interrupt",
            Signal::Terminate => "terminate",
        })
    }
}

impl Signals {
    /// Starts to catch signals. Needs a tokio runtime.
    ///
    /// # Errors
    /// A handler cannot be installed.
    pub fn listen() -> Result<Signals> {
        let listen = |kind| unix::signal(kind).context("cannot listen for signals");
        Ok(Signals {
            hangup: listen(SignalKind::hangup())?,
            interrupt: listen(SignalKind::interrupt())?,
            terminate: listen(SignalKind::terminate())?,
        })
    }

    /// Waits for the next signal.
    pub async fn next(&mut self) -> Signal {
        tokio::select! {
            _ = self.hangup.recv() => Signal::Hangup,
            _ = self.interrupt.recv() => Signal::Interrupt,
            _ = self.terminate.recv() => Signal::Terminate,
        }
    }
}
