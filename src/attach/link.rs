//! A run as its front end sees it, whichever process trains it.

use anyhow::Result;

use super::viewer::Viewer;
use crate::protocol::{Command, Event};
use crate::session::Session;

/// A run with its trainer in this process or in another one.
pub enum Link {
    /// Dropping it stops the trainer.
    Own(Box<Session>),
    /// Dropping it leaves the run as it is.
    Attached(Box<Viewer>),
}

impl Link {
    /// Whether the run ends with this process.
    pub fn is_own(&self) -> bool {
        matches!(self, Link::Own(_))
    }

    /// Sends a command. After the end of the run it has no effect.
    pub fn send(&mut self, command: Command) {
        match self {
            Link::Own(session) => session.send(command),
            Link::Attached(viewer) => viewer.send(&command),
        }
    }

    /// Announces that another process resumes the run once it has stopped here. Attached viewers follow it there.
    pub fn detach(&self) {
        if let Link::Own(session) = self {
            session.detach();
        }
    }

    /// The next event, in order and without gaps; `None` after the last. Cancel-safe.
    pub async fn next(&mut self) -> Option<Event> {
        match self {
            Link::Own(session) => session.next().await,
            Link::Attached(viewer) => viewer.next().await,
        }
    }

    /// The next event, if there is one already.
    pub fn try_next(&mut self) -> Option<Event> {
        match self {
            Link::Own(session) => session.try_next(),
            Link::Attached(viewer) => viewer.try_next(),
        }
    }

    /// Whether the latest event is an old one, read from the run's file: from before a resume, before the viewer has
    /// attached, or while the front end was too slow.
    pub fn is_behind(&self) -> bool {
        match self {
            Link::Own(session) => session.is_behind(),
            Link::Attached(viewer) => !viewer.caught_up(),
        }
    }

    /// Waits for the trainer of this process to end; detaches from another process.
    ///
    /// # Errors
    /// Those of the run. An attached process that ended without a last event.
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
