//! What the stream of operations has come to, seen from a thread of its own: the training thread does not wait for it. Operations are
//! counted once they are done, and those that do not end, ended.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering::Acquire};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use super::communicator::Communicator;
use super::stream::{Context, Event};
use crate::distributed::DistributedError;
use crate::distributed::meter::Exchanged;
use crate::distributed::others::Others;

/// How often it looks.
const EVERY: Duration = Duration::from_millis(20);

/// How often it asks whether a rank has gone, once an operation takes that long.
const ASK: Duration = Duration::from_secs(1);

/// An operation on the stream.
pub struct Operation {
    pub begin: Event,
    pub end: Event,
    /// Where what is computed first needs it.
    pub needed: OnceLock<Event>,
}

/// What is watched, in the order of the stream.
pub enum Watched {
    /// A call that asks for an operation. NCCL may connect ranks within it, and waits for them.
    Call(Arc<AtomicBool>),
    Operation(Arc<Operation>),
    StepBegin(Event),
    StepEnd {
        end: Event,
        step: u64,
        tokens: u64,
        /// That were given to operations.
        bytes: u64,
    },
}

/// What the watching thread shares with that which starts operations.
pub struct Watch {
    pub communicator: Communicator,
    pub others: Arc<Others>,
    timeout: Duration,
    queue: Mutex<Queue>,
    changed: Condvar,
    failed: OnceLock<DistributedError>,
}

#[derive(Default)]
struct Queue {
    waiting: VecDeque<Watched>,
    closed: bool,
}

impl Watched {
    fn is_done(&self) -> Result<bool, String> {
        match self {
            Watched::Call(returned) => Ok(returned.load(Acquire)),
            Watched::Operation(operation) => operation.end.is_reached(),
            Watched::StepBegin(event) | Watched::StepEnd { end: event, .. } => event.is_reached(),
        }
    }

    /// Whether it is the other ranks that it waits for, and no longer what this one computes.
    fn waits_for_others(&self) -> Result<bool, String> {
        match self {
            Watched::Call(_) => Ok(true),
            Watched::Operation(operation) => operation.begin.is_reached(),
            Watched::StepBegin(_) | Watched::StepEnd { .. } => Ok(false),
        }
    }
}

impl Watch {
    /// Of operations that take no longer than this.
    pub fn new(communicator: Communicator, others: Arc<Others>, timeout: Duration) -> Watch {
        let (queue, changed, failed) = (Mutex::default(), Condvar::new(), OnceLock::new());
        Watch { communicator, others, timeout, queue, changed, failed }
    }

    /// Watches this too.
    pub fn add(&self, watched: Watched) {
        self.locked().waiting.push_back(watched);
        self.changed.notify_one();
    }

    /// Has the thread end.
    pub fn close(&self) {
        self.locked().closed = true;
        self.changed.notify_one();
    }

    /// Whether all operations have ended as they should so far.
    ///
    /// # Errors
    /// A rank that is gone or does not take part in time. What operations that had not ended by then have left is of no use.
    pub fn outcome(&self) -> Result<(), DistributedError> {
        self.failed.get().cloned().map_or(Ok(()), Err)
    }

    /// Ends all operations, for this reason.
    pub fn fail(&self, why: DistributedError) -> DistributedError {
        // Who reads what they have left finds the reason.
        let why = self.failed.get_or_init(|| why).clone();
        self.communicator.abort();
        why
    }

    /// Watches until it is closed or something fails.
    pub fn run(&self, context: Context) {
        let mut step = StepTimes::default();
        let watched = context.enter().map_err(DistributedError).and_then(|()| {
            while let Some(watched) = self.next() {
                if !self.until_done(&watched)? {
                    break;
                }
                self.count(watched, &mut step);
            }
            Ok(())
        });
        if let Err(error) = watched {
            self.fail(error);
        }
    }

    /// The next in the order of the stream, once there is one; `None` when the thread is to end.
    fn next(&self) -> Option<Watched> {
        let mut queue = self.locked();
        loop {
            if queue.closed {
                return None;
            }
            if let Some(watched) = queue.waiting.pop_front() {
                return Some(watched);
            }
            queue = self.changed.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Waits until it is done. Returns whether it is: the thread may be asked to end before.
    fn until_done(&self, watched: &Watched) -> Result<bool, DistributedError> {
        let mut waiting: Option<Instant> = None;
        let mut asked = Instant::now();
        while !watched.is_done().map_err(DistributedError)? {
            self.communicator.check().map_err(|error| self.others.explain(&error))?;
            if waiting.is_none() && watched.waits_for_others().map_err(DistributedError)? {
                waiting = Some(Instant::now());
            }
            let waited = waiting.map_or(Duration::ZERO, |since| since.elapsed());
            if waited > ASK && asked.elapsed() > ASK {
                self.others.check()?;
                asked = Instant::now();
            }
            if waited > self.timeout {
                let seconds = self.timeout.as_secs();
                return Err(self.others.explain(&format!("no sum of all ranks within {seconds} s")));
            }
            let queue = self.locked();
            if queue.closed {
                return Ok(false);
            }
            drop(self.changed.wait_timeout(queue, EVERY).unwrap_or_else(PoisonError::into_inner));
        }
        Ok(true)
    }

    fn count(&self, watched: Watched, step: &mut StepTimes) {
        let meter = &self.others.meter;
        match watched {
            Watched::Call(_) => {}
            Watched::Operation(operation) => {
                let Operation { begin, end, needed } = &*operation;
                let took = end.since(begin);
                // Before it is needed, nothing waits for it.
                let waited = needed.get().map_or(Duration::ZERO, |needed| end.since(needed));
                meter.count_operation(took, waited);
                step.took += took;
                step.waited += waited;
            }
            Watched::StepBegin(begin) => *step = StepTimes { begin: Some(begin), ..StepTimes::default() },
            Watched::StepEnd { end, step: number, tokens, bytes } => {
                let StepTimes { begin, took, waited } = std::mem::take(step);
                let time = begin.map_or(Duration::ZERO, |begin| end.since(&begin));
                meter.count_step(number, tokens, time, Exchanged { bytes, waited, took });
            }
        }
    }

    fn locked(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The step under way.
#[derive(Default)]
struct StepTimes {
    begin: Option<Event>,
    took: Duration,
    waited: Duration,
}
