//! How the ranks of a run find each other: at the store, where each says who it is and sees who the others are.

use std::net::{IpAddr, TcpListener, ToSocketAddrs, UdpSocket};
use std::thread;
use std::time::{Duration, Instant};

use super::DistributedError;
use super::group::ProcessGroup;
use super::launcher::Placement;
use super::others::Ended;
use super::store::Store;
use super::world::World;

/// How often a rank that waits for another looks whether one has failed.
pub(super) const LOOK: Duration = Duration::from_millis(500);

/// Another host, by an address that is kept for documentation.
pub(super) const ELSEWHERE: &str = "198.51.100.1";

/// Where the ranks of a run find each other.
pub struct Rendezvous {
    pub placement: Placement,
    /// Of the first rank, if its socket is open already.
    pub listener: Option<TcpListener>,
    /// How long a rank waits for the others, to begin with and in each operation.
    pub timeout: Duration,
    /// Says which of the other ranks has ended, if this process knows of one.
    pub ended: Option<Ended>,
}

/// How a run comes by its ranks.
pub enum Ranks {
    /// It is a process on its own.
    Alone,
    /// They find each other when it starts.
    Rendezvous(Rendezvous),
    /// They have found each other.
    Joined(World),
}

impl Ranks {
    /// The world of these ranks.
    ///
    /// # Errors
    /// Those of [`Rendezvous::join`].
    pub fn world(self, version: &str, stopped: &dyn Fn() -> bool) -> Result<World, DistributedError> {
        match self {
            Ranks::Alone => Ok(World::ALONE),
            Ranks::Rendezvous(rendezvous) => rendezvous.join(version, stopped),
            Ranks::Joined(world) => Ok(world),
        }
    }
}

impl Rendezvous {
    /// Waits for the other ranks. `version` says what has to be the same of all; `stopped`, whether to wait no longer.
    ///
    /// # Errors
    /// A rank that does not come in time or fails, one that comes twice, and one of another version or of a run of another size.
    pub fn join(mut self, version: &str, stopped: &dyn Fn() -> bool) -> Result<World, DistributedError> {
        let begin = Instant::now();
        let store = self.store()?;
        let host = self.placement.reached_at();
        let Rendezvous { placement: Placement { rank, size, port, .. }, timeout, ended, .. } = self;
        let waiting = Waiting { store: &store, begin, timeout, ended, stopped };
        if let Err(error) = waiting.introduce(rank, size, version) {
            // So that the others need not wait for the time-out.
            store.fail(&error.0);
            if rank == 0 {
                // The store goes with this process, and the others look for the reason at intervals.
                thread::sleep(2 * LOOK);
            }
            return Err(error);
        }
        let ended = waiting.ended;
        let address = address_to(&host, port).map_or_else(|| "127.0.0.1".to_owned(), |own| own.to_string());
        let group = ProcessGroup::join(&store, "ranks", rank, size, &address, timeout)?;
        Ok(World::of((rank, size), group, store, ended, timeout))
    }

    fn store(&mut self) -> Result<Store, DistributedError> {
        let Placement { rank, port, served, ref attempt, .. } = self.placement;
        let host = self.placement.reached_at();
        let prefix = format!("finesift/{attempt}/");
        if let Some(listener) = self.listener.take() {
            return Store::serve(listener, &prefix, self.timeout);
        }
        if rank == 0 && !served {
            let listener = TcpListener::bind((host.as_str(), port))
                .map_err(|error| DistributedError(format!("rank 0 cannot listen on {host}:{port}: {error}")))?;
            return Store::serve(listener, &prefix, self.timeout);
        }
        Store::connect(&host, port, &prefix, self.timeout).map_err(|error| {
            let who = if served { "the launcher's store" } else { "rank 0" };
            DistributedError(format!("rank {rank} cannot reach {who} at {host}:{port}: {error}"))
        })
    }
}

impl Placement {
    /// Where the first rank is reached. On its own host its name may mean the loopback interface, which other hosts do not reach:
    /// `/etc/hosts` often maps it to 127.0.1.1. Then it is the host's address on the way to others.
    fn reached_at(&self) -> String {
        let named = || self.host.clone();
        if !self.several_hosts || self.host.parse::<IpAddr>().is_ok() || !is_loopback(&self.host, self.port) {
            return named();
        }
        address_to(ELSEWHERE, self.port).filter(|own| !own.is_loopback()).map_or_else(named, |own| own.to_string())
    }
}

/// Whether a name is this host for itself alone.
fn is_loopback(host: &str, port: u16) -> bool {
    (host, port).to_socket_addrs().is_ok_and(|mut found| found.all(|address| address.ip().is_loopback()))
}

/// A rank that waits for the others at the store.
struct Waiting<'a> {
    store: &'a Store,
    begin: Instant,
    timeout: Duration,
    ended: Option<Ended>,
    stopped: &'a dyn Fn() -> bool,
}

impl Waiting<'_> {
    /// Says who this is, and checks who the others are.
    fn introduce(&self, rank: usize, size: usize, version: &str) -> Result<(), DistributedError> {
        if self.store.add(&format!("came/{rank}"), 1)? > 1 {
            return Err(DistributedError(format!("two processes are rank {rank} of {size}")));
        }
        let own = format!("{version}, {size} ranks");
        self.store.set(&format!("rank/{rank}"), own.as_bytes())?;
        // The first rank hears of all, the others of the first.
        let others = if rank == 0 { 1..size } else { 0..1 };
        for other in others {
            let theirs = self.value(&format!("rank/{other}"), other)?;
            let theirs = String::from_utf8_lossy(&theirs).into_owned();
            if theirs != own {
                return Err(DistributedError(format!("rank {other} is of {theirs}, and rank {rank} of {own}")));
            }
        }
        // All have come, as many as there should be.
        if rank == 0 { self.store.set("complete", b"") } else { self.value("complete", 0).map(|_| ()) }
    }

    /// The value of a key that a rank will set.
    fn value(&self, key: &str, rank: usize) -> Result<Vec<u8>, DistributedError> {
        loop {
            let gone = |error: DistributedError| DistributedError(format!("the store of rank 0 is gone: {error}"));
            if self.store.has(key).map_err(gone)? {
                return self.store.get(key, LOOK);
            }
            if let Some(why) = self.store.failure().map_err(gone)? {
                return Err(DistributedError(why));
            }
            if let Some(why) = self.ended.as_ref().and_then(|ended| ended()) {
                return Err(DistributedError(why));
            }
            if (self.stopped)() {
                return Err(DistributedError("the run was stopped before all ranks had come".to_owned()));
            }
            // The first rank knows which one is missing, and has a moment to say so.
            let grace = if rank == 0 { 4 * LOOK } else { Duration::ZERO };
            if self.begin.elapsed() > self.timeout + grace {
                let seconds = self.timeout.as_secs();
                return Err(DistributedError(match key {
                    "complete" => format!("not all ranks have come within {seconds} s"),
                    _ => format!("rank {rank} has not come within {seconds} s"),
                }));
            }
            // Waits for it, for a while.
            let _ = self.store.get(key, LOOK);
        }
    }
}

/// This host's address on the way to another.
pub(super) fn address_to(host: &str, port: u16) -> Option<IpAddr> {
    let socket = UdpSocket::bind("0.0.0.0:0").ok()?;
    // Sends nothing.
    socket.connect((host, port)).ok()?;
    Some(socket.local_addr().ok()?.ip())
}
