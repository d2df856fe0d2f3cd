//! The store that ranks meet at: a key-value server in the first rank's process, c10d's TCPStore.

use std::ffi::{CString, c_char, c_void};
use std::net::TcpListener;
use std::os::fd::IntoRawFd;
use std::ptr;
use std::time::Duration;

use super::DistributedError;
use crate::device::shim::checked;

/// A connection to the store.
pub struct Store {
    pub(super) store: *mut c_void,
    /// Before each key.
    prefix: String,
}

// SAFETY: the client locks its connection.
unsafe impl Send for Store {}
// SAFETY: as above.
unsafe impl Sync for Store {}

impl Store {
    /// Serves the store on a socket, and connects to it. Other ranks can reach it by the addresses that the socket is bound to, and by
    /// no others. `prefix` is before each key.
    ///
    /// # Errors
    /// libtorch's message.
    pub fn serve(listener: TcpListener, prefix: &str, timeout: Duration) -> Result<Store, DistributedError> {
        let address = listener.local_addr().map_err(|error| DistributedError(error.to_string()))?;
        let host = if address.ip().is_unspecified() { "127.0.0.1".to_owned() } else { address.ip().to_string() };
        // The server closes the socket.
        Store::open((&host, address.port()), listener.into_raw_fd(), prefix, timeout)
    }

    /// Connects to the store that is served there, for so long at most. `prefix` is before each key.
    ///
    /// # Errors
    /// libtorch's message.
    pub fn connect(host: &str, port: u16, prefix: &str, timeout: Duration) -> Result<Store, DistributedError> {
        Store::open((host, port), -1, prefix, timeout)
    }

    fn open(
        (host, port): (&str, u16),
        listening: i32,
        prefix: &str,
        timeout: Duration,
    ) -> Result<Store, DistributedError> {
        let host = text(host)?;
        let mut opened = ptr::null_mut();
        // SAFETY: the text outlives the call, the buffer has the stated capacity; the function does not throw.
        called(|error, capacity| unsafe {
            finesift_store_open(host.as_ptr(), port, listening, milliseconds(timeout), &mut opened, error, capacity)
        })?;
        Ok(Store { store: opened, prefix: prefix.to_owned() })
    }

    /// The name of a key of this run.
    pub(super) fn key(&self, name: &str) -> Result<CString, DistributedError> {
        text(&format!("{}{name}", self.prefix))
    }

    /// Sets a key.
    ///
    /// # Errors
    /// libtorch's message: the server is gone.
    pub fn set(&self, key: &str, value: &[u8]) -> Result<(), DistributedError> {
        let key = self.key(key)?;
        // SAFETY: key and value outlive the call, the store is open, the buffer has the stated capacity; the function does not throw.
        called(|error, capacity| unsafe {
            finesift_store_set(self.store, key.as_ptr(), value.as_ptr(), value.len(), error, capacity)
        })
    }

    /// The value of a key, once it is set, which is waited for so long at most.
    ///
    /// # Errors
    /// libtorch's message: the time is up, or the server is gone.
    pub fn get(&self, key: &str, timeout: Duration) -> Result<Vec<u8>, DistributedError> {
        unsafe extern "C" fn take(taker: *mut c_void, value: *const u8, length: usize) {
            // Of no bytes the pointer may be null.
            if length > 0 {
                // SAFETY: the taker is the vector below, and the value has this length.
                let (taker, value) =
                    unsafe { (&mut *taker.cast::<Vec<u8>>(), std::slice::from_raw_parts(value, length)) };
                taker.extend_from_slice(value);
            }
        }
        let key = self.key(key)?;
        let mut found: Vec<u8> = Vec::new();
        let taker = (&raw mut found).cast();
        // SAFETY: key and taker outlive the call, the store is open, the buffer has the stated capacity; the function does not throw.
        called(|error, capacity| unsafe {
            finesift_store_get(self.store, key.as_ptr(), milliseconds(timeout), take, taker, error, capacity)
        })?;
        Ok(found)
    }

    /// Whether a key is set.
    ///
    /// # Errors
    /// libtorch's message: the server is gone.
    pub fn has(&self, key: &str) -> Result<bool, DistributedError> {
        let key = self.key(key)?;
        let mut found = false;
        // SAFETY: the key outlives the call, the store is open, the buffer has the stated capacity; the function does not throw.
        called(|error, capacity| unsafe { finesift_store_has(self.store, key.as_ptr(), &mut found, error, capacity) })?;
        Ok(found)
    }

    /// Adds to a number, which begins at 0, and returns the sum.
    ///
    /// # Errors
    /// libtorch's message: the server is gone.
    pub fn add(&self, key: &str, amount: i64) -> Result<i64, DistributedError> {
        let key = self.key(key)?;
        let mut sum = 0;
        // SAFETY: the key outlives the call, the store is open, the buffer has the stated capacity; the function does not throw.
        called(|error, capacity| unsafe {
            finesift_store_add(self.store, key.as_ptr(), amount, &mut sum, error, capacity)
        })?;
        Ok(sum)
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        // SAFETY: the store was opened by `finesift_store_open`, and nothing else has it.
        unsafe { finesift_store_drop(self.store) };
    }
}

pub(super) fn milliseconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

pub(super) fn text(text: &str) -> Result<CString, DistributedError> {
    CString::new(text).map_err(|_| DistributedError(format!("{text:?} has a zero in it")))
}

/// Runs a call of the shim.
pub(super) fn called(call: impl FnOnce(*mut c_char, usize) -> bool) -> Result<(), DistributedError> {
    checked(call).map_err(|error| DistributedError(error.message().to_owned()))
}

unsafe extern "C" {
    fn finesift_store_open(
        host: *const c_char,
        port: u16,
        listening: i32,
        timeout_ms: i64,
        opened: &mut *mut c_void,
        error: *mut c_char,
        capacity: usize,
    ) -> bool;
    fn finesift_store_drop(store: *mut c_void);
    fn finesift_store_set(
        store: *mut c_void,
        key: *const c_char,
        value: *const u8,
        length: usize,
        error: *mut c_char,
        capacity: usize,
    ) -> bool;
    fn finesift_store_get(
        store: *mut c_void,
        key: *const c_char,
        timeout_ms: i64,
        take: unsafe extern "C" fn(*mut c_void, *const u8, usize),
        taker: *mut c_void,
        error: *mut c_char,
        capacity: usize,
    ) -> bool;
    fn finesift_store_has(
        store: *mut c_void,
        key: *const c_char,
        found: &mut bool,
        error: *mut c_char,
        capacity: usize,
    ) -> bool;
    fn finesift_store_add(
        store: *mut c_void,
        key: *const c_char,
        amount: i64,
        sum: &mut i64,
        error: *mut c_char,
        capacity: usize,
    ) -> bool;
}
