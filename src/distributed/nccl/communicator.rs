//! A communicator of NCCL's: the calls on it, and its end, which another thread may bring about.

use std::ffi::c_int;
use std::ptr;
use std::sync::atomic::{AtomicPtr, Ordering::AcqRel, Ordering::Acquire};
use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError};
use std::thread;
use std::time::{Duration, Instant};

use tch::{Kind, Tensor};

use super::library::{Handle, Library, RawStream, UniqueId};

/// How long a call may still take once the communicator is to be aborted.
const PATIENCE: Duration = Duration::from_secs(2);

/// What its operations do with the tensors of the ranks.
const SUM: c_int = 0;

pub struct Communicator {
    library: &'static Library,
    /// Null once it was aborted.
    handle: AtomicPtr<std::ffi::c_void>,
    /// Calls are one after the other.
    turn: Mutex<()>,
}

/// The number of a type of elements that NCCL adds up; `None` of others.
pub fn data_type(kind: Kind) -> Option<c_int> {
    match kind {
        Kind::Uint8 => Some(1),
        Kind::Int => Some(2),
        Kind::Int64 => Some(4),
        Kind::Half => Some(6),
        Kind::Float => Some(7),
        Kind::Double => Some(8),
        Kind::BFloat16 => Some(9),
        _ => None,
    }
}

impl Communicator {
    /// Joins the others on this thread's GPU, however long it takes.
    ///
    /// # Errors
    /// NCCL's message.
    pub fn join(library: &'static Library, id: UniqueId, size: usize, rank: usize) -> Result<Communicator, String> {
        let handle = library.join(id, size, rank)?;
        Ok(Communicator { library, handle: AtomicPtr::new(handle), turn: Mutex::new(()) })
    }

    /// Asks a stream to replace a contiguous tensor by its sum over all ranks.
    ///
    /// # Errors
    /// NCCL's message.
    pub fn all_reduce(&self, tensor: &Tensor, stream: RawStream) -> Result<(), String> {
        let kind = kind_of(tensor)?;
        let (data, count) = (tensor.data_ptr(), tensor.numel());
        // SAFETY: the tensor is contiguous, of this size and type, and is kept until the stream has got there.
        self.call(|library, handle| unsafe { (library.all_reduce)(data, data, count, kind, SUM, handle, stream) })
    }

    /// Asks a stream to put the tensors of all ranks, one after the other, into a contiguous one.
    ///
    /// # Errors
    /// NCCL's message.
    pub fn all_gather(&self, whole: &Tensor, own: &Tensor, stream: RawStream) -> Result<(), String> {
        let kind = kind_of(own)?;
        let (from, to, count) = (own.data_ptr(), whole.data_ptr(), own.numel());
        // SAFETY: both tensors are contiguous, of this type, the whole one of this size for each rank, and are kept until the stream
        // has got there.
        self.call(|library, handle| unsafe { (library.all_gather)(from, to, count, kind, handle, stream) })
    }

    /// Whether it has met no error so far.
    ///
    /// # Errors
    /// NCCL's message: a rank is gone from the network, for example.
    pub fn check(&self) -> Result<(), String> {
        let Ok(_turn) = self.turn.try_lock() else { return Ok(()) };
        let handle = self.handle.load(Acquire);
        if handle.is_null() { Ok(()) } else { self.library.async_error(handle) }
    }

    /// Ends it, and its operations with whatever they have. Others may be in a call that waits for a rank which does not come: what it
    /// needs goes away below it, and NCCL has it return.
    pub fn abort(&self) {
        let begin = Instant::now();
        let _turn = loop {
            match self.turn.try_lock() {
                Ok(turn) => break Some(turn),
                Err(TryLockError::Poisoned(turn)) => break Some(turn.into_inner()),
                Err(TryLockError::WouldBlock) if begin.elapsed() > PATIENCE => break None,
                Err(TryLockError::WouldBlock) => thread::sleep(Duration::from_millis(5)),
            }
        };
        let handle = self.handle.swap(ptr::null_mut(), AcqRel);
        if !handle.is_null() {
            // SAFETY: the communicator is alive, and nobody finds it any more.
            let _ = unsafe { (self.library.abort)(handle) };
        }
    }

    /// Ends it once its operations are done, and those of the other ranks.
    pub fn destroy(&self) {
        let _turn = self.locked();
        let handle = self.handle.swap(ptr::null_mut(), AcqRel);
        if !handle.is_null() {
            // SAFETY: the communicator is alive, and nobody finds it any more.
            let _ = unsafe { (self.library.destroy)(handle) };
        }
    }

    fn call(&self, call: impl FnOnce(&Library, Handle) -> c_int) -> Result<(), String> {
        let _turn = self.locked();
        let handle = self.handle.load(Acquire);
        if handle.is_null() {
            return Err("NCCL: aborted".to_owned());
        }
        self.library.succeeded(call(self.library, handle), Some(handle))
    }

    fn locked(&self) -> MutexGuard<'_, ()> {
        self.turn.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn kind_of(tensor: &Tensor) -> Result<c_int, String> {
    data_type(tensor.kind()).ok_or_else(|| format!("NCCL: no sums of {:?}", tensor.kind()))
}
