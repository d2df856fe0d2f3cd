//! The ranks of a run, as the run sees them. A process on its own is a world of one, in which nothing is sent.

use std::net::TcpListener;
use std::thread;
use std::time::{Duration, Instant};

use tch::{Device, Kind, Tensor, no_grad};

use super::DistributedError;
use super::group::{Pending, ProcessGroup};
use super::launcher::Placement;
use super::store::Store;

/// How often a rank that waits for another looks whether one has given up.
const LOOK: Duration = Duration::from_millis(500);

/// How long after an operation has failed a process is looked for that has ended.
const PARTING: Duration = Duration::from_secs(1);

/// Where the ranks of a run meet.
pub struct Meeting {
    pub placement: Placement,
    /// Of the first rank, if its socket is open already.
    pub listener: Option<TcpListener>,
    /// How long a rank waits for the others, to begin with and in each operation.
    pub timeout: Duration,
    /// Says which of the other ranks has ended, if this process knows of one.
    pub ended: Option<Ended>,
}

/// Looks for a rank that has ended, and says which and why.
pub type Ended = Box<dyn Fn() -> Option<String> + Send + Sync>;

/// How a run comes by its ranks.
pub enum Ranks {
    /// It is a process on its own.
    Alone,
    /// They meet when it starts.
    Meeting(Meeting),
    /// They have met.
    Joined(World),
}

impl Ranks {
    /// The world of these ranks.
    ///
    /// # Errors
    /// Those of [`World::join`].
    pub fn world(self, version: &str, stopped: &dyn Fn() -> bool) -> Result<World, DistributedError> {
        match self {
            Ranks::Alone => Ok(World::ALONE),
            Ranks::Meeting(meeting) => World::join(meeting, version, stopped),
            Ranks::Joined(world) => Ok(world),
        }
    }
}

/// The ranks of a run.
pub struct World {
    rank: usize,
    size: usize,
    peers: Option<Peers>,
}

/// The other ranks.
struct Peers {
    // Dropped before the store, which its threads use.
    group: ProcessGroup,
    store: Store,
    ended: Option<Ended>,
}

impl World {
    /// A process on its own.
    pub const ALONE: World = World { rank: 0, size: 1, peers: None };

    /// Meets the other ranks. `version` says what has to be the same of all. `stopped` says whether to wait no longer.
    ///
    /// # Errors
    /// A rank that does not come in time or gives up, one that comes twice, and one of another version or of a run of another size.
    pub fn join(meeting: Meeting, version: &str, stopped: &dyn Fn() -> bool) -> Result<World, DistributedError> {
        let Meeting { placement, listener, timeout, ended } = meeting;
        let Placement { rank, size, ref host, port, served, ref attempt, .. } = placement;
        let prefix = format!("finesift/{attempt}/");
        let begin = Instant::now();
        let store = match listener {
            Some(listener) => Store::serve(listener, &prefix, timeout)?,
            None if rank == 0 && !served => {
                let listener = TcpListener::bind((host.as_str(), port))
                    .map_err(|error| DistributedError(format!("rank 0 cannot listen on {host}:{port}: {error}")))?;
                Store::serve(listener, &prefix, timeout)?
            }
            None => Store::connect(host, port, &prefix, timeout).map_err(|error| {
                let who = if served { "the launcher's store" } else { "rank 0" };
                DistributedError(format!("rank {rank} cannot reach {who} at {host}:{port}: {error}"))
            })?,
        };
        let waiting = Waiting { store: &store, begin, timeout, ended, stopped };
        let outcome = waiting.introduce(rank, size, version);
        if let Err(error) = &outcome {
            // So that the others need not wait for the time-out.
            let _ = store.set(FAILED, error.0.as_bytes());
            if rank == 0 {
                // The store goes with this process, and the others look for the reason at intervals.
                thread::sleep(2 * LOOK);
            }
        }
        outcome?;
        let address = address_to(host, port).unwrap_or_else(|| "127.0.0.1".to_owned());
        let group = ProcessGroup::join(&store, "ranks", rank, size, &address, timeout)?;
        let ended = waiting.ended;
        Ok(World { rank, size, peers: Some(Peers { group, store, ended }) })
    }

    /// This process's number, from 0.
    pub fn rank(&self) -> usize {
        self.rank
    }

    /// Number of ranks.
    pub fn size(&self) -> usize {
        self.size
    }

    /// Whether this is the rank that has the run's folder and screen.
    pub fn is_first(&self) -> bool {
        self.rank == 0
    }

    /// Whether there are no others.
    pub fn is_alone(&self) -> bool {
        self.peers.is_none()
    }

    /// Tells the others that this rank gives up, and why.
    pub fn give_up(&self, why: &str) {
        if let Some(peers) = &self.peers {
            let _ = peers.store.set(FAILED, why.as_bytes());
        }
    }

    /// Replaces a contiguous tensor by its sum over all ranks. One of a GPU goes through host memory.
    ///
    /// # Errors
    /// A rank that is gone, or does not take part in time.
    pub fn sum(&self, tensor: &Tensor) -> Result<(), DistributedError> {
        let Some(peers) = &self.peers else { return Ok(()) };
        let add = |tensor: &Tensor| peers.group.all_reduce(tensor).and_then(Pending::wait);
        let summed = if tensor.device() == Device::Cpu {
            add(tensor)
        } else {
            let wide = if tensor.kind() == Kind::Double { Kind::Double } else { Kind::Float };
            let host = tensor.to_device(Device::Cpu).to_kind(wide);
            add(&host).map(|()| no_grad(|| tensor.shallow_clone().copy_(&host)))
        };
        summed.map_err(|error| self.explained(error))
    }

    /// What the first rank gives, on all ranks.
    ///
    /// # Errors
    /// Those of [`World::sum`].
    pub fn from_first(&self, bytes: Vec<u8>) -> Result<Vec<u8>, DistributedError> {
        let Some(peers) = &self.peers else { return Ok(bytes) };
        let broadcast = |tensor: &Tensor| peers.group.broadcast(tensor, 0).and_then(Pending::wait);
        let length = Tensor::from_slice(&[bytes.len() as i64]);
        broadcast(&length).map_err(|error| self.explained(error))?;
        let length = length.int64_value(&[0]);
        if length == 0 {
            return Ok(Vec::new());
        }
        let content = match self.is_first() {
            true => Tensor::from_slice(&bytes),
            false => Tensor::zeros([length], (Kind::Uint8, Device::Cpu)),
        };
        broadcast(&content).map_err(|error| self.explained(error))?;
        Ok(vector(&content))
    }

    /// What each rank gives, in their order, on all ranks.
    ///
    /// # Errors
    /// Those of [`World::sum`].
    pub fn gather(&self, bytes: Vec<u8>) -> Result<Vec<Vec<u8>>, DistributedError> {
        let Some(peers) = &self.peers else { return Ok(vec![bytes]) };
        let all = |tensor: &Tensor| peers.group.all_gather(tensor).map_err(|error| self.explained(error));
        let lengths = all(&Tensor::from_slice(&[bytes.len() as i64]))?;
        let lengths: Vec<usize> = lengths.iter().map(|length| length.int64_value(&[0]) as usize).collect();
        let longest = lengths.iter().copied().max().unwrap_or(0);
        let mut padded = bytes;
        padded.resize(longest.max(1), 0);
        let gathered = all(&Tensor::from_slice(&padded))?;
        Ok(gathered.iter().zip(lengths).map(|(bytes, length)| vector(&bytes.narrow(0, 0, length as i64))).collect())
    }

    /// Checks that something is the same on all ranks.
    ///
    /// # Errors
    /// The first rank that has another, and what it is. Those of [`World::sum`].
    pub fn agree(&self, what: &str, value: &str) -> Result<(), DistributedError> {
        let all = self.gather(value.as_bytes().to_vec())?;
        match all.iter().position(|other| *other != all[0]) {
            None => Ok(()),
            Some(rank) => {
                let text = |rank: usize| String::from_utf8_lossy(&all[rank]).into_owned();
                Err(DistributedError(format!(
                    "the ranks have another {what}: rank 0 has {}, rank {rank} has {}",
                    text(0),
                    text(rank)
                )))
            }
        }
    }

    /// Lets the first rank do something, however long it takes, and then the others. `name` is one of its own.
    ///
    /// # Errors
    /// Those of the work; that of a rank that gives up meanwhile.
    pub fn first_then_others<T, E: From<DistributedError>>(
        &self,
        name: &str,
        work: impl FnOnce() -> Result<T, E>,
    ) -> Result<T, E> {
        let Some(Peers { store, .. }) = &self.peers else { return work() };
        let key = format!("done/{name}");
        if self.is_first() {
            let done = work()?;
            store.set(&key, b"")?;
            return Ok(done);
        }
        while !store.has(&key)? {
            if store.has(FAILED)? {
                let why = store.get(FAILED, LOOK)?;
                return Err(DistributedError(String::from_utf8_lossy(&why).into_owned()).into());
            }
            let _ = store.get(&key, LOOK);
        }
        work()
    }

    /// Waits for all ranks.
    ///
    /// # Errors
    /// Those of [`World::sum`].
    pub fn meet(&self) -> Result<(), DistributedError> {
        self.sum(&Tensor::zeros([1], (Kind::Float, Device::Cpu)))
    }

    /// An error of an operation, with what a rank has said before it went.
    fn explained(&self, error: DistributedError) -> DistributedError {
        let Some(peers) = &self.peers else { return error };
        let said = peers.store.has(FAILED).ok().filter(|found| *found).and_then(|_| peers.store.get(FAILED, LOOK).ok());
        if let Some(said) = said {
            return DistributedError(String::from_utf8_lossy(&said).into_owned());
        }
        // A process may be gone from the network before the system says so.
        let begin = Instant::now();
        while begin.elapsed() < PARTING {
            if let Some(ended) = peers.ended.as_ref().and_then(|ended| ended()) {
                return DistributedError(format!("another rank is gone: {ended}"));
            }
            thread::sleep(Duration::from_millis(10));
        }
        DistributedError(format!("another rank is gone or does not answer: {}", without_place(&error.0)))
    }
}

/// What the rank that gives up sets, to the reason.
const FAILED: &str = "failed";

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
            if self.store.has(FAILED).map_err(gone)? {
                let why = self.store.get(FAILED, LOOK)?;
                return Err(DistributedError(String::from_utf8_lossy(&why).into_owned()));
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
fn address_to(host: &str, port: u16) -> Option<String> {
    let socket = std::net::UdpSocket::bind("0.0.0.0:0").ok()?;
    // Sends nothing.
    socket.connect((host, port)).ok()?;
    Some(socket.local_addr().ok()?.ip().to_string())
}

/// The first line of a message of Gloo, without the place in its source.
fn without_place(text: &str) -> &str {
    let line = text.lines().next().unwrap_or_default();
    line.strip_prefix('[').and_then(|rest| rest.split_once("] ")).map_or(line, |(_, said)| said)
}

fn vector(tensor: &Tensor) -> Vec<u8> {
    Vec::try_from(tensor).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::distributed::Launcher;

    fn placement(rank: usize, size: usize, port: u16) -> Placement {
        let (host, attempt) = ("127.0.0.1".into(), String::new());
        Placement { rank, size, local_rank: rank, host, port, launcher: Launcher::Torchrun, served: false, attempt }
    }

    /// Runs the ranks, each on a thread: (number, size, version) of each.
    fn joined<T: Send + 'static>(
        ranks: &[(usize, usize, &'static str)],
        timeout: Duration,
        work: impl Fn(World) -> T + Clone + Send + 'static,
    ) -> Vec<Result<T, DistributedError>> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let mut listener = Some(listener);
        let threads: Vec<_> = ranks
            .iter()
            .map(|&(rank, size, version)| {
                let listener = if rank == 0 { listener.take() } else { None };
                let work = work.clone();
                thread::spawn(move || {
                    let meeting = Meeting { placement: placement(rank, size, port), listener, timeout, ended: None };
                    World::join(meeting, version, &|| false).map(work)
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    }

    const PATIENT: Duration = Duration::from_secs(60);
    const HASTY: Duration = Duration::from_secs(3);

    #[test]
    fn ranks_add_broadcast_and_gather() {
        let ranks: Vec<_> = (0..4).map(|rank| (rank, 4, "a")).collect();
        let found = joined(&ranks, PATIENT, |world| {
            let rank = world.rank();
            let numbers = Tensor::from_slice(&[rank as f32, 1.0]);
            world.sum(&numbers).unwrap();
            let bytes = if rank == 0 { b"hello".to_vec() } else { Vec::new() };
            let sent = world.from_first(bytes).unwrap();
            let nothing = world.from_first(Vec::new()).unwrap();
            let gathered = world.gather(vec![7; rank]).unwrap();
            world.agree("mood", "good").unwrap();
            let differing = world.agree("mood", if rank == 2 { "bad" } else { "good" }).unwrap_err().to_string();
            world.meet().unwrap();
            (Vec::<f32>::try_from(&numbers).unwrap(), sent, nothing, gathered, differing)
        });
        for found in found {
            let (numbers, sent, nothing, gathered, differing) = found.unwrap();
            assert_eq!((numbers, sent, nothing), (vec![6.0, 4.0], b"hello".to_vec(), Vec::new()));
            assert_eq!(gathered, [vec![], vec![7], vec![7, 7], vec![7, 7, 7]]);
            assert_eq!(differing, "the ranks have another mood: rank 0 has good, rank 2 has bad");
        }
    }

    #[test]
    fn ranks_that_do_not_belong_together_are_told_apart() {
        // What each rank says; that the store is gone if the first has said why and left before it looked.
        let errors = |ranks: &[(usize, usize, &'static str)]| -> Vec<String> {
            let found = joined(ranks, HASTY, |_| ());
            let said = found.into_iter().map(|found| found.err().map_or_else(String::new, |error| error.to_string()));
            said.filter(|error| !error.starts_with("the store of rank 0 is gone")).collect()
        };
        let versions = errors(&[(0, 2, "finesift 1"), (1, 2, "finesift 2")]);
        assert!(!versions.is_empty());
        for error in versions {
            assert!(error.contains("finesift 1, 2 ranks") && error.contains("finesift 2, 2 ranks"), "{error}");
        }
        let sizes = errors(&[(0, 2, "a"), (1, 3, "a")]);
        assert!(!sizes.is_empty());
        for error in sizes {
            assert!(error.contains("a, 2 ranks") && error.contains("a, 3 ranks"), "{error}");
        }
        let twice = errors(&[(0, 3, "a"), (1, 3, "a"), (1, 3, "a")]);
        assert!(!twice.is_empty() && twice.iter().all(|error| error == "two processes are rank 1 of 3"), "{twice:?}");
        let missing = errors(&[(0, 3, "a"), (1, 3, "a")]);
        let expected = ["rank 2 has not come within 3 s", "not all ranks have come within 3 s"];
        assert!(!missing.is_empty() && missing.iter().all(|error| expected.contains(&error.as_str())), "{missing:?}");
    }

    #[test]
    fn a_launcher_may_serve_the_store_and_start_ranks_again() {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let _store = Store::serve(listener, "", PATIENT).unwrap();
        for attempt in ["0", "1"] {
            let ranks = [0, 1].map(|rank| {
                thread::spawn(move || {
                    let placement = Placement { served: true, attempt: attempt.into(), ..placement(rank, 2, port) };
                    let meeting = Meeting { placement, listener: None, timeout: PATIENT, ended: None };
                    World::join(meeting, "a", &|| false).unwrap().meet()
                })
            });
            ranks.into_iter().for_each(|rank| rank.join().unwrap().unwrap());
        }
    }

    #[test]
    fn garbage_on_the_port_does_no_harm() {
        use std::io::{Read, Write};
        use std::net::TcpStream;

        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let meeting =
            |rank, listener| Meeting { placement: placement(rank, 2, port), listener, timeout: PATIENT, ended: None };
        let first = meeting(0, Some(listener));
        let first = thread::spawn(move || World::join(first, "a", &|| false).unwrap().meet());
        for round in 0..40u8 {
            let Ok(mut stranger) = TcpStream::connect(("127.0.0.1", port)) else { continue };
            // Of all lengths, beginnings of requests among them.
            let bytes: Vec<u8> = (0..round * 3).map(|i| i.wrapping_mul(31).wrapping_add(round)).collect();
            let _ = stranger.write_all(&bytes);
            let _ = stranger.set_read_timeout(Some(Duration::from_millis(5)));
            let _ = stranger.read(&mut [0; 16]);
        }
        World::join(meeting(1, None), "a", &|| false).unwrap().meet().unwrap();
        first.join().unwrap().unwrap();
    }

    #[test]
    fn a_rank_that_waits_can_be_stopped() {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let placement = placement(0, 2, listener.local_addr().unwrap().port());
        let meeting = Meeting { placement, listener: Some(listener), timeout: PATIENT, ended: None };
        let error = World::join(meeting, "a", &|| true).err().unwrap();
        assert_eq!(error.to_string(), "the run was stopped before all ranks had come");
    }

    #[test]
    fn a_rank_that_goes_ends_the_others_operations() {
        let found = joined(&[(0, 2, "a"), (1, 2, "a")], PATIENT, |world| {
            if world.rank() == 1 {
                world.give_up("rank 1: the disk is on fire");
                return String::new();
            }
            world.meet().unwrap_err().to_string()
        });
        assert_eq!(found[0].as_ref().unwrap(), "rank 1: the disk is on fire");
    }

    #[test]
    fn a_process_on_its_own_sends_nothing() {
        let world = World::ALONE;
        let numbers = Tensor::from_slice(&[2.0f32]);
        world.sum(&numbers).unwrap();
        world.meet().unwrap();
        assert!(world.is_alone() && world.is_first() && world.size() == 1 && numbers.double_value(&[0]) == 2.0);
        assert_eq!(world.gather(vec![3]).unwrap(), [vec![3]]);
        assert_eq!(world.from_first(vec![4]).unwrap(), [4]);
        world.agree("anything", "at all").unwrap();
    }
}
