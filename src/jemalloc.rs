//! jemalloc, the allocator of the program on Linux: how it is built in, and how it is tuned while the program runs.

use std::ffi::CString;
use std::ptr;

use finesift::system::{TunableAllocator, set_allocator};
use tikv_jemalloc_sys::mallctl;

/// Serves libtorch as well, which takes its tensors from `malloc`. Those of a step are of a few sizes, large, and gone when it
/// ends; glibc scatters them so that a third more memory is held than is in use.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// - `oversize_threshold`: large tensors share the arenas of all others, up to 1 TiB. 0 would say so too, but jemalloc 5.3.1 leaves
///   the arena of the main thread at 8 MiB then, and gives what it frees of that size back at once.
/// - `lg_extent_max_active_fit`: freed memory of any size may be split for a smaller tensor and merged with its neighbours.
///   By default the memory of logits waits unused for the next logits.
/// - `cache_oblivious`: no tensor is shifted by a page for the sake of caches. Shifted ones leave holes that the next tensor of
///   their size does not fit.
/// - `dirty_decay_ms`: outside of computations, freed memory waits a minute for its next use.
// SAFETY: the name and type are those that jemalloc looks for, a pointer to text that ends in a zero byte, and nothing else
// defines it.
#[unsafe(export_name = "malloc_conf")]
pub static MALLOC_CONF: &[u8; 104] =
    b"oversize_threshold:1099511627776,lg_extent_max_active_fit:20,cache_oblivious:false,dirty_decay_ms:60000\0";

/// `dirty_decay_ms` that keeps dirty pages, those of freed memory, for good.
const NEVER: isize = -1;

/// The index that stands for all arenas, where a setting accepts it.
const ALL_ARENAS: u32 = 4096;

/// Lets computations keep pages, unless the user has set how long they are kept.
pub fn tune() {
    let settings = std::env::var("MALLOC_CONF").unwrap_or_default();
    if !settings.split(',').any(|setting| setting.trim().starts_with("dirty_decay_ms:")) {
        set_allocator(&Jemalloc);
    }
}

struct Jemalloc;

impl TunableAllocator for Jemalloc {
    fn keep_pages(&self) {
        set_decay(NEVER);
    }

    fn release_pages(&self) {
        if let Some(from_the_start) = read("opt.dirty_decay_ms") {
            set_decay(from_the_start);
        }
    }

    fn purge(&self) {
        call(&format!("arena.{ALL_ARENAS}.purge"));
    }
}

/// Sets `dirty_decay_ms` of all arenas. New threads may get new arenas: their default comes first, so that none is missed.
fn set_decay(milliseconds: isize) {
    write("arenas.dirty_decay_ms", milliseconds);
    for arena in 0..read::<u32>("arenas.narenas").unwrap_or(0) {
        // Fails for an arena that no thread uses yet, which will get the default.
        write(&format!("arena.{arena}.dirty_decay_ms"), milliseconds);
    }
}

/// The value of a setting whose type in C is that of `T`; `None` if there is no such setting.
fn read<T: Copy + Default>(name: &str) -> Option<T> {
    let (name, mut value, mut size) = (CString::new(name).ok()?, T::default(), size_of::<T>());
    // SAFETY: name, value and its size are valid for the call; jemalloc refuses another size than that of its type.
    let status = unsafe { mallctl(name.as_ptr(), (&raw mut value).cast(), &raw mut size, ptr::null_mut(), 0) };
    (status == 0).then_some(value)
}

/// Changes a setting. Returns whether there is one of that name and type.
fn write<T: Copy>(name: &str, mut value: T) -> bool {
    let Ok(name) = CString::new(name) else { return false };
    // SAFETY: as for reading.
    let status =
        unsafe { mallctl(name.as_ptr(), ptr::null_mut(), ptr::null_mut(), (&raw mut value).cast(), size_of::<T>()) };
    status == 0
}

/// Performs an action. Returns whether there is one of that name.
fn call(name: &str) -> bool {
    let Ok(name) = CString::new(name) else { return false };
    // SAFETY: an action takes no values.
    unsafe { mallctl(name.as_ptr(), ptr::null_mut(), ptr::null_mut(), ptr::null_mut(), 0) == 0 }
}

#[cfg(test)]
mod tests {
    use std::hint::black_box;
    use std::panic::catch_unwind;
    use std::sync::{Mutex, MutexGuard, PoisonError};

    use finesift::system::{KeptPages, ResourceUsage, resident};

    use super::*;

    const SIZE: usize = 256 << 20;
    /// What other threads of the tests may allocate meanwhile.
    const TOLERANCE: u64 = 64 << 20;

    /// The tests change settings of the whole process.
    fn turn() -> MutexGuard<'static, ()> {
        static TURN: Mutex<()> = Mutex::new(());
        tune();
        TURN.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Allocates memory, writes to each page, and frees it.
    fn touch(bytes: usize) {
        drop(black_box(vec![1u8; bytes]));
    }

    fn resident() -> u64 {
        resident::resident().unwrap()
    }

    /// `dirty_decay_ms` of the arena of this thread.
    fn decay() -> isize {
        let arena: u32 = read("thread.arena").unwrap();
        read(&format!("arena.{arena}.dirty_decay_ms")).unwrap()
    }

    fn decay_of_new_threads() -> Vec<isize> {
        let threads: Vec<_> = (0..16).map(|_| std::thread::spawn(decay)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    }

    #[test]
    fn the_built_in_settings_are_accepted() {
        let _turn = turn();
        assert_eq!(read::<isize>("opt.dirty_decay_ms"), Some(60_000));
        assert_eq!(read::<isize>("opt.lg_extent_max_active_fit"), Some(20));
        assert_eq!(read::<bool>("opt.cache_oblivious"), Some(false));
        assert_eq!(read::<usize>("arena.0.oversize_threshold"), Some(1 << 40));
        assert_eq!((read::<isize>("opt.no_such_setting"), read::<u32>("opt.dirty_decay_ms")), (None, None));
    }

    #[test]
    fn all_threads_keep_pages_while_there_is_a_guard() {
        let _turn = turn();
        assert_eq!(decay(), 60_000);
        let pages = KeptPages::start();
        assert_eq!(decay(), NEVER);
        assert!(decay_of_new_threads().iter().all(|decay| *decay == NEVER));
        drop(pages);
        assert_eq!(decay(), 60_000);
        assert!(decay_of_new_threads().iter().all(|decay| *decay == 60_000));
        let panicked = catch_unwind(|| {
            let _pages = KeptPages::start();
            assert_ne!(decay(), NEVER, "a panic while pages are kept");
        });
        assert!(panicked.is_err());
        assert_eq!(decay(), 60_000);
    }

    #[test]
    fn kept_pages_are_used_again_and_given_back_at_the_end() {
        let _turn = turn();
        let before = resident();
        let pages = KeptPages::start();
        touch(SIZE);
        assert!(resident() >= before + SIZE as u64 - TOLERANCE);
        let usage = ResourceUsage::now();
        touch(SIZE / 2);
        let faults = (ResourceUsage::now() - usage).minor_faults;
        assert!(faults < (SIZE / 2 / 4096 / 10) as u64, "{faults} page faults");
        pages.purge();
        assert!(resident() <= before + TOLERANCE);
        touch(SIZE);
        assert!(resident() >= before + SIZE as u64 - TOLERANCE);
        drop(pages);
        assert!(resident() <= before + TOLERANCE);
    }
}
