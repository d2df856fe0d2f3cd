//! The ranks of a run, as the run sees them. A process on its own is a world of one, in which nothing is sent.

use std::mem;
use std::thread;
use std::time::{Duration, Instant};

use tch::{Device, Kind, Tensor, no_grad};

use super::DistributedError;
use super::group::{Pending, ProcessGroup};
use super::meter::{Exchanged, Meter, StepBegin, Steps};
use super::rendezvous::{Ended, LOOK};
use super::store::Store;

/// How long after an operation has failed a process is looked for that has ended.
const PARTING: Duration = Duration::from_secs(1);

/// The ranks of a run.
pub struct World {
    rank: usize,
    size: usize,
    peers: Option<Peers>,
}

/// An operation under way. Its tensor must be neither read nor written before it was waited for.
#[must_use = "the tensor is complete once the operation was waited for"]
pub struct Work<'a> {
    world: &'a World,
    /// None in a world of one.
    pending: Option<Pending>,
    /// The tensor on a GPU, and its copy in host memory that the operation is on.
    copied: Option<(Tensor, Tensor)>,
}

/// The other ranks.
struct Peers {
    // Dropped before the store, which its threads use.
    group: ProcessGroup,
    store: Store,
    ended: Option<Ended>,
    meter: Meter,
}

impl World {
    /// A process on its own.
    pub const ALONE: World = World { rank: 0, size: 1, peers: None };

    /// With the others of this group.
    pub(super) fn of(rank: usize, size: usize, group: ProcessGroup, store: Store, ended: Option<Ended>) -> World {
        World { rank, size, peers: Some(Peers { group, store, ended, meter: Meter::default() }) }
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

    /// Begins to count an optimizer step; nothing is counted in a world of one.
    pub fn begin_step(&self) -> Option<StepBegin> {
        self.peers.as_ref().map(|peers| peers.meter.begin_step())
    }

    /// Counts an optimizer step, with its number from 1, on so many tokens.
    pub fn end_step(&self, begin: Option<StepBegin>, step: u64, tokens: u64) {
        if let (Some(peers), Some(begin)) = (&self.peers, begin) {
            peers.meter.end_step(&begin, step, tokens);
        }
    }

    /// The optimizer steps of this process.
    pub fn steps(&self) -> Steps {
        self.peers.as_ref().map(|peers| peers.meter.steps()).unwrap_or_default()
    }

    /// What operations of all ranks have taken so far.
    pub fn exchanged(&self) -> Exchanged {
        self.peers.as_ref().map(|peers| peers.meter.exchanged()).unwrap_or_default()
    }

    /// Puts a sample of this rank where the others can read it, beside the operations of all ranks.
    ///
    /// # Errors
    /// The store is gone.
    pub fn put_sample(&self, sample: &[u8]) -> Result<(), DistributedError> {
        self.peers.as_ref().map_or(Ok(()), |peers| peers.store.set(&sample_key(self.rank), sample))
    }

    /// The latest sample of a rank; `None` before its first.
    pub fn sample_of(&self, rank: usize) -> Option<Vec<u8>> {
        let store = &self.peers.as_ref()?.store;
        let key = sample_key(rank);
        if matches!(store.has(&key), Ok(true)) { store.get(&key, LOOK).ok() } else { None }
    }

    /// Lets the others know that this rank has failed, and why.
    pub fn abort(&self, why: &str) {
        if let Some(peers) = &self.peers {
            peers.store.fail(why);
        }
    }

    /// Replaces a contiguous tensor by its sum over all ranks. One on a GPU goes through host memory.
    ///
    /// # Errors
    /// A rank that is gone, or does not take part in time.
    pub fn all_reduce(&self, tensor: &Tensor) -> Result<(), DistributedError> {
        self.start_all_reduce(tensor)?.wait()
    }

    /// Starts to replace a contiguous tensor by its sum over all ranks. All ranks start the same operations in the same order.
    ///
    /// # Errors
    /// Those of [`World::all_reduce`].
    pub fn start_all_reduce(&self, tensor: &Tensor) -> Result<Work<'_>, DistributedError> {
        let Some(peers) = &self.peers else { return Ok(Work { world: self, pending: None, copied: None }) };
        peers.meter.count_bytes(size_in_bytes(tensor));
        let copied = (tensor.device() != Device::Cpu).then(|| {
            let wide = if tensor.kind() == Kind::Double { Kind::Double } else { Kind::Float };
            (tensor.shallow_clone(), tensor.to_device(Device::Cpu).to_kind(wide))
        });
        let pending = peers.group.all_reduce(copied.as_ref().map_or(tensor, |(_, host)| host));
        Ok(Work { world: self, pending: Some(pending.map_err(|error| self.explained(error))?), copied })
    }

    /// What the first rank gives, on all ranks.
    ///
    /// # Errors
    /// Those of [`World::all_reduce`].
    pub fn broadcast(&self, bytes: Vec<u8>) -> Result<Vec<u8>, DistributedError> {
        let Some(peers) = &self.peers else { return Ok(bytes) };
        let broadcast = |tensor: &Tensor| self.wait(peers.group.broadcast(tensor, 0));
        let length = Tensor::from_slice(&[bytes.len() as i64]);
        broadcast(&length)?;
        let length = length.int64_value(&[0]);
        if length == 0 {
            return Ok(Vec::new());
        }
        let content = match self.is_first() {
            true => Tensor::from_slice(&bytes),
            false => Tensor::zeros([length], (Kind::Uint8, Device::Cpu)),
        };
        broadcast(&content)?;
        Ok(vector(&content))
    }

    /// What each rank gives, in their order, on all ranks.
    ///
    /// # Errors
    /// Those of [`World::all_reduce`].
    pub fn all_gather(&self, bytes: Vec<u8>) -> Result<Vec<Vec<u8>>, DistributedError> {
        let Some(peers) = &self.peers else { return Ok(vec![bytes]) };
        let all = |tensor: &Tensor| {
            peers.meter.count_bytes(size_in_bytes(tensor));
            let (gathered, pending) = peers.group.all_gather(tensor).map_err(|error| self.explained(error))?;
            self.wait(Ok(pending)).map(|()| gathered)
        };
        let lengths = all(&Tensor::from_slice(&[bytes.len() as i64]))?;
        let lengths: Vec<usize> = lengths.iter().map(|length| length.int64_value(&[0]) as usize).collect();
        let longest = lengths.iter().copied().max().unwrap_or(0);
        let mut padded = bytes;
        padded.resize(longest.max(1), 0);
        let gathered = all(&Tensor::from_slice(&padded))?;
        Ok(gathered.iter().zip(lengths).map(|(bytes, length)| vector(&bytes.narrow(0, 0, length as i64))).collect())
    }

    /// Starts to bring what each rank has into these tensors, one for each rank. `None` in a world of one, where they are the same.
    pub(super) fn start_all_gather(&self, whole: &[Tensor], own: &Tensor) -> Result<Option<Pending>, DistributedError> {
        let Some(peers) = &self.peers else {
            no_grad(|| whole[0].shallow_clone().copy_(own));
            return Ok(None);
        };
        peers.meter.count_bytes(size_in_bytes(own));
        peers.group.all_gather_into(whole, own).map(Some).map_err(|error| self.explained(error))
    }

    /// Waits for an operation.
    pub(super) fn wait_for(&self, pending: Pending) -> Result<(), DistributedError> {
        self.wait(Ok(pending))
    }

    /// Checks that something is the same on all ranks.
    ///
    /// # Errors
    /// The first rank that has another, and what it is. Those of [`World::all_reduce`].
    pub fn agree(&self, what: &str, value: &str) -> Result<(), DistributedError> {
        let all = self.all_gather(value.as_bytes().to_vec())?;
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
    /// Those of the work; that of a rank that fails meanwhile.
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
            if let Some(why) = store.failure()? {
                return Err(DistributedError(why).into());
            }
            let _ = store.get(&key, LOOK);
        }
        work()
    }

    /// Waits for all ranks.
    #[cfg(test)]
    pub(super) fn barrier(&self) -> Result<(), DistributedError> {
        self.all_reduce(&Tensor::zeros([1], (Kind::Float, Device::Cpu)))
    }

    /// Waits for an operation that was started.
    fn wait(&self, started: Result<Pending, DistributedError>) -> Result<(), DistributedError> {
        let begin = Instant::now();
        let took = started.and_then(Pending::wait).map_err(|error| self.explained(error))?;
        if let Some(peers) = &self.peers {
            peers.meter.count_operation(took, begin.elapsed());
        }
        Ok(())
    }

    /// An error of an operation, with what a rank has said before it went.
    fn explained(&self, error: DistributedError) -> DistributedError {
        let Some(peers) = &self.peers else { return error };
        if let Ok(Some(why)) = peers.store.failure() {
            return DistributedError(why);
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

impl Work<'_> {
    /// Waits until the operation is done.
    ///
    /// # Errors
    /// A rank that is gone, or does not take part in time.
    pub fn wait(mut self) -> Result<(), DistributedError> {
        let Some(pending) = mem::take(&mut self.pending) else { return Ok(()) };
        self.world.wait(Ok(pending))?;
        if let Some((tensor, host)) = &self.copied {
            no_grad(|| tensor.shallow_clone().copy_(host));
        }
        Ok(())
    }
}

fn sample_key(rank: usize) -> String {
    format!("sample/{rank}")
}

fn size_in_bytes(tensor: &Tensor) -> u64 {
    (tensor.numel() * tensor.kind().elt_size_in_bytes()) as u64
}

/// The first line of a message of Gloo, without the place in its source.
fn without_place(text: &str) -> &str {
    let line = text.lines().next().unwrap_or_default();
    line.strip_prefix('[').and_then(|rest| rest.split_once("] ")).map_or(line, |(_, said)| said)
}

fn vector(tensor: &Tensor) -> Vec<u8> {
    Vec::try_from(tensor).unwrap_or_default()
}
