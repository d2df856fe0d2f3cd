//! How the ranks of a run find each other: at the store, where each says who it is and sees who the others are.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, ToSocketAddrs, UdpSocket};
use std::sync::mpsc::RecvTimeoutError;
use std::thread;
use std::time::{Duration, Instant};

use super::DistributedError;
use super::group::ProcessGroup;
use super::launcher::Placement;
use super::others::{Ended, without_place};
use super::store::{LOOK, Store};
use super::world::World;

/// Another host, by addresses that are kept for documentation.
const ELSEWHERE: [&str; 2] = ["198.51.100.1", "2001:db8::1"];

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
    pub fn world(
        self,
        version: impl FnOnce() -> String,
        stopped: &dyn Fn() -> bool,
    ) -> Result<World, DistributedError> {
        match self {
            Ranks::Alone => Ok(World::ALONE),
            Ranks::Rendezvous(rendezvous) => rendezvous.join(&version(), stopped),
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
        let (store, listens) = self.store()?;
        let host = self.placement.reached_at();
        let Rendezvous { placement: Placement { rank, size, port, .. }, timeout, ended, .. } = self;
        let waiting = Waiting { store, listens, begin, timeout, ended, stopped };
        let joined = waiting.introduce(rank, size, version).and_then(|()| {
            let address = address_to(&host, port)
                .ok_or_else(|| DistributedError(format!("rank {rank} has no route to {host}")))?;
            waiting.connect(rank, size, address)
        });
        match joined {
            Ok(group) => Ok(World::of((rank, size), group, waiting.store, waiting.ended, timeout)),
            Err(error) => {
                // So that the others need not wait for the time-out.
                waiting.store.fail(&error.0);
                if rank == 0 {
                    // The store goes with this process, and the others look for the reason at intervals.
                    thread::sleep(2 * LOOK);
                }
                Err(error)
            }
        }
    }

    /// The store, and where it listens if this process serves it.
    fn store(&mut self) -> Result<(Store, Option<SocketAddr>), DistributedError> {
        let Placement { rank, port, served, ref attempt, .. } = self.placement;
        let host = self.placement.reached_at();
        let prefix = format!("finesift/{attempt}/");
        let cannot_listen =
            |error: &dyn std::fmt::Display| DistributedError(format!("rank 0 cannot listen on {host}:{port}: {error}"));
        let listener = match self.listener.take() {
            None if rank == 0 && !served => {
                Some(TcpListener::bind((host.as_str(), port)).map_err(|error| cannot_listen(&error))?)
            }
            opened => opened,
        };
        let Some(listener) = listener else {
            let store = Store::connect(&host, port, &prefix, self.timeout).map_err(|error| {
                let who = if served { "the launcher's store" } else { "rank 0" };
                DistributedError(format!("rank {rank} cannot reach {who} at {host}:{port}: {error}"))
            })?;
            return Ok((store, None));
        };
        let listens = listener.local_addr().map_err(|error| cannot_listen(&error))?;
        let store = Store::serve(listener, &prefix, self.timeout).map_err(|error| cannot_listen(&error))?;
        Ok((store, Some(listens)))
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
        address_to_others().map_or_else(named, |own| own.to_string())
    }
}

/// Whether a name is this host for itself alone.
fn is_loopback(host: &str, port: u16) -> bool {
    (host, port).to_socket_addrs().is_ok_and(|mut found| found.all(|address| address.ip().is_loopback()))
}

/// A rank that waits for the others at the store.
struct Waiting<'a> {
    store: Store,
    /// Where, if this rank serves it.
    listens: Option<SocketAddr>,
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

    /// Connects this rank, which has this address, with all others.
    fn connect(&self, rank: usize, size: usize, address: IpAddr) -> Result<ProcessGroup, DistributedError> {
        let joining = ProcessGroup::join(&self.store, "ranks", rank, size, &address.to_string(), self.timeout)?;
        let begin = Instant::now();
        let failed = |why: &str| {
            DistributedError(format!(
                "rank {rank} at {address} cannot connect with all others: {why}. Ranks connect on any port, by the network that leads to \
                 rank 0 or that GLOO_SOCKET_IFNAME names"
            ))
        };
        loop {
            match joining.recv_timeout(LOOK) {
                Ok(joined) => return joined.map_err(|error| failed(without_place(&error.0))),
                // It is gone with the thread.
                Err(RecvTimeoutError::Disconnected) => return Err(failed("its thread has ended")),
                Err(RecvTimeoutError::Timeout) => {}
            }
            // Gloo itself may have the store, which then gives no answer.
            if let Ok(Some(why)) = self.store.failure() {
                return Err(DistributedError(why));
            }
            self.interrupted()?;
            if begin.elapsed() > self.timeout {
                return Err(failed(&format!("no answer within {} s", self.timeout.as_secs())));
            }
        }
    }

    /// What ends the wait in this process itself.
    fn interrupted(&self) -> Result<(), DistributedError> {
        if let Some(why) = self.ended.as_ref().and_then(|ended| ended()) {
            return Err(DistributedError(why));
        }
        if (self.stopped)() {
            return Err(DistributedError("the run was stopped before all ranks had come".to_owned()));
        }
        Ok(())
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
            self.interrupted()?;
            // The first rank knows which one is missing, and has a moment to say so.
            let grace = if rank == 0 { 4 * LOOK } else { Duration::ZERO };
            if self.begin.elapsed() > self.timeout + grace {
                let seconds = self.timeout.as_secs();
                return Err(DistributedError(match key {
                    "complete" => format!("not all ranks have come within {seconds} s"),
                    _ => {
                        let listens = self.listens.map_or_else(String::new, |at| format!("; rank 0 listens on {at}"));
                        format!("rank {rank} has not come within {seconds} s{listens}")
                    }
                }));
            }
            // Waits for it, for a while.
            let _ = self.store.get(key, LOOK);
        }
    }
}

/// This host's address on the way to another. It is one of IPv4 if the other has such an address, so that all ranks have the same kind.
fn address_to(host: &str, port: u16) -> Option<IpAddr> {
    let mut others: Vec<SocketAddr> = (host, port).to_socket_addrs().ok()?.collect();
    others.sort_by_key(SocketAddr::is_ipv6);
    others.into_iter().find_map(|other| {
        let any: IpAddr = if other.is_ipv6() { Ipv6Addr::UNSPECIFIED.into() } else { Ipv4Addr::UNSPECIFIED.into() };
        let socket = UdpSocket::bind((any, 0)).ok()?;
        // Sends nothing.
        socket.connect(other).ok()?;
        Some(socket.local_addr().ok()?.ip())
    })
}

/// This host's address on the way to others, if it reaches any.
pub(super) fn address_to_others() -> Option<IpAddr> {
    ELSEWHERE.iter().find_map(|host| address_to(host, 1).filter(|own| !own.is_loopback()))
}
