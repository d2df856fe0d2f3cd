//! What a viewer hears of a run, on a thread of its own: from one process, and from the next where it is left behind to that.

use std::io::{self, BufRead, BufReader, ErrorKind};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread;
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::process::{Pid, test_kill_process};
use tokio::sync::mpsc;

use super::Line;
use super::viewer::open;
use crate::runs::RunLock;

/// How long a run that lives is given to answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long a run that is left behind is given to be taken up by a process that has to be started first, and how often that is
/// looked for.
const HANDOVER: Duration = Duration::from_secs(60);
const LOOK: Duration = Duration::from_millis(20);

/// The way to the run's process, for orders.
#[derive(Clone)]
pub struct SharedSocket(Arc<Mutex<UnixStream>>);

impl SharedSocket {
    pub fn new(stream: UnixStream) -> SharedSocket {
        SharedSocket(Arc::new(Mutex::new(stream)))
    }

    pub fn lock(&self) -> MutexGuard<'_, UnixStream> {
        self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

/// What is heard.
pub enum SocketMessage {
    /// A line of the run.
    Line(Line),
    /// Another process has taken the run up: lines are its own from here on.
    TakenUp,
}

/// A process that has answered.
pub struct Connection {
    /// The way to it.
    pub stream: UnixStream,
    read: BufReader<UnixStream>,
    process: u32,
}

impl Connection {
    /// Waits for the first line.
    ///
    /// # Errors
    /// It does not come in time, or is none of a run.
    pub fn by(stream: UnixStream) -> io::Result<Connection> {
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        let mut read = BufReader::new(stream.try_clone()?);
        let mut hello = String::new();
        read.read_line(&mut hello)?;
        let Ok(Line::Hello { process, .. }) = serde_json::from_str(&hello) else {
            return Err(io::Error::new(ErrorKind::InvalidData, "it says something else than a run does"));
        };
        stream.set_read_timeout(None)?;
        Ok(Connection { stream, read, process })
    }
}

/// Passes on what is heard, until nobody takes the run up or nobody listens.
pub struct Follower {
    /// The run's folder.
    pub folder: PathBuf,
    /// Where orders go.
    pub socket: SharedSocket,
    /// Who listens.
    pub told: mpsc::Sender<SocketMessage>,
}

impl Follower {
    pub fn follow(self, first: Connection) {
        let mut process = first;
        loop {
            let mut left_behind = false;
            for line in process.read.lines().map_while(Result::ok) {
                // A newer version may tell what this one does not know.
                let Ok(line) = serde_json::from_str(&line) else { continue };
                left_behind = line == Line::LeftBehind;
                if self.told.blocking_send(SocketMessage::Line(line)).is_err() {
                    return;
                }
            }
            let Some(next) = self.next_process(left_behind.then_some(process.process)) else { return };
            if self.told.blocking_send(SocketMessage::TakenUp).is_err() {
                return;
            }
            process = next;
        }
    }

    /// The process that has taken the run up, once it answers. One that `leaves` the run behind sees to it that there will be
    /// one, for as long as it lives.
    fn next_process(&self, leaves: Option<u32>) -> Option<Connection> {
        let start = Instant::now();
        while start.elapsed() < HANDOVER && !self.told.is_closed() {
            // Before anything else: another may have come after it when it dies now.
            let alive = leaves.is_some_and(is_alive);
            if let Ok(greeted) = open(&self.folder).and_then(Connection::by) {
                *self.socket.lock() = greeted.stream.try_clone().ok()?;
                // Whoever left meanwhile has shut the earlier way.
                return if self.told.is_closed() { None } else { Some(greeted) };
            }
            if !alive && RunLock::holder(&self.folder).is_none() {
                return None;
            }
            thread::sleep(LOOK);
        }
        None
    }
}

fn is_alive(process: u32) -> bool {
    let pid = i32::try_from(process).ok().and_then(Pid::from_raw);
    // Of another user it may be alive all the same.
    pid.is_some_and(|pid| !matches!(test_kill_process(pid), Err(Errno::SRCH)))
}
