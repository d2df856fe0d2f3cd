//! Signals that end a front end. The front end decides what happens to its run.

use std::fmt;
use std::mem::MaybeUninit;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock};

use anyhow::{Context, Result};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use tokio::signal::unix::{self, SignalKind};

/// Whether hang-ups were ignored when the program started, as under `nohup`. Read before a handler replaces that.
static HANGUP_IGNORED: LazyLock<bool> = LazyLock::new(|| {
    let mut action = MaybeUninit::<libc::sigaction>::uninit();
    // SAFETY: without a new action the call only writes the current one, to memory of its type; it is read if that succeeded.
    unsafe {
        libc::sigaction(SIGHUP, std::ptr::null(), action.as_mut_ptr()) == 0
            && action.assume_init().sa_sigaction == libc::SIG_IGN
    }
});

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

/// Catches signals, so that they do not kill the process. A hang-up that was ignored from the start stays ignored.
pub struct Signals {
    hangup: Option<unix::Signal>,
    interrupt: unix::Signal,
    terminate: unix::Signal,
}

/// Notes signals from its creation on, for code that looks between two runs.
pub struct NotedSignal(Arc<AtomicUsize>);

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
            hangup: if *HANGUP_IGNORED { None } else { Some(listen(SignalKind::hangup())?) },
            interrupt: listen(SignalKind::interrupt())?,
            terminate: listen(SignalKind::terminate())?,
        })
    }

    /// Waits for the next signal.
    pub async fn next(&mut self) -> Signal {
        tokio::select! {
            _ = async { self.hangup.as_mut().expect("guarded").recv().await }, if self.hangup.is_some() => Signal::Hangup,
            _ = self.interrupt.recv() => Signal::Interrupt,
            _ = self.terminate.recv() => Signal::Terminate,
        }
    }
}

impl NotedSignal {
    const ALL: [(i32, Signal); 3] =
        [(SIGHUP, Signal::Hangup), (SIGINT, Signal::Interrupt), (SIGTERM, Signal::Terminate)];

    /// Starts to catch signals, until the process ends.
    ///
    /// # Errors
    /// A handler cannot be installed.
    pub fn listen() -> Result<NotedSignal> {
        let noted = Arc::<AtomicUsize>::default();
        for (number, _) in NotedSignal::ALL.into_iter().filter(|(number, _)| *number != SIGHUP || !*HANGUP_IGNORED) {
            signal_hook::flag::register_usize(number, noted.clone(), number as usize)
                .context("cannot listen for signals")?;
        }
        Ok(NotedSignal(noted))
    }

    /// The latest signal.
    pub fn get(&self) -> Option<Signal> {
        let number = self.0.load(Ordering::Relaxed);
        NotedSignal::ALL.iter().find(|(known, _)| *known as usize == number).map(|(_, signal)| *signal)
    }
}
