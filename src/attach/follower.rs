//! The thread of a viewer that reads the socket: of one process, and of the next one when the run is detached.

use std::io::BufRead;
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::process::{Pid, test_kill_process};
use tokio::sync::mpsc;
use tracing::{debug, info, warn};

use super::connection::{Connection, SharedSocket, open};
use super::line::SocketLine;
use crate::runs::RunLock;

/// How long another process may take to start and resume a detached run, and how often that is checked.
const HANDOVER: Duration = Duration::from_secs(60);
const LOOK: Duration = Duration::from_millis(20);

/// What the socket says.
pub(super) enum SocketMessage {
    Line(SocketLine),
    /// Another process has resumed the run; further lines are its own.
    NextProcess,
}

/// Passes on what the socket says, until no process resumes the run or the viewer is gone.
pub(super) struct Follower {
    /// Folder of the run.
    pub folder: PathBuf,
    /// Replaced when the viewer follows the run to another process.
    pub socket: SharedSocket,
    pub messages: mpsc::Sender<SocketMessage>,
}

impl Follower {
    pub(super) fn follow(self, first: Connection) {
        let mut process = first;
        loop {
            let mut detached = false;
            for line in process.read.lines().map_while(Result::ok) {
                // A newer version may write lines that this one does not know.
                let Ok(line) = serde_json::from_str(&line) else { continue };
                detached = line == SocketLine::Detached;
                if self.messages.blocking_send(SocketMessage::Line(line)).is_err() {
                    return;
                }
            }
            info!(process = process.process, detached, "socket closed");
            let Some(next) = self.next_process(detached.then_some(process.process)) else { return };
            info!(process = next.process, "following the run to another process");
            if self.messages.blocking_send(SocketMessage::NextProcess).is_err() {
                return;
            }
            process = next;
        }
    }

    /// The next process of the run, once it answers. A process that detaches the run starts the next one before it ends.
    fn next_process(&self, detaching: Option<u32>) -> Option<Connection> {
        let start = Instant::now();
        while start.elapsed() < HANDOVER && !self.messages.is_closed() {
            // Checked first: another process may have come by the time this one has ended.
            let alive = detaching.is_some_and(is_alive);
            match open(&self.folder).and_then(Connection::greet) {
                Ok(next) => {
                    *self.socket.lock() = next.stream.try_clone().ok()?;
                    // A viewer that is gone has shut down the earlier socket.
                    return if self.messages.is_closed() { None } else { Some(next) };
                }
                Err(error) => debug!(%error, alive, "no process answers yet"),
            }
            if !alive && RunLock::holder(&self.folder).is_none() {
                info!("no process resumes the run");
                return None;
            }
            thread::sleep(LOOK);
        }
        warn!(seconds = start.elapsed().as_secs_f64(), "gave up waiting for another process");
        None
    }
}

fn is_alive(process: u32) -> bool {
    let pid = i32::try_from(process).ok().and_then(Pid::from_raw);
    // A process of another user counts as alive.
    pid.is_some_and(|pid| !matches!(test_kill_process(pid), Err(Errno::SRCH)))
}
