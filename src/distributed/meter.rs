//! What a rank has done so far, counted where it is done and read by another thread.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Counters of a rank. They only grow.
#[derive(Default)]
pub(super) struct Meter {
    bytes: AtomicU64,
    waited: AtomicU64,
    exchanging: AtomicU64,
    steps: Mutex<Steps>,
}

/// What operations of all ranks have taken so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Exchanged {
    /// Bytes of the tensors that this rank gave to be reduced or gathered.
    pub bytes: u64,
    /// How long what it computes had to wait for them.
    pub waited: Duration,
    /// How long the operations were under way, whether anything waited for them meanwhile or not.
    pub took: Duration,
}

/// The optimizer steps of this process, without what is done between them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Steps {
    pub count: u64,
    /// The number of the latest, from 1; 0 before the first.
    pub last: u64,
    /// Tokens of the rank's own parts of the batches, padding excluded.
    pub tokens: u64,
    pub time: Duration,
    pub exchanged: Exchanged,
}

/// The beginning of a step.
pub struct StepBegin {
    at: Instant,
    exchanged: Exchanged,
}

impl StepBegin {
    /// What was exchanged before.
    pub(super) fn exchanged(&self) -> &Exchanged {
        &self.exchanged
    }
}

impl Meter {
    /// Counts a tensor that is reduced or gathered.
    pub fn count_bytes(&self, bytes: u64) {
        self.bytes.fetch_add(bytes, Relaxed);
    }

    /// Counts an operation that took so long, and was waited for so long.
    pub fn count_operation(&self, took: Duration, waited: Duration) {
        let nanoseconds = |duration: Duration| u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        self.exchanging.fetch_add(nanoseconds(took), Relaxed);
        self.waited.fetch_add(nanoseconds(waited), Relaxed);
    }

    /// What was exchanged so far.
    pub fn exchanged(&self) -> Exchanged {
        Exchanged {
            bytes: self.bytes.load(Relaxed),
            waited: Duration::from_nanos(self.waited.load(Relaxed)),
            took: Duration::from_nanos(self.exchanging.load(Relaxed)),
        }
    }

    pub fn begin_step(&self) -> StepBegin {
        StepBegin { at: Instant::now(), exchanged: self.exchanged() }
    }

    /// Counts a step that ends now, with its number from 1, on so many tokens.
    pub fn end_step(&self, begin: &StepBegin, step: u64, tokens: u64) {
        self.count_step(step, tokens, begin.at.elapsed(), self.exchanged().since(&begin.exchanged));
    }

    /// Counts a step that has taken so long.
    pub fn count_step(&self, step: u64, tokens: u64, time: Duration, exchanged: Exchanged) {
        let mut steps = self.locked();
        steps.count += 1;
        steps.last = step;
        steps.tokens += tokens;
        steps.time += time;
        steps.exchanged.bytes += exchanged.bytes;
        steps.exchanged.waited += exchanged.waited;
        steps.exchanged.took += exchanged.took;
    }

    /// The steps so far.
    pub fn steps(&self) -> Steps {
        *self.locked()
    }

    /// Nobody else has it but a thread that reads it once a second.
    fn locked(&self) -> MutexGuard<'_, Steps> {
        self.steps.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Exchanged {
    /// What was exchanged since an earlier time.
    pub fn since(&self, earlier: &Exchanged) -> Exchanged {
        Exchanged {
            bytes: self.bytes.saturating_sub(earlier.bytes),
            waited: self.waited.saturating_sub(earlier.waited),
            took: self.took.saturating_sub(earlier.took),
        }
    }
}

impl Steps {
    /// The steps since an earlier time.
    pub fn since(&self, earlier: &Steps) -> Steps {
        Steps {
            count: self.count.saturating_sub(earlier.count),
            last: self.last,
            tokens: self.tokens.saturating_sub(earlier.tokens),
            time: self.time.saturating_sub(earlier.time),
            exchanged: self.exchanged.since(&earlier.exchanged),
        }
    }
}
