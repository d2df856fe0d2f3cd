//! libtorch's deterministic algorithms, for operators that otherwise add up in the order in which threads of a GPU arrive.

use std::ffi::c_char;
use std::sync::{Mutex, PoisonError};

use super::shim::checked;

/// While one lives, operators choose deterministic algorithms, as after `torch.use_deterministic_algorithms(True)`: of what is computed
/// twice, the results are equal to the bit. An operator without such an algorithm fails.
pub struct Deterministic(());

/// Those that live. libtorch has one setting for all threads.
static ALIVE: Mutex<usize> = Mutex::new(0);

impl Deterministic {
    /// Asks for them until it is dropped.
    ///
    /// # Panics
    /// If libtorch fails.
    pub fn algorithms() -> Deterministic {
        let mut alive = ALIVE.lock().unwrap_or_else(PoisonError::into_inner);
        if *alive == 0 {
            set(true);
        }
        *alive += 1;
        Deterministic(())
    }
}

impl Drop for Deterministic {
    fn drop(&mut self) {
        let mut alive = ALIVE.lock().unwrap_or_else(PoisonError::into_inner);
        *alive -= 1;
        if *alive == 0 {
            set(false);
        }
    }
}

fn set(deterministic: bool) {
    // SAFETY: the buffer has the stated capacity; the function does not throw.
    let done = checked(|error, capacity| unsafe { finesift_set_deterministic(deterministic, error, capacity) });
    done.unwrap_or_else(|error| panic!("{error}"));
}

unsafe extern "C" {
    fn finesift_set_deterministic(deterministic: bool, error: *mut c_char, capacity: usize) -> bool;
}
