//! A run that goes elsewhere, watched and ordered about from here: over a socket in its folder, by who may write there.
//!
//! Both sides write lines of JSON. Who attaches writes orders, each a [`Command`] as it is written in
//! [`protocol`](crate::protocol): `"pause"`, `{"sample":{"prompt":"…"}}`, `{"stop":{"save":true}}`. What it is told are
//! [`Line`]s. Events are not sent but read from the run's file, up to the byte that was told last, so that a viewer which
//! stands still costs the run nothing and misses nothing. A run that is left behind goes on in another process, and viewers follow
//! it there.

mod follower;
mod listener;
mod viewer;

use std::io;
use std::path::{Path, PathBuf};

use anyhow::Result;
use rustix::fs::{CWD, Mode, OFlags, openat};
use rustix::net::SocketAddrUnix;
use serde::{Deserialize, Serialize};

use crate::protocol::{Command, Event};
use crate::session::Session;
pub use listener::{Listener, listen};
pub use viewer::Viewer;

/// The socket's name within a run's folder.
const SOCKET: &str = "socket";

/// The longest line that is read from who attaches: a prompt to sample, and more than enough for one.
const LONGEST: usize = 64 << 10;

/// What a run tells who is attached to it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Line {
    /// The first line.
    Hello {
        /// Version of finesift.
        version: String,
        /// Name of the run.
        run: String,
        /// Process id of its trainer.
        process: u32,
    },
    /// The run's process writes to `events.jsonl` from this byte on: what came after it before is there no more.
    Opened(u64),
    /// The run's `events.jsonl` has whole lines up to this byte.
    Written(u64),
    /// An event that is not in the file: there is none yet, or the disk is full.
    Event(Box<Event>),
    /// An order was not passed on, and why.
    Refused(String),
    /// The last line, where the run was stopped only to be taken up by another process at once.
    LeftBehind,
}

/// A run as its front end sees it: with its trainer in this process, or elsewhere.
pub enum Link {
    /// Leaving it stops the trainer.
    Own(Box<Session>),
    /// Leaving it changes nothing.
    Attached(Box<Viewer>),
}

impl Link {
    /// Whether the run ends with this process.
    pub fn is_own(&self) -> bool {
        matches!(self, Link::Own(_))
    }

    /// Sends an order; one that comes after the trainer's end is of no consequence.
    pub fn send(&mut self, command: Command) {
        match self {
            Link::Own(session) => session.send(command),
            Link::Attached(viewer) => viewer.send(&command),
        }
    }

    /// Says that the run, when it has been stopped here, is taken up by another process: who is attached follows it there.
    pub fn detach(&self) {
        if let Link::Own(session) = self {
            session.detach();
        }
    }

    /// The next event, in order and without a gap; `None` after the last. Dropping the future loses nothing.
    pub async fn next(&mut self) -> Option<Event> {
        match self {
            Link::Own(session) => session.next().await,
            Link::Attached(viewer) => viewer.next().await,
        }
    }

    /// The next event if there is one already.
    pub fn try_next(&mut self) -> Option<Event> {
        match self {
            Link::Own(session) => session.try_next(),
            Link::Attached(viewer) => viewer.try_next(),
        }
    }

    /// Waits for a trainer of its own to end; takes leave of another.
    ///
    /// # Errors
    /// Those of the run; a run elsewhere that ended without a word.
    pub fn join(self) -> Result<()> {
        match self {
            Link::Own(session) => session.join(),
            Link::Attached(viewer) => viewer.leave(),
        }
    }
}

impl From<Viewer> for Link {
    fn from(viewer: Viewer) -> Link {
        Link::Attached(Box::new(viewer))
    }
}

impl From<Session> for Link {
    fn from(session: Session) -> Link {
        Link::Own(Box::new(session))
    }
}

/// The address of a run's socket. A path that is too long for one leads over the folder's descriptor, which has to stay
/// open until the address was used.
fn address(folder: &Path) -> io::Result<(SocketAddrUnix, PathBuf, Option<rustix::fd::OwnedFd>)> {
    use std::os::fd::AsRawFd;
    let path = folder.join(SOCKET);
    if let Ok(address) = SocketAddrUnix::new(&path) {
        return Ok((address, path, None));
    }
    let descriptor = openat(CWD, folder, OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
    let short = Path::new("/proc/self/fd").join(descriptor.as_raw_fd().to_string()).join(SOCKET);
    Ok((SocketAddrUnix::new(&short)?, path, Some(descriptor)))
}
