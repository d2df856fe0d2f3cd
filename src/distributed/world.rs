//! The ranks of a run, as the run sees them. A process on its own is a world of one, in which nothing is sent.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use tch::{Device, Kind, Tensor, no_grad};

use super::DistributedError;
use super::group::ProcessGroup;
use super::meter::{Exchanged, Meter, StepBegin, Steps};
use super::nccl::{Nccl, UniqueId};
use super::others::{Ended, Others};
use super::store::{LOOK, Store};
use super::work::{Pending, Work};

/// The ranks of a run.
pub struct World {
    rank: usize,
    size: usize,
    peers: Option<Peers>,
}

/// The other ranks.
struct Peers {
    /// Of tensors on the GPU, once they are known to be summed right.
    nccl: OnceLock<Nccl>,
    // Dropped before the store, which its threads use.
    group: ProcessGroup,
    others: Arc<Others>,
    timeout: Duration,
}

impl World {
    /// A process on its own.
    pub const ALONE: World = World { rank: 0, size: 1, peers: None };

    /// With the others of this group.
    pub(super) fn of(
        (rank, size): (usize, usize),
        group: ProcessGroup,
        store: Store,
        ended: Option<Ended>,
        timeout: Duration,
    ) -> World {
        let others = Arc::new(Others { store, ended, meter: Meter::default(), silent: Mutex::default() });
        World { rank, size, peers: Some(Peers { nccl: OnceLock::new(), group, others, timeout }) }
    }

    /// Has tensors on this GPU summed and gathered by NCCL from here on, if all ranks can; otherwise they go through host memory.
    /// Returns NCCL's version, or why it is not used.
    ///
    /// # Errors
    /// A rank that is gone.
    pub fn use_nccl(&self, device: Device) -> Result<Result<String, String>, DistributedError> {
        let Some(peers) = &self.peers else { return Ok(Err("there is one process".to_owned())) };
        let found = self.on_all(Nccl::find().and_then(|library| Ok((library, library.version()?))))?;
        let (library, version) = match found {
            Ok(found) => found,
            Err(why) => return Ok(Err(why)),
        };
        let versions = self.all_gather(version.clone().into_bytes())?;
        if let Some(rank) = versions.iter().position(|other| *other != versions[0]) {
            let [first, other] = [0, rank].map(|rank| String::from_utf8_lossy(&versions[rank]).into_owned());
            return Ok(Err(format!("rank 0 has NCCL {first}, rank {rank} has {other}")));
        }
        let id =
            self.on_all(if self.is_first() { library.unique_id().map(|id| id.0.to_vec()) } else { Ok(Vec::new()) })?;
        let id = match id {
            Ok(id) => self.broadcast(id)?,
            Err(why) => return Ok(Err(why)),
        };
        let Ok(id) = id.try_into() else { return Ok(Err("rank 0 has sent no identity".to_owned())) };
        let (id, place) = (UniqueId(id), (self.rank, self.size));
        let joined = self.on_all(Nccl::join(library, id, place, device, &peers.others, peers.timeout))?;
        let proved = match joined {
            Ok(nccl) => self.on_all(nccl.prove().map(|()| nccl))?,
            Err(why) => return Ok(Err(why)),
        };
        Ok(proved.map(|nccl| {
            let _ = peers.nccl.set(nccl);
            version
        }))
    }

    /// What this rank has come to, if all ranks have; the first that has not, and why.
    fn on_all<T>(&self, own: Result<T, String>) -> Result<Result<T, String>, DistributedError> {
        let all = self.all_gather(own.as_ref().err().cloned().unwrap_or_default().into_bytes())?;
        Ok(match all.iter().position(|why| !why.is_empty()) {
            None => own,
            Some(rank) => Err(format!("rank {rank}: {}", String::from_utf8_lossy(&all[rank]))),
        })
    }

    /// Whether all ranks are there as far as this one has heard. Operations on GPUs end without an error where they are launched: what the
    /// host has read since is of use only if this says so afterwards.
    ///
    /// # Errors
    /// A rank that is gone or has not taken part in time.
    pub fn outcome(&self) -> Result<(), DistributedError> {
        self.nccl().map_or(Ok(()), Nccl::outcome)
    }

    fn nccl(&self) -> Option<&Nccl> {
        self.peers.as_ref()?.nccl.get()
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
        let peers = self.peers.as_ref()?;
        if let Some(nccl) = peers.nccl.get() {
            nccl.begin_step();
        }
        Some(peers.others.meter.begin_step())
    }

    /// Counts an optimizer step, with its number from 1, on so many tokens.
    pub fn end_step(&self, begin: Option<StepBegin>, step: u64, tokens: u64) {
        let (Some(peers), Some(begin)) = (&self.peers, begin) else { return };
        let meter = &peers.others.meter;
        match peers.nccl.get() {
            // The GPU is not that far yet.
            Some(nccl) => nccl.end_step(step, tokens, meter.exchanged().since(begin.exchanged()).bytes),
            None => meter.end_step(&begin, step, tokens),
        }
    }

    /// The optimizer steps of this process.
    pub fn steps(&self) -> Steps {
        self.peers.as_ref().map(|peers| peers.others.meter.steps()).unwrap_or_default()
    }

    /// What operations of all ranks have taken so far.
    pub fn exchanged(&self) -> Exchanged {
        self.peers.as_ref().map(|peers| peers.others.meter.exchanged()).unwrap_or_default()
    }

    /// Puts a sample of this rank where the others can read it, beside the operations of all ranks.
    ///
    /// # Errors
    /// The store is gone.
    pub fn put_sample(&self, sample: &[u8]) -> Result<(), DistributedError> {
        self.peers.as_ref().map_or(Ok(()), |peers| peers.others.store.set(&sample_key(self.rank), sample))
    }

    /// The latest sample of a rank; `None` before its first.
    pub fn sample_of(&self, rank: usize) -> Option<Vec<u8>> {
        let store = &self.peers.as_ref()?.others.store;
        let key = sample_key(rank);
        if matches!(store.has(&key), Ok(true)) { store.get(&key, LOOK).ok() } else { None }
    }

    /// Says which ranks were not heard of lately, for the error of an operation that one of them does not take part in.
    pub fn note_silent(&self, ranks: String) {
        if let Some(peers) = &self.peers {
            *peers.others.silent.lock().unwrap_or_else(PoisonError::into_inner) = ranks;
        }
    }

    /// Lets the others know that this rank has failed, and why.
    pub fn abort(&self, why: &str) {
        if let Some(peers) = &self.peers {
            peers.others.store.fail(why);
        }
    }

    /// Replaces a contiguous tensor by its sum over all ranks, and returns once it is there.
    ///
    /// # Errors
    /// A rank that is gone, or does not take part in time.
    pub fn all_reduce(&self, tensor: &Tensor) -> Result<(), DistributedError> {
        self.start_all_reduce(tensor)?.finish()
    }

    /// Starts to replace a contiguous tensor by its sum over all ranks. All ranks start the same operations in the same order.
    ///
    /// # Errors
    /// Those of [`World::all_reduce`].
    pub fn start_all_reduce(&self, tensor: &Tensor) -> Result<Work<'_>, DistributedError> {
        let Some(peers) = &self.peers else { return Ok(Work { world: self, pending: None, copied: None }) };
        let meter = &peers.others.meter;
        if let Some(nccl) = peers.nccl.get().filter(|nccl| nccl.has(tensor)) {
            meter.count_bytes(size_in_bytes(tensor));
            let pending = Some(Pending::Nccl(nccl.all_reduce(tensor)?));
            return Ok(Work { world: self, pending, copied: None });
        }
        let copied = (tensor.device() != Device::Cpu).then(|| {
            // Gloo adds up neither of the narrow types.
            let narrow = matches!(tensor.kind(), Kind::BFloat16 | Kind::Half);
            let kind = if narrow { Kind::Float } else { tensor.kind() };
            (tensor.shallow_clone(), tensor.to_device(Device::Cpu).to_kind(kind))
        });
        let given = copied.as_ref().map_or(tensor, |(_, host)| host);
        meter.count_bytes(size_in_bytes(given));
        let pending = peers.group.all_reduce(given).map_err(|error| peers.others.explain(&error.0))?;
        Ok(Work { world: self, pending: Some(Pending::Gloo(pending)), copied })
    }

    /// What the first rank gives, on all ranks.
    ///
    /// # Errors
    /// Those of [`World::all_reduce`].
    pub fn broadcast(&self, bytes: Vec<u8>) -> Result<Vec<u8>, DistributedError> {
        let Some(peers) = &self.peers else { return Ok(bytes) };
        let broadcast = |tensor: &Tensor| {
            let pending = peers.group.broadcast(tensor, 0).map_err(|error| peers.others.explain(&error.0))?;
            self.wait_for(Pending::Gloo(pending))
        };
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
            peers.others.meter.count_bytes(size_in_bytes(tensor));
            let (gathered, pending) = peers.group.all_gather(tensor).map_err(|error| peers.others.explain(&error.0))?;
            self.wait_for(Pending::Gloo(pending)).map(|()| gathered)
        };
        let lengths = all(&Tensor::from_slice(&[bytes.len() as i64]))?;
        let lengths: Vec<usize> = lengths.iter().map(|length| length.int64_value(&[0]) as usize).collect();
        let longest = lengths.iter().copied().max().unwrap_or(0);
        let mut padded = bytes;
        padded.resize(longest.max(1), 0);
        let gathered = all(&Tensor::from_slice(&padded))?;
        Ok(gathered.iter().zip(lengths).map(|(bytes, length)| vector(&bytes.narrow(0, 0, length as i64))).collect())
    }

    /// Whether operations take this tensor where it is, and not a copy in host memory.
    pub(super) fn reaches(&self, tensor: &Tensor) -> bool {
        tensor.device() == Device::Cpu || self.nccl().is_some_and(|nccl| nccl.has(tensor))
    }

    /// Starts to bring what each rank has into a contiguous tensor of bytes, one after the other. `None` in a world of one, where that is the
    /// same.
    pub(super) fn start_all_gather(&self, whole: &Tensor, own: &Tensor) -> Result<Option<Pending>, DistributedError> {
        let Some(peers) = &self.peers else {
            no_grad(|| whole.shallow_clone().copy_(own));
            return Ok(None);
        };
        peers.others.meter.count_bytes(size_in_bytes(own));
        if let Some(nccl) = peers.nccl.get().filter(|nccl| nccl.has(whole)) {
            return Ok(Some(Pending::Nccl(nccl.all_gather(whole, own)?)));
        }
        let parts = whole.chunk(self.size as i64, 0);
        let pending = peers.group.all_gather_into(&parts, own).map_err(|error| peers.others.explain(&error.0))?;
        Ok(Some(Pending::Gloo(pending)))
    }

    /// What is computed from here on has the result of the operation.
    pub(super) fn wait_for(&self, pending: Pending) -> Result<(), DistributedError> {
        let (pending, Some(peers)) = (pending, &self.peers) else { return Ok(()) };
        match pending {
            Pending::Gloo(pending) => {
                let begin = Instant::now();
                let took = pending.wait().map_err(|error| peers.others.explain(&error.0))?;
                peers.others.meter.count_operation(took, begin.elapsed());
                Ok(())
            }
            Pending::Nccl(pending) => pending.wait(),
        }
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
        let Some(Peers { others, .. }) = &self.peers else { return work() };
        let store = &others.store;
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
}

fn sample_key(rank: usize) -> String {
    format!("sample/{rank}")
}

fn size_in_bytes(tensor: &Tensor) -> u64 {
    (tensor.numel() * tensor.kind().elt_size_in_bytes()) as u64
}

fn vector(tensor: &Tensor) -> Vec<u8> {
    Vec::try_from(tensor).unwrap_or_default()
}
