//! Pages of freed memory: kept for the next tensors while a computation runs, given back to the system when it ends.

use std::sync::{Mutex, MutexGuard, OnceLock};

/// An allocator whose treatment of freed memory can be changed while the program runs.
pub trait TunableAllocator: Sync {
    /// From now on, pages of freed memory stay resident.
    fn keep_pages(&self);

    /// From now on, pages of freed memory are given back some time after they were freed, as they are from the start.
    fn release_pages(&self);

    /// Gives all pages of freed memory back at once.
    fn purge(&self);
}

/// While one exists, freed memory stays resident: the next step of training needs as much, and the system would have to clear
/// every page again. When the last one is dropped, also by a panic, that ends. Each gives back what is free when it is
/// dropped. Without a [`TunableAllocator`] it does nothing.
#[must_use = "pages are kept until it is dropped"]
pub struct KeptPages<'a> {
    retention: &'a Retention,
}

/// Who keeps pages, of one allocator.
struct Retention {
    allocator: OnceLock<&'static dyn TunableAllocator>,
    guards: Mutex<usize>,
}

static RETENTION: Retention = Retention::new();

/// Names the allocator of the program, once, before the first [`KeptPages`].
pub fn set_allocator(allocator: &'static dyn TunableAllocator) {
    // A second one would be another allocator of the same program.
    let _ = RETENTION.allocator.set(allocator);
}

impl KeptPages<'static> {
    /// Begins to keep pages.
    pub fn start() -> KeptPages<'static> {
        RETENTION.keep()
    }
}

impl KeptPages<'_> {
    /// Gives back what is free now. Between two phases of a computation: the second needs memory of other sizes.
    pub fn purge(&self) {
        if let Some(allocator) = self.retention.allocator.get() {
            allocator.purge();
        }
    }
}

impl Drop for KeptPages<'_> {
    fn drop(&mut self) {
        let mut guards = self.retention.guards();
        *guards -= 1;
        let Some(allocator) = self.retention.allocator.get() else { return };
        if *guards == 0 {
            allocator.release_pages();
        }
        allocator.purge();
    }
}

impl Retention {
    const fn new() -> Retention {
        Retention { allocator: OnceLock::new(), guards: Mutex::new(0) }
    }

    fn keep(&self) -> KeptPages<'_> {
        let mut guards = self.guards();
        if *guards == 0
            && let Some(allocator) = self.allocator.get()
        {
            allocator.keep_pages();
        }
        *guards += 1;
        KeptPages { retention: self }
    }

    /// Locked while the allocator is changed, so that the last change is that of the count.
    fn guards(&self) -> MutexGuard<'_, usize> {
        self.guards.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use super::*;

    /// Writes down what it is asked.
    #[derive(Default)]
    struct Recorder(Mutex<Vec<&'static str>>);

    impl TunableAllocator for Recorder {
        fn keep_pages(&self) {
            self.0.lock().unwrap().push("keep");
        }

        fn release_pages(&self) {
            self.0.lock().unwrap().push("release");
        }

        fn purge(&self) {
            self.0.lock().unwrap().push("purge");
        }
    }

    fn recorded(work: impl FnOnce(&Retention)) -> Vec<&'static str> {
        let recorder: &'static Recorder = Box::leak(Box::default());
        let retention = Retention::new();
        assert!(retention.allocator.set(recorder).is_ok());
        work(&retention);
        recorder.0.lock().unwrap().clone()
    }

    #[test]
    fn pages_are_kept_until_the_guard_is_dropped() {
        let asked = recorded(|retention| {
            let pages = retention.keep();
            pages.purge();
        });
        assert_eq!(asked, ["keep", "purge", "release", "purge"]);
    }

    #[test]
    fn the_last_of_several_guards_ends_keeping() {
        let asked = recorded(|retention| {
            let first = retention.keep();
            let second = retention.keep();
            drop(first);
            drop(second);
            drop(retention.keep());
        });
        assert_eq!(asked, ["keep", "purge", "release", "purge", "keep", "release", "purge"]);
    }

    #[test]
    fn a_panic_ends_keeping() {
        let asked = recorded(|retention| {
            let computation = AssertUnwindSafe(|| {
                let _pages = retention.keep();
                panic!("a bug");
            });
            assert!(catch_unwind(computation).is_err());
            drop(retention.keep());
        });
        assert_eq!(asked, ["keep", "release", "purge", "keep", "release", "purge"]);
    }

    #[test]
    fn without_an_allocator_nothing_happens() {
        let retention = Retention::new();
        let pages = retention.keep();
        pages.purge();
        drop(pages);
        assert_eq!(*retention.guards(), 0);
    }
}
