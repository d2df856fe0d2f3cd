//! The viewer's side of attaching: the events of a run in another process, as if it trained here.

use std::fmt;
use std::io::{self, Write};
use std::net::Shutdown;
use std::path::{Path, PathBuf};
use std::thread;

use anyhow::{Context, Result, anyhow, bail};
use tokio::sync::mpsc;
use tracing::info;

use super::connection::{Connection, SharedSocket, open};
use super::follower::{Follower, SocketMessage};
use super::line::SocketLine;
use crate::Usage;
use crate::protocol::{Command, Event, Reason};
use crate::runs::{EventRange, RunLock};

/// Messages that may wait here before they wait in the socket.
const WAITING: usize = 256;

/// A run in another process. Dropping it leaves the run as it is.
pub struct Viewer {
    socket: SharedSocket,
    messages: mpsc::Receiver<SocketMessage>,
    events: PathBuf,
    /// Bytes of the file whose events were delivered.
    delivered: u64,
    /// Where the current process began to write to the file.
    opened: u64,
    /// Position and line of the last event from the file.
    last: Option<(u64, String)>,
    /// Whether the file was already cut and continued by the next process, before its socket said so.
    ahead: bool,
    /// The next events from the file.
    next: Option<EventRange>,
    /// The event that the run was stopped. It is dropped if another process resumes the run.
    stopped: Option<Event>,
    /// An event after `stopped`.
    after: Option<Event>,
    /// Whether all events from before it has attached were delivered.
    caught_up: bool,
    /// Whether the socket is closed for good, so that the file is complete.
    gone: bool,
    end: Option<Result<(), RunFailed>>,
}

impl Viewer {
    /// Attaches to the run of a folder. All earlier events come first.
    ///
    /// # Errors
    /// [`Usage`]: the run is not active, or runs on another machine. The process does not answer.
    pub fn attach(folder: &Path) -> Result<Viewer> {
        let stream = match open(folder) {
            Ok(stream) => stream,
            Err(error) => bail!(refusal(folder, &error)),
        };
        let first =
            Connection::greet(stream).with_context(|| format!("{}: the run does not answer", folder.display()))?;
        let socket = SharedSocket::new(first.stream.try_clone()?);
        let (sender, messages) = mpsc::channel(WAITING);
        let follower = Follower { folder: folder.to_owned(), socket: socket.clone(), messages: sender };
        info!(folder = %folder.display(), process = first.process, "attached");
        thread::Builder::new().name("viewer".into()).spawn(move || follower.follow(first))?;
        let events = folder.join("events.jsonl");
        Ok(Viewer {
            socket,
            messages,
            events,
            delivered: 0,
            opened: u64::MAX,
            last: None,
            ahead: false,
            next: None,
            stopped: None,
            after: None,
            caught_up: false,
            gone: false,
            end: None,
        })
    }

    /// Whether all events from before it has attached were delivered.
    pub fn caught_up(&self) -> bool {
        self.caught_up
    }

    /// Sends a command.
    pub fn send(&mut self, command: &Command) {
        if let Ok(mut line) = serde_json::to_vec(command) {
            line.push(b'\n');
            // If the process is gone, the file tells.
            let _ = self.socket.lock().write_all(&line);
        }
    }

    /// The next event; `None` after the last one, or when the process has ended without one. Cancel-safe.
    pub async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some(event) = self.next_read() {
                return Some(event);
            }
            if self.gone {
                return self.stopped.take();
            }
            let message = self.messages.recv().await;
            if let Some(event) = self.on_message(message) {
                return Some(event);
            }
        }
    }

    /// The next event, if there is one already.
    pub fn try_next(&mut self) -> Option<Event> {
        loop {
            if let Some(event) = self.next_read() {
                return Some(event);
            }
            if self.gone {
                return self.stopped.take();
            }
            let message = match self.messages.try_recv() {
                Ok(message) => Some(message),
                Err(mpsc::error::TryRecvError::Disconnected) => None,
                Err(mpsc::error::TryRecvError::Empty) => return None,
            };
            if let Some(event) = self.on_message(message) {
                return Some(event);
            }
        }
    }

    /// Detaches.
    ///
    /// # Errors
    /// The run failed, or its process ended without a last event.
    pub fn leave(self) -> Result<()> {
        match (&self.end, self.gone) {
            (Some(Err(failed)), _) => Err(failed.clone().into()),
            (None, true) => {
                let folder = self.events.parent().unwrap_or(Path::new("."));
                Err(anyhow!(
                    "the process of the run has ended unexpectedly; `finesift resume {}` continues from its latest checkpoint",
                    folder.display()
                ))
            }
            _ => Ok(()),
        }
    }

    fn next_read(&mut self) -> Option<Event> {
        if let Some(event) = self.after.take() {
            return Some(event);
        }
        loop {
            let range = self.next.as_mut()?;
            let event = range.next();
            let (position, line) = range.latest();
            // The current process resumes the run at `opened`, if at all. A resume after that is written by the next process:
            // it is delivered once its socket is read, and so is a line that does not end where it was announced.
            self.ahead = matches!(event, Some(Event::Resumed(_))) && position > self.opened;
            if let Some(at) = if self.ahead { Some(position) } else { range.cut_short() } {
                (self.delivered, self.last, self.next) = (at, None, None);
                return None;
            }
            let Some(event) = event else {
                self.caught_up = true;
                self.last = (!line.is_empty()).then(|| (position, line.to_owned())).or(self.last.take());
                self.next = None;
                return None;
            };
            if let Some(event) = self.deliver(event) {
                return Some(event);
            }
        }
    }

    /// Handles a message. Returns an event that it contains.
    fn on_message(&mut self, message: Option<SocketMessage>) -> Option<Event> {
        match message {
            Some(SocketMessage::Line(SocketLine::Hello { .. } | SocketLine::Detached)) => {}
            Some(SocketMessage::Line(SocketLine::Opened(at))) => {
                if self.delivered > at {
                    (self.delivered, self.last) = (at, None);
                }
                (self.opened, self.ahead) = (at, false);
            }
            Some(SocketMessage::Line(SocketLine::Written(to))) => self.catch_up(to),
            Some(SocketMessage::Line(SocketLine::Event(event))) => return self.deliver(*event),
            Some(SocketMessage::Line(SocketLine::Refused(why))) => return Some(Event::warning(why)),
            // The run was stopped only to be resumed.
            Some(SocketMessage::NextProcess) => (self.stopped, self.end) = (None, None),
            None => {
                (self.gone, self.ahead, self.opened) = (true, false, u64::MAX);
                self.catch_up(u64::MAX);
            }
        }
        None
    }

    /// Delivers the events of the file up to a byte.
    fn catch_up(&mut self, to: u64) {
        if self.ahead || to <= self.delivered {
            return;
        }
        let from = self.last.as_ref().map_or(self.delivered, |(position, _)| *position);
        let Ok(mut range) = EventRange::open(&self.events, from..to) else { return };
        // The last event is still there, unless the next process has cut the file before it.
        if let Some((position, line)) = &self.last {
            range.next();
            if range.latest() != (*position, line.as_str()) {
                self.ahead = true;
                return;
            }
        }
        (self.next, self.delivered) = (Some(range), to);
    }

    /// Delivers an event. That the run was stopped is held back until it is clear that no other process resumes it.
    fn deliver(&mut self, event: Event) -> Option<Event> {
        match &event {
            Event::Finished(_) => self.end = Some(Ok(())),
            Event::Failed { error, .. } => self.end = Some(Err(RunFailed(error.clone()))),
            // An earlier end no longer counts.
            Event::Resumed(_) | Event::Step(_) => self.end = None,
            _ => {}
        }
        match self.stopped.take() {
            Some(stopped) => {
                self.after = Some(event);
                Some(stopped)
            }
            None if matches!(&event, Event::Finished(finished) if finished.reason == Reason::Stopped) => {
                self.stopped = Some(event);
                None
            }
            None => Some(event),
        }
    }
}

impl Drop for Viewer {
    fn drop(&mut self) {
        // Wakes the follower, which notices that the viewer is gone.
        self.messages.close();
        let _ = self.socket.lock().shutdown(Shutdown::Both);
    }
}

/// The error of a run that failed in another process.
#[derive(Clone, Debug)]
struct RunFailed(String);

impl fmt::Display for RunFailed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for RunFailed {}

/// Why it is impossible to attach to a run.
fn refusal(folder: &Path, error: &io::Error) -> anyhow::Error {
    let folder_name = folder.display();
    let here = rustix::system::uname().nodename().to_string_lossy().into_owned();
    match RunLock::holder(folder) {
        None => Usage(format!(
            "{folder_name}: this run is not active. Continue it with `finesift resume {folder_name}`, or open it in the \
             screen Runs"
        ))
        .into(),
        Some(holder) if holder.host != here => {
            Usage(format!("{folder_name}: this run is active on {}; attach to it there", holder.host)).into()
        }
        Some(holder) => anyhow!("{folder_name}: cannot attach to process {}: {error}", holder.pid),
    }
}
