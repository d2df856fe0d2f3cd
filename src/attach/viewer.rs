//! The viewer's side: the events of a run elsewhere, as if they were told here.

use std::io::{self, BufRead, BufReader, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use rustix::net::{AddressFamily, SocketFlags, SocketType, connect, socket_with};
use tokio::sync::mpsc;

use super::{Line, address};
use crate::Usage;
use crate::protocol::{Command, Event};
use crate::runs::{EventRange, RunLock};

/// How long a run that lives is given to answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// Lines that may wait here before they wait in the socket.
const WAITING: usize = 256;

/// A run that goes elsewhere. Dropping it leaves the run as it is.
pub struct Viewer {
    socket: UnixStream,
    lines: mpsc::Receiver<Line>,
    events: PathBuf,
    /// Bytes of the file whose events were handed on.
    handed_on: u64,
    /// Events that are in the file and come next.
    next: Option<EventRange>,
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
        let socket = match open(folder) {
            Ok(socket) => socket,
            Err(error) => bail!(refusal(folder, &error)),
        };
        let answers = format!("{}: the run does not answer", folder.display());
        socket.set_read_timeout(Some(PATIENCE))?;
        socket.set_write_timeout(Some(PATIENCE))?;
        let mut read = BufReader::new(socket.try_clone()?);
        let mut hello = String::new();
        read.read_line(&mut hello).context(answers.clone())?;
        if !matches!(serde_json::from_str(&hello), Ok(Line::Hello { .. })) {
            bail!("{answers}");
        }
        socket.set_read_timeout(None)?;
        let (sender, lines) = mpsc::channel(WAITING);
        thread::Builder::new().name("viewer".into()).spawn(move || {
            for line in read.lines().map_while(Result::ok) {
                // A newer version may tell what this one does not know.
                let Ok(line) = serde_json::from_str(&line) else { continue };
                if sender.blocking_send(line).is_err() {
                    break;
                }
            }
        })?;
        let events = folder.join("events.jsonl");
        Ok(Viewer { socket, lines, events, handed_on: 0, next: None, gone: false, end: None })
    }

    /// Sends an order.
    pub fn send(&mut self, command: &Command) {
        if let Ok(mut line) = serde_json::to_vec(command) {
            line.push(b'\n');
            // A run that is gone is told of by its file.
            let _ = self.socket.write_all(&line);
        }
    }

    /// The next event; `None` after the last, or when the run's process has ended without one.
    pub async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some(event) = self.next_read() {
                return Some(event);
            }
            if self.gone {
                return None;
            }
            let line = self.lines.recv().await;
            if let Some(event) = self.take_up(line) {
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
            let line = match self.lines.try_recv() {
                Ok(line) => Some(line),
                Err(mpsc::error::TryRecvError::Disconnected) if !self.gone => None,
                Err(_) => return None,
            };
            if let Some(event) = self.take_up(line) {
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
        match self.next.as_mut()?.next() {
            Some(event) => Some(self.noted(event)),
            None => {
                self.next = None;
                None
            }
        }
    }

    /// An event that is told in the line itself.
    fn take_up(&mut self, line: Option<Line>) -> Option<Event> {
        match line {
            Some(Line::Hello { .. }) => None,
            Some(Line::Written(to)) => {
                self.read_to(to);
                None
            }
            Some(Line::Event(event)) => Some(self.noted(*event)),
            Some(Line::Refused(why)) => Some(Event::warning(why)),
            None => {
                self.gone = true;
                self.read_to(u64::MAX);
                None
            }
        }
    }

    fn read_to(&mut self, to: u64) {
        if to > self.handed_on {
            self.next = EventRange::open(&self.events, self.handed_on..to).ok();
            self.handed_on = to;
        }
    }

    fn noted(&mut self, event: Event) -> Event {
        match &event {
            Event::Finished(_) => self.end = Some(Ok(())),
            Event::Failed { error, .. } => self.end = Some(Err(error.clone())),
            // Its words of an earlier end are no end.
            Event::Resumed(_) | Event::Step(_) => self.end = None,
            _ => {}
        }
        event
    }
}

impl Drop for Viewer {
    fn drop(&mut self) {
        // What its reader waits for.
        let _ = self.socket.shutdown(Shutdown::Both);
    }
}

fn open(folder: &Path) -> io::Result<UnixStream> {
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
