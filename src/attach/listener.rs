//! The run's side: a thread that waits on the socket for who attaches. It never holds up the trainer.

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

use super::{LONGEST, Line, address};
use crate::protocol::Command;
use crate::session::{Tap, TapEvent};

/// Who may be attached at a time.
const MOST: usize = 16;

/// What the last words to who is attached may take after the run's end. The file has them all the same.
const FAREWELL: Duration = Duration::from_secs(1);

/// A run's open socket. Dropping it removes the socket; who is attached stays so until the trainer's end.
#[derive(Debug)]
pub struct Listener {
    path: PathBuf,
}

/// Opens the socket in a run's folder, which is locked by this process, for the user who runs it alone.
///
/// # Errors
/// A file system without sockets; a system that gives no thread.
pub fn listen(folder: &Path, run: &str, tap: Tap) -> io::Result<Listener> {
    let listener = open(folder)?;
    let path = folder.join(super::SOCKET);
    let hello = Line::Hello { version: env!("CARGO_PKG_VERSION").into(), run: run.into(), process: std::process::id() };
    thread::Builder::new().name("listener".into()).spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        // Without it the run goes on, and nobody can attach.
        if let Ok(runtime) = runtime {
            let _ = runtime.block_on(accept(listener, hello, tap));
        }
    })?;
    Ok(Listener { path })
}

impl Drop for Listener {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

fn open(folder: &Path) -> io::Result<StdListener> {
    let (address, path, _descriptor) = address(folder)?;
    // Left by a process that was killed: the lock says that no other is there.
    match std::fs::remove_file(&path) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
    // Where the socket's own mode counts it is never open to others, not even for a moment; elsewhere nobody can connect
    // before it listens.
    let _ = rustix::fs::fchmod(&socket, rustix::fs::Mode::from_raw_mode(0o600));
    bind(&socket, &address)?;
    set_permissions(&path, Permissions::from_mode(0o600))?;
    listen_on(&socket, MOST as i32)?;
    let listener = StdListener::from(socket);
    listener.set_nonblocking(true)?;
    Ok(listener)
}

/// Lets in who comes, until the trainer has ended.
async fn accept(listener: StdListener, hello: Line, mut tap: Tap) -> io::Result<()> {
    let listener = UnixListener::from_std(listener)?;
    let mut attached = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) if attached.len() < MOST && is_same_user(&stream) => {
                    attached.spawn(serve(stream, hello.clone(), tap.another()));
                }
                Ok(_) => {}
                // Too many open files, at worst: it passes.
                Err(_) => tokio::time::sleep(FAREWELL).await,
            },
            Some(_) = attached.join_next() => {}
            told = tap.next() => if told.is_none() { break },
        }
    }
    let _ = timeout(FAREWELL, attached.join_all()).await;
    Ok(())
}

/// The socket's mode keeps others out already, but for file systems that know none.
fn is_same_user(stream: &UnixStream) -> bool {
    let own = rustix::process::geteuid().as_raw();
    stream.peer_cred().is_ok_and(|peer| peer.uid() == own || peer.uid() == 0)
}

/// Tells one who is attached how far the run is, and passes on what it orders.
async fn serve(stream: UnixStream, hello: Line, mut tap: Tap) -> io::Result<()> {
    let (read, mut write) = stream.into_split();
    let mut orders = Lines { read: BufReader::new(read), line: Vec::new() };
    let mut listening = true;
    // Where it has written something it has opened the file.
    let written = tap.written();
    let mut opened = tap.opened_at();
    let mut lines = vec![hello];
    lines.extend(opened.map(Line::Opened));
    lines.extend(written.map(Line::Written));
    loop {
        for line in lines.drain(..) {
            send(&mut write, &line).await?;
        }
        tokio::select! {
            order = orders.next(), if listening => match order {
                Ok(Some(order)) => lines.extend(obey(&order, &tap).err().map(Line::Refused)),
                // One that orders nothing more may still want to be told.
                Ok(None) => listening = false,
                Err(error) => {
                    lines.push(Line::Refused(error.to_string()));
                    listening = false;
                }
            },
            told = tap.next() => match told {
                Some(TapEvent::Written(bytes)) => {
                    if opened.is_none() {
                        opened = tap.opened_at();
                        lines.extend(opened.map(Line::Opened));
                    }
                    lines.push(Line::Written(bytes));
                }
                Some(TapEvent::Unwritten(event)) => lines.push(Line::Event(Box::new((*event).clone()))),
                None if tap.left_behind() => return send(&mut write, &Line::LeftBehind).await,
                None => return Ok(()),
            },
        }
    }
}

async fn send(write: &mut OwnedWriteHalf, line: &Line) -> io::Result<()> {
    let mut bytes = serde_json::to_vec(line)?;
    bytes.push(b'\n');
    write.write_all(&bytes).await
}

fn obey(order: &[u8], tap: &Tap) -> Result<(), String> {
    let command: Command = serde_json::from_slice(order).map_err(|error| format!("this is no order: {error}"))?;
    tap.send(command).then_some(()).ok_or_else(|| "too many orders wait already, or the run has ended".into())
}

/// Lines of bounded length. Dropping the future loses nothing.
struct Lines {
    read: BufReader<OwnedReadHalf>,
    line: Vec<u8>,
}

impl Lines {
    async fn next(&mut self) -> io::Result<Option<Vec<u8>>> {
        loop {
            let bytes = self.read.fill_buf().await?;
            if bytes.is_empty() {
                // The last line needs no end.
                return Ok(Some(std::mem::take(&mut self.line)).filter(|line| !line.is_empty()));
            }
            let end = bytes.iter().position(|byte| *byte == b'\n');
            self.line.extend_from_slice(&bytes[..end.unwrap_or(bytes.len())]);
            let taken = end.map_or(bytes.len(), |end| end + 1);
            self.read.consume(taken);
            if self.line.len() > LONGEST {
                return Err(io::Error::other(format!("a line of more than {LONGEST} bytes is no order")));
            }
            if end.is_some() {
                return Ok(Some(std::mem::take(&mut self.line)));
            }
        }
    }
}
