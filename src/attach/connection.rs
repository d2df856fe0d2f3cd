//! Connecting to the socket of a run.

use std::io::{self, BufRead, BufReader, ErrorKind};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use rustix::fd::OwnedFd;
use rustix::fs::{CWD, Mode, OFlags, openat};
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, connect, socket_with};

use super::line::SocketLine;

/// Name of the socket in a run's folder.
const SOCKET: &str = "socket";

/// How long a run may take to answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// The address of a run's socket.
pub(super) struct SocketAddress {
    pub address: SocketAddrUnix,
    pub path: PathBuf,
    /// A path that is too long for an address goes through the descriptor of the folder, which stays open until then.
    _folder: Option<OwnedFd>,
}

impl SocketAddress {
    pub(super) fn of(folder: &Path) -> io::Result<SocketAddress> {
        use std::os::fd::AsRawFd;
        let path = folder.join(SOCKET);
        if let Ok(address) = SocketAddrUnix::new(&path) {
            return Ok(SocketAddress { address, path, _folder: None });
        }
        let descriptor = openat(CWD, folder, OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
        let short = Path::new("/proc/self/fd").join(descriptor.as_raw_fd().to_string()).join(SOCKET);
        Ok(SocketAddress { address: SocketAddrUnix::new(&short)?, path, _folder: Some(descriptor) })
    }
}

/// Connects to the run of a folder.
pub(super) fn open(folder: &Path) -> io::Result<UnixStream> {
    let target = SocketAddress::of(folder)?;
    let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
    connect(&socket, &target.address)?;
    Ok(UnixStream::from(socket))
}

/// A process that has answered.
pub(super) struct Connection {
    pub stream: UnixStream,
    pub read: BufReader<UnixStream>,
    /// Process id of the trainer.
    pub process: u32,
}

impl Connection {
    /// Waits for the first line.
    ///
    /// # Errors
    /// It does not come in time, or it is not [`SocketLine::Hello`].
    pub(super) fn greet(stream: UnixStream) -> io::Result<Connection> {
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        let mut read = BufReader::new(stream.try_clone()?);
        let mut hello = String::new();
        read.read_line(&mut hello)?;
        let Ok(SocketLine::Hello { process, .. }) = serde_json::from_str(&hello) else {
            return Err(io::Error::new(ErrorKind::InvalidData, "its answer is not that of a run"));
        };
        stream.set_read_timeout(None)?;
        Ok(Connection { stream, read, process })
    }
}

/// The socket to the run's current process, for commands.
#[derive(Clone)]
pub(super) struct SharedSocket(Arc<Mutex<UnixStream>>);

impl SharedSocket {
    pub(super) fn new(stream: UnixStream) -> SharedSocket {
        SharedSocket(Arc::new(Mutex::new(stream)))
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, UnixStream> {
        self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}
