//! The store that ranks meet at: a key-value server in the first rank's process, c10d's TCPStore.

use std::ffi::{CStr, CString, c_char, c_void};
use std::net::TcpListener;
use std::os::fd::IntoRawFd;
use std::ptr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use super::DistributedError;
use crate::device::shim::checked;

/// How often a rank that waits for another looks whether one has failed.
pub(super) const LOOK: Duration = Duration::from_millis(500);

/// How long an answer may take that needs no other rank, at most.
const ANSWER: Duration = Duration::from_secs(10);

/// The same once a rank has gone.
const LAST_ANSWER: Duration = Duration::from_secs(1);

/// What a rank sets that fails, to the reason.
const FAILED: &str = "failed";

/// A connection to the store. No call takes longer than its time-out, whatever is at the other end: c10d itself waits without end for
/// the answer of a server that has taken a request.
pub struct Store {
    client: Arc<Client>,
    /// Before each key.
    prefix: String,
    /// How many milliseconds an answer may take that needs no other rank.
    answer: AtomicU64,
}

/// libtorch's store.
pub(super) struct Client(*mut c_void);

// SAFETY: the client locks its connection.
unsafe impl Send for Client {}
// SAFETY: as above.
unsafe impl Sync for Client {}

impl Client {
    /// Lives as long as this.
    pub(super) fn pointer(&self) -> *mut c_void {
        self.0
    }
}

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
        let client = within(timeout, move || {
            let mut opened = ptr::null_mut();
            // SAFETY: the text outlives the call, the buffer has the stated capacity; the function does not throw.
            called(|error, capacity| unsafe {
                finesift_store_open(host.as_ptr(), port, listening, milliseconds(timeout), &mut opened, error, capacity)
            })?;
            Ok(Arc::new(Client(opened)))
        })?;
        Ok(Store { client, prefix: prefix.to_owned(), answer: AtomicU64::new(timeout.min(ANSWER).as_millis() as u64) })
    }

    /// libtorch's store, for a thread that may outlive this one.
    pub(super) fn client(&self) -> Arc<Client> {
        Arc::clone(&self.client)
    }

    /// The name of a key of this run.
    pub(super) fn key(&self, name: &str) -> Result<CString, DistributedError> {
        text(&format!("{}{name}", self.prefix))
    }

    /// Waits no longer than a second for each answer from here on, since a rank has gone; and if there is none, for no other one.
    pub fn hurry(&self) {
        self.answer.fetch_min(LAST_ANSWER.as_millis() as u64, Ordering::Relaxed);
    }

    fn answer(&self) -> Duration {
        Duration::from_millis(self.answer.load(Ordering::Relaxed))
    }

    /// Calls the store with a key, and waits for the answer so much longer than usual.
    fn call<T: Send + 'static>(
        &self,
        longer: Duration,
        key: &str,
        call: impl FnOnce(&Client, &CStr) -> Result<T, DistributedError> + Send + 'static,
    ) -> Result<T, DistributedError> {
        let (client, key, answer) = (Arc::clone(&self.client), self.key(key)?, self.answer());
        let begin = Instant::now();
        let answered = within(longer + answer, move || call(&client, &key));
        if answered.is_err() && answer <= LAST_ANSWER && begin.elapsed() >= longer + answer {
            self.answer.store(0, Ordering::Relaxed);
        }
        answered
    }

    /// Sets a key.
    ///
    /// # Errors
    /// libtorch's message: the server is gone.
    pub fn set(&self, key: &str, value: &[u8]) -> Result<(), DistributedError> {
        let value = value.to_vec();
        self.call(Duration::ZERO, key, move |client, key| {
            // SAFETY: key and value outlive the call, the store is open, the buffer has the stated capacity; the function does not
            // throw.
            called(|error, capacity| unsafe {
                finesift_store_set(client.0, key.as_ptr(), value.as_ptr(), value.len(), error, capacity)
            })
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
        self.call(timeout, key, move |client, key| {
            let mut found: Vec<u8> = Vec::new();
            let taker = (&raw mut found).cast();
            // SAFETY: key and taker outlive the call, the store is open, the buffer has the stated capacity; the function does not
            // throw.
            called(|error, capacity| unsafe {
                finesift_store_get(client.0, key.as_ptr(), milliseconds(timeout), take, taker, error, capacity)
            })?;
            Ok(found)
        })
    }

    /// Whether a key is set.
    ///
    /// # Errors
    /// libtorch's message: the server is gone.
    pub fn has(&self, key: &str) -> Result<bool, DistributedError> {
        self.call(Duration::ZERO, key, |client, key| {
            let mut found = false;
            // SAFETY: the key outlives the call, the store is open, the buffer has the stated capacity; the function does not throw.
            called(|error, capacity| unsafe {
                finesift_store_has(client.0, key.as_ptr(), &mut found, error, capacity)
            })?;
            Ok(found)
        })
    }

    /// Adds to a number, which begins at 0, and returns the sum.
    ///
    /// # Errors
    /// libtorch's message: the server is gone.
    pub fn add(&self, key: &str, amount: i64) -> Result<i64, DistributedError> {
        self.call(Duration::ZERO, key, move |client, key| {
            let mut sum = 0;
            // SAFETY: the key outlives the call, the store is open, the buffer has the stated capacity; the function does not throw.
            called(|error, capacity| unsafe {
                finesift_store_add(client.0, key.as_ptr(), amount, &mut sum, error, capacity)
            })?;
            Ok(sum)
        })
    }

    /// Says that a rank has failed, and why, and returns once the store has it. The first reason stays: those of the ranks that fail
    /// for it come later.
    pub fn fail(&self, why: &str) {
        if matches!(self.has(FAILED), Ok(false)) && self.set(FAILED, why.as_bytes()).is_ok() {
            // The store answers nothing to what is set, but answers in turn: this process may end now.
            let _ = self.has(FAILED);
        }
    }

    /// Why a rank has failed, if one has.
    ///
    /// # Errors
    /// libtorch's message: the server is gone.
    pub fn failure(&self) -> Result<Option<String>, DistributedError> {
        if !self.has(FAILED)? {
            return Ok(None);
        }
        let why = self.get(FAILED, self.answer())?;
        Ok(Some(String::from_utf8_lossy(&why).into_owned()))
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        // SAFETY: the store was opened by `finesift_store_open`, and nothing else has it.
        unsafe { finesift_store_drop(self.0) };
    }
}

/// Works on a thread of its own, for so long at most. What takes longer continues there, and nobody waits for it.
pub(super) fn within<T: Send + 'static>(
    time: Duration,
    work: impl FnOnce() -> Result<T, DistributedError> + Send + 'static,
) -> Result<T, DistributedError> {
    apart(work)?
        .recv_timeout(time)
        .unwrap_or_else(|_| Err(DistributedError(format!("no answer within {} s", time.as_secs()))))
}

/// Works on a thread of its own, which sends what it has found.
pub(super) fn apart<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, DistributedError> + Send + 'static,
) -> Result<mpsc::Receiver<Result<T, DistributedError>>, DistributedError> {
    // As much as a thread of C has, which libraries may count on.
    const STACK: usize = 8 << 20;
    let (sender, receiver) = mpsc::channel();
    let started = thread::Builder::new().stack_size(STACK).spawn(move || {
        let _ = sender.send(work());
    });
    started.map_err(|error| DistributedError(error.to_string()))?;
    Ok(receiver)
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
