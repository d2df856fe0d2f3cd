//! A second way to a trainer, for front ends in other processes.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, MutexGuard, Weak, mpsc};

use tokio::sync::Semaphore;
use tokio::sync::broadcast::{self, error::RecvError};

use super::{Order, SharedLog};
use crate::protocol::{Command, Event};
use crate::runs::EventLog;

/// CommandQueue that may wait of all that come by taps: whoever is at the other end need not mean well.
const ORDERS: usize = 64;

/// A second way to a trainer. It holds up neither the trainer nor its end.
pub struct Tap {
    told: broadcast::Receiver<TapEvent>,
    log: SharedLog,
    orders: Weak<mpsc::Sender<Order>>,
    places: Arc<Semaphore>,
    left_behind: Arc<AtomicBool>,
}

/// What a tap learns of an event.
#[derive(Clone, Debug)]
pub enum TapEvent {
    /// The run's file has whole events up to this byte.
    Written(u64),
    /// An event that is in no file: there is none yet, or the disk is full.
    Unwritten(Arc<Event>),
}

impl Tap {
    pub(super) fn new(
        told: broadcast::Receiver<TapEvent>,
        log: SharedLog,
        orders: Weak<mpsc::Sender<Order>>,
        left_behind: Arc<AtomicBool>,
    ) -> Tap {
        Tap { told, log, orders, places: Arc::new(Semaphore::new(ORDERS)), left_behind }
    }

    /// Another of the same, which learns what is told from now on.
    pub fn another(&self) -> Tap {
        Tap {
            told: self.told.resubscribe(),
            log: self.log.clone(),
            orders: self.orders.clone(),
            places: self.places.clone(),
            left_behind: self.left_behind.clone(),
        }
    }

    /// Bytes of the run's file so far; `None` as long as there is none.
    pub fn written(&self) -> Option<u64> {
        self.log().as_ref().map(EventLog::length)
    }

    /// Bytes of the run's file that were there before; `None` as long as there is none.
    pub fn opened_at(&self) -> Option<u64> {
        self.log().as_ref().map(EventLog::opened_at)
    }

    /// Whether another process takes the run up.
    pub fn left_behind(&self) -> bool {
        self.left_behind.load(Ordering::SeqCst)
    }

    /// The next that is told; `None` when nobody is left to tell anything. Who is slow misses notes, and the next one
    /// covers them. Dropping the future loses nothing.
    pub async fn next(&mut self) -> Option<TapEvent> {
        loop {
            match self.told.recv().await {
                Ok(told) => return Some(told),
                Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => return None,
            }
        }
    }

    /// Passes on an order. `false` if too many wait already, or if nobody is left to obey.
    pub fn send(&self, command: Command) -> bool {
        let (Some(orders), Ok(place)) = (self.orders.upgrade(), self.places.clone().try_acquire_owned()) else {
            return false;
        };
        orders.send((command, Some(place))).is_ok()
    }

    fn log(&self) -> MutexGuard<'_, Option<EventLog>> {
        self.log.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}
