//! The run's side of attaching: a thread that accepts viewers on the socket. It never blocks the trainer.

use std::fmt;
use std::fs::{Permissions, set_permissions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener as StdListener;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, listen as listen_on, socket_with};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{UnixListener, UnixStream};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tracing::{debug, info, warn};

use super::connection::SocketAddress;
use super::line::SocketLine;
use crate::protocol::Command;
use crate::session::{Tap, TapEvent};

/// Viewers at a time.
const MOST: usize = 16;

/// The longest line that is read from a viewer: more than enough for a prompt.
const LONGEST: usize = 64 << 10;

/// How long the last lines to viewers may take after the end of the run. The events are in the file anyway.
const FAREWELL: Duration = Duration::from_secs(1);

/// The open socket of a run. Dropping it removes the socket; viewers stay attached until the trainer ends.
#[derive(Debug)]
pub struct Listener {
    path: PathBuf,
}

/// Opens the socket in a run's folder for the current user only. This process holds the lock of the run.
///
/// # Errors
/// A file system without sockets; no thread could be started.
pub fn listen(folder: &Path, run: &str, tap: Tap) -> io::Result<Listener> {
    let (listener, path) = open(folder)?;
    let hello =
        SocketLine::Hello { version: env!("CARGO_PKG_VERSION").into(), run: run.into(), process: std::process::id() };
    info!(run, socket = %path.display(), "listening for viewers");
    thread::Builder::new().name("listener".into()).spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        // Without a runtime or a socket the run continues, and nobody can attach.
        if let Err(error) = runtime.and_then(|runtime| runtime.block_on(accept(listener, hello, tap))) {
            warn!(%error, "no longer listening for viewers");
        }
    })?;
    Ok(Listener { path })
}

impl Drop for Listener {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

fn open(folder: &Path) -> io::Result<(StdListener, PathBuf)> {
    let SocketAddress { address, path, .. } = &SocketAddress::of(folder)?;
    // Left by a killed process: the lock guarantees that no other one listens.
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
    // Where the mode of the socket itself counts, others can never connect; elsewhere nobody can before it listens.
    let _ = rustix::fs::fchmod(&socket, rustix::fs::Mode::from_raw_mode(0o600));
    bind(&socket, address)?;
    set_permissions(path, Permissions::from_mode(0o600))?;
    listen_on(&socket, MOST as i32)?;
    let listener = StdListener::from(socket);
    listener.set_nonblocking(true)?;
    Ok((listener, path.clone()))
}

/// Accepts viewers until the trainer has ended.
async fn accept(listener: StdListener, hello: SocketLine, mut tap: Tap) -> io::Result<()> {
    let listener = UnixListener::from_std(listener)?;
    let mut attached = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) if attached.len() < MOST && is_same_user(&stream) => {
                    debug!(viewers = attached.len() + 1, "viewer attached");
                    attached.spawn(serve(stream, hello.clone(), tap.another()));
                }
                Ok(_) => debug!("viewer refused: too many, or another user"),
                // At worst there are too many open files, which passes.
                Err(_) => tokio::time::sleep(FAREWELL).await,
            },
            Some(_) = attached.join_next() => debug!(viewers = attached.len(), "viewer gone"),
            event = tap.next() => if event.is_none() { break },
        }
    }
    let _ = timeout(FAREWELL, attached.join_all()).await;
    Ok(())
}

/// A second check for file systems that ignore the mode of the socket.
fn is_same_user(stream: &UnixStream) -> bool {
    let own = rustix::process::geteuid().as_raw();
    stream.peer_cred().is_ok_and(|peer| peer.uid() == own || peer.uid() == 0)
}

/// Serves a viewer: announces events, and passes on its commands.
async fn serve(stream: UnixStream, hello: SocketLine, mut tap: Tap) -> io::Result<()> {
    let (read, mut write) = stream.into_split();
    let mut commands = Lines { read: BufReader::new(read), line: Vec::new() };
    let mut listening = true;
    // Read before `opened`: what is written is in an opened file.
    let written = tap.written();
    let mut opened = tap.opened_at();
    let mut lines = vec![hello];
    lines.extend(opened.map(SocketLine::Opened));
    lines.extend(written.map(SocketLine::Written));
    loop {
        for line in lines.drain(..) {
            send(&mut write, &line).await?;
        }
        tokio::select! {
            command = commands.next(), if listening => match command {
                Ok(Some(command)) => {
                    let refused = pass_on(&command, &tap).err();
                    lines.extend(refused.map(|refusal| SocketLine::Refused(refusal.to_string())));
                }
                // A viewer that sends no more commands may still read.
                Ok(None) => listening = false,
                Err(error) => {
                    lines.push(SocketLine::Refused(error.to_string()));
                    listening = false;
                }
            },
            event = tap.next() => match event {
                Some(TapEvent::Written(bytes)) => {
                    if opened.is_none() {
                        opened = tap.opened_at();
                        lines.extend(opened.map(SocketLine::Opened));
                    }
                    lines.push(SocketLine::Written(bytes));
                }
                Some(TapEvent::Unwritten(event)) => lines.push(SocketLine::Event(Box::new((*event).clone()))),
                None if tap.is_detached() => return send(&mut write, &SocketLine::Detached).await,
                None => return Ok(()),
            },
        }
    }
}

async fn send(write: &mut OwnedWriteHalf, line: &SocketLine) -> io::Result<()> {
    let mut bytes = serde_json::to_vec(line)?;
    bytes.push(b'\n');
    write.write_all(&bytes).await
}

/// Why a command of a viewer was not accepted.
#[derive(Debug)]
enum Refusal {
    NotACommand(serde_json::Error),
    NoRoom,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refusal::NotACommand(error) => write!(f, "not a command: {error}"),
            Refusal::NoRoom => f.write_str("too many commands are waiting, or the run has ended"),
        }
    }
}

fn pass_on(line: &[u8], tap: &Tap) -> Result<(), Refusal> {
    let command: Command = serde_json::from_slice(line).map_err(Refusal::NotACommand)?;
    debug!(?command, "command from a viewer");
    if tap.send(command) { Ok(()) } else { Err(Refusal::NoRoom) }
}

/// Lines of bounded length. Cancel-safe.
struct Lines {
    read: BufReader<OwnedReadHalf>,
    line: Vec<u8>,
}

impl Lines {
    async fn next(&mut self) -> io::Result<Option<Vec<u8>>> {
        loop {
            let bytes = self.read.fill_buf().await?;
            if bytes.is_empty() {
                // The last line needs no newline.
                return Ok(Some(std::mem::take(&mut self.line)).filter(|line| !line.is_empty()));
            }
            let end = bytes.iter().position(|byte| *byte == b'\n');
            self.line.extend_from_slice(&bytes[..end.unwrap_or(bytes.len())]);
            let taken = end.map_or(bytes.len(), |end| end + 1);
            self.read.consume(taken);
            if self.line.len() > LONGEST {
                return Err(io::Error::other(format!("a line of more than {LONGEST} bytes is not a command")));
            }
            if end.is_some() {
                return Ok(Some(std::mem::take(&mut self.line)));
            }
        }
    }
}
