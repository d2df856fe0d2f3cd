//! The viewer's side: the events of a run elsewhere, as if they were told here.

use std::io::{self, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::thread;

use anyhow::{Context, Result, anyhow, bail};
use rustix::net::{AddressFamily, SocketFlags, SocketType, connect, socket_with};
use tokio::sync::mpsc;

use super::follower::{Connection, Follower, SharedSocket, SocketMessage};
use super::{Line, address};
use crate::Usage;
use crate::protocol::{Command, Event, Reason};
use crate::runs::{EventRange, RunLock};

/// Lines that may wait here before they wait in the socket.
const WAITING: usize = 256;

/// A run that goes elsewhere. Dropping it leaves the run as it is.
pub struct Viewer {
    /// The way to its process, which may be another one after a while.
    socket: SharedSocket,
    lines: mpsc::Receiver<SocketMessage>,
    events: PathBuf,
    /// Bytes of the file whose events were handed on.
    handed_on: u64,
    /// From where on the run's process writes to the file.
    opened: u64,
    /// Place and line of the event that came last of the file.
    last: Option<(u64, String)>,
    /// Whether the file is seen to be another process's already that has gone back in it, before that is heard.
    ahead: bool,
    /// Events that are in the file and come next.
    next: Option<EventRange>,
    /// That the run was stopped, which is no end where another process takes it up.
    stopped: Option<Event>,
    /// What came after it all the same.
    after: Option<Event>,
    /// Whether nothing more is told, so that the file has all there is.
    gone: bool,
    end: Option<Result<(), String>>,
}

impl Viewer {
    /// Attaches to the run of a folder; all that it ever told comes first.
    ///
    /// # Errors
    /// [`Usage`]: it does not go, or goes on another machine. One that does not answer.
    pub fn attach(folder: &Path) -> Result<Viewer> {
        let stream = match open(folder) {
            Ok(stream) => stream,
            Err(error) => bail!(refusal(folder, &error)),
        };
        let greeted =
            Connection::by(stream).with_context(|| format!("{}: the run does not answer", folder.display()))?;
        let socket = SharedSocket::new(greeted.stream.try_clone()?);
        let (sender, lines) = mpsc::channel(WAITING);
        let follower = Follower { folder: folder.to_owned(), socket: socket.clone(), told: sender };
        thread::Builder::new().name("viewer".into()).spawn(move || follower.follow(greeted))?;
        let events = folder.join("events.jsonl");
        Ok(Viewer {
            socket,
            lines,
            events,
            handed_on: 0,
            opened: u64::MAX,
            last: None,
            ahead: false,
            next: None,
            stopped: None,
            after: None,
            gone: false,
            end: None,
        })
    }

    /// Sends an order.
    pub fn send(&mut self, command: &Command) {
        if let Ok(mut line) = serde_json::to_vec(command) {
            line.push(b'\n');
            // A run that is gone is told of by its file.
            let _ = self.socket.lock().write_all(&line);
        }
    }

    /// The next event; `None` after the last, or when the run's process has ended without one.
    pub async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some(event) = self.next_read() {
                return Some(event);
            }
            if self.gone {
                return self.stopped.take();
            }
            let heard = self.lines.recv().await;
            if let Some(event) = self.take_up(heard) {
                return Some(event);
            }
        }
    }

    /// The next event if there is one already.
    pub fn try_next(&mut self) -> Option<Event> {
        loop {
            if let Some(event) = self.next_read() {
                return Some(event);
            }
            if self.gone {
                return self.stopped.take();
            }
            let heard = match self.lines.try_recv() {
                Ok(heard) => Some(heard),
                Err(mpsc::error::TryRecvError::Disconnected) => None,
                Err(mpsc::error::TryRecvError::Empty) => return None,
            };
            if let Some(event) = self.take_up(heard) {
                return Some(event);
            }
        }
    }

    /// Takes leave.
    ///
    /// # Errors
    /// What the run failed of, if it did; that it ended without a word.
    pub fn leave(self) -> Result<()> {
        match (&self.end, self.gone) {
            (Some(Err(error)), _) => Err(anyhow!("{error}")),
            (None, true) => {
                let folder = self.events.parent().unwrap_or(Path::new("."));
                Err(anyhow!(
                    "the run's process has ended without a word; `finesift resume {}` goes on from its latest checkpoint",
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
            let (place, line) = range.latest();
            // The process that is heard took the run up where it opened the file, if at all. Another one has gone back to this
            // place, and what it tells here comes when it is heard; so does a line that ends elsewhere than was told.
            self.ahead = matches!(event, Some(Event::Resumed(_))) && place > self.opened;
            if let Some(at) = if self.ahead { Some(place) } else { range.cut_short() } {
                (self.handed_on, self.last, self.next) = (at, None, None);
                return None;
            }
            let Some(event) = event else {
                self.last = (!line.is_empty()).then(|| (place, line.to_owned())).or(self.last.take());
                self.next = None;
                return None;
            };
            if let Some(event) = self.noted(event) {
                return Some(event);
            }
        }
    }

    /// An event that is told in the line itself.
    fn take_up(&mut self, heard: Option<SocketMessage>) -> Option<Event> {
        match heard {
            Some(SocketMessage::Line(Line::Hello { .. } | Line::LeftBehind)) => {}
            Some(SocketMessage::Line(Line::Opened(at))) => {
                if self.handed_on > at {
                    (self.handed_on, self.last) = (at, None);
                }
                (self.opened, self.ahead) = (at, false);
            }
            Some(SocketMessage::Line(Line::Written(to))) => self.read_to(to),
            Some(SocketMessage::Line(Line::Event(event))) => return self.noted(*event),
            Some(SocketMessage::Line(Line::Refused(why))) => return Some(Event::warning(why)),
            // That it was stopped is no longer the last word.
            Some(SocketMessage::TakenUp) => (self.stopped, self.end) = (None, None),
            None => {
                (self.gone, self.ahead, self.opened) = (true, false, u64::MAX);
                self.read_to(u64::MAX);
            }
        }
        None
    }

    /// Has the events up to a byte come next.
    fn read_to(&mut self, to: u64) {
        if self.ahead || to <= self.handed_on {
            return;
        }
        let from = self.last.as_ref().map_or(self.handed_on, |(place, _)| *place);
        let Ok(mut range) = EventRange::open(&self.events, from..to) else { return };
        // What was told last is still there, unless another process has gone back behind it.
        if let Some((place, line)) = &self.last {
            range.next();
            if range.latest() != (*place, line.as_str()) {
                self.ahead = true;
                return;
            }
        }
        (self.next, self.handed_on) = (Some(range), to);
    }

    /// Takes note of an event. It comes now, unless it waits for what comes of the run.
    fn noted(&mut self, event: Event) -> Option<Event> {
        match &event {
            Event::Finished(_) => self.end = Some(Ok(())),
            Event::Failed { error, .. } => self.end = Some(Err(error.clone())),
            // Its words of an earlier end are no end.
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
        // Whoever follows has nobody to tell any more, and wakes up to notice.
        self.lines.close();
        let _ = self.socket.lock().shutdown(Shutdown::Both);
    }
}

/// Connects to the run of a folder.
pub(super) fn open(folder: &Path) -> io::Result<UnixStream> {
    let (address, _, _descriptor) = address(folder)?;
    let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
    connect(&socket, &address)?;
    Ok(UnixStream::from(socket))
}

/// Why nobody can attach to a run, in words.
fn refusal(folder: &Path, error: &io::Error) -> anyhow::Error {
    let folder_name = folder.display();
    let here = rustix::system::uname().nodename().to_string_lossy().into_owned();
    match RunLock::holder(folder) {
        None => Usage(format!(
            "{folder_name}: this run does not go; `finesift resume {folder_name}` takes it up again where it can be, and the screen \
             Runs shows it"
        ))
        .into(),
        Some(holder) if holder.host != here => {
            Usage(format!("{folder_name}: this run goes on {}; attach to it there", holder.host)).into()
        }
        Some(holder) => anyhow!("{folder_name}: cannot attach to process {}: {error}", holder.pid),
    }
}
