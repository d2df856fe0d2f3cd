//! Collective operations of all ranks: c10d's process group on Gloo, which moves tensors of the CPU over TCP. All ranks call the same
//! operations in the same order.

use std::ffi::{c_char, c_void};
use std::ptr;
use std::sync::mpsc::Receiver;
use std::time::Duration;

use tch::Tensor;

use super::DistributedError;
use super::store::{Store, apart, called, milliseconds, text};

/// All ranks.
pub struct ProcessGroup {
    group: *mut c_void,
    size: usize,
}

// SAFETY: the group has threads of its own, and locks what it shares with them.
unsafe impl Send for ProcessGroup {}
// SAFETY: as above.
unsafe impl Sync for ProcessGroup {}

/// An operation under way.
#[must_use = "what an operation gives is there once it was waited for"]
pub struct Pending(*mut c_void);

// SAFETY: the operation belongs to no thread.
unsafe impl Send for Pending {}

impl ProcessGroup {
    /// Joins a group of so many ranks at the store, once all have, on a thread of its own: where a port gives no answer Gloo waits much
    /// longer than the time-out. `address` is that of this host by which the others reach it. An operation fails after the time-out if a
    /// rank does not take part, and at once if one is gone.
    ///
    /// # Errors
    /// libtorch's message.
    pub fn join(
        store: &Store,
        name: &str,
        rank: usize,
        size: usize,
        address: &str,
        timeout: Duration,
    ) -> Result<Receiver<Result<ProcessGroup, DistributedError>>, DistributedError> {
        let (client, name, address) = (store.client(), store.key(name)?, text(address)?);
        let number = |number: usize| i32::try_from(number).map_err(|_| DistributedError(format!("{number} ranks")));
        let (rank, ranks) = (number(rank)?, number(size)?);
        apart(move || {
            let mut joined = ptr::null_mut();
            // SAFETY: the texts outlive the call, the store is open, the buffer has the stated capacity; the function does not throw.
            called(|error, capacity| unsafe {
                let timeout = milliseconds(timeout);
                finesift_group_join(
                    client.pointer(),
                    name.as_ptr(),
                    rank,
                    ranks,
                    address.as_ptr(),
                    timeout,
                    &mut joined,
                    error,
                    capacity,
                )
            })?;
            Ok(ProcessGroup { group: joined, size })
        })
    }

    /// Replaces a contiguous tensor by its sum over all ranks.
    ///
    /// # Errors
    /// libtorch's message.
    pub fn all_reduce(&self, tensor: &Tensor) -> Result<Pending, DistributedError> {
        // SAFETY: the tensor outlives the call and the operation keeps it, the group is alive, the buffer has the stated capacity; the
        // function does not throw.
        pending(|pending, error, capacity| unsafe {
            finesift_all_reduce(self.group, tensor.as_ptr().cast(), pending, error, capacity)
        })
    }

    /// Replaces a contiguous tensor by that of the rank `root`.
    ///
    /// # Errors
    /// libtorch's message.
    pub fn broadcast(&self, tensor: &Tensor, root: usize) -> Result<Pending, DistributedError> {
        let root = i32::try_from(root).unwrap_or(i32::MAX);
        // SAFETY: as above.
        pending(|pending, error, capacity| unsafe {
            finesift_broadcast(self.group, tensor.as_ptr().cast(), root, pending, error, capacity)
        })
    }

    /// The tensors of all ranks, which have the same shape, in the order of the ranks, once the operation is done.
    ///
    /// # Errors
    /// libtorch's message.
    pub fn all_gather(&self, tensor: &Tensor) -> Result<(Vec<Tensor>, Pending), DistributedError> {
        let gathered: Vec<Tensor> = (0..self.size).map(|_| tensor.empty_like()).collect();
        let pending = self.all_gather_into(&gathered, tensor)?;
        Ok((gathered, pending))
    }

    /// Puts the tensors of all ranks, which have the same shape, into these, one for each rank, once the operation is done.
    ///
    /// # Errors
    /// libtorch's message.
    pub fn all_gather_into(&self, gathered: &[Tensor], tensor: &Tensor) -> Result<Pending, DistributedError> {
        debug_assert_eq!(gathered.len(), self.size);
        let pointers: Vec<*const c_void> = gathered.iter().map(|tensor| tensor.as_ptr().cast()).collect();
        // SAFETY: as above; the list has a pointer for each rank.
        pending(|pending, error, capacity| unsafe {
            let tensor = tensor.as_ptr().cast();
            finesift_all_gather(self.group, tensor, pointers.as_ptr(), pointers.len(), pending, error, capacity)
        })
    }
}

impl Pending {
    /// Waits until the operation is done. Returns how long it was under way.
    ///
    /// # Errors
    /// libtorch's message: a rank is gone, or the time is up.
    pub fn wait(self) -> Result<Duration, DistributedError> {
        let pending = self.0;
        std::mem::forget(self);
        wait(pending)
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        // What it reads and writes must not go before it ends.
        let _ = wait(self.0);
    }
}

impl Drop for ProcessGroup {
    fn drop(&mut self) {
        // SAFETY: the group was made by `finesift_group_join`, and nothing else has it.
        unsafe { finesift_group_drop(self.group) };
    }
}

/// Waits for an operation, which is alive and not used afterwards.
fn wait(pending: *mut c_void) -> Result<Duration, DistributedError> {
    let mut took = 0;
    // SAFETY: the operation is alive and is consumed, the buffer has the stated capacity; the function does not throw.
    called(|error, capacity| unsafe { finesift_wait(pending, &mut took, error, capacity) })?;
    Ok(Duration::from_nanos(u64::try_from(took).unwrap_or_default()))
}

fn pending(start: impl FnOnce(&mut *mut c_void, *mut c_char, usize) -> bool) -> Result<Pending, DistributedError> {
    let mut pending = ptr::null_mut();
    called(|error, capacity| start(&mut pending, error, capacity))?;
    Ok(Pending(pending))
}

unsafe extern "C" {
    fn finesift_group_join(
        store: *mut c_void,
        name: *const c_char,
        rank: i32,
        size: i32,
        address: *const c_char,
        timeout_ms: i64,
        joined: &mut *mut c_void,
        error: *mut c_char,
        capacity: usize,
    ) -> bool;
    fn finesift_group_drop(group: *mut c_void);
    fn finesift_all_reduce(
        group: *mut c_void,
        tensor: *const c_void,
        pending: &mut *mut c_void,
        error: *mut c_char,
        capacity: usize,
    ) -> bool;
    fn finesift_broadcast(
        group: *mut c_void,
        tensor: *const c_void,
        root: i32,
        pending: &mut *mut c_void,
        error: *mut c_char,
        capacity: usize,
    ) -> bool;
    fn finesift_all_gather(
        group: *mut c_void,
        tensor: *const c_void,
        gathered: *const *const c_void,
        count: usize,
        pending: &mut *mut c_void,
        error: *mut c_char,
        capacity: usize,
    ) -> bool;
    fn finesift_wait(pending: *mut c_void, took: &mut i64, error: *mut c_char, capacity: usize) -> bool;
}
