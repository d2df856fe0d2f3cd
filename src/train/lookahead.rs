//! How many steps the host launches before it reads what they came to: whoever reads waits, and a device that is waited for
//! has nothing to do until the next step is launched.

use std::time::{Duration, Instant};

use tch::Device;

/// How often a GPU is waited for: too often to be seen on a screen, and too seldom to cost a hundredth of the time.
const EVERY: Duration = Duration::from_millis(100);

/// Steps at a time at most.
const MOST: usize = 64;

/// Steps ahead of what is known.
pub struct Lookahead {
    every: Duration,
    /// When the first step that is not read was launched.
    since: Instant,
    /// How many to launch before they are read.
    steps: usize,
}

impl Lookahead {
    /// Before the first step, with numbers to be read so often. Left to the device, a CPU goes ahead of nothing: it has taken a
    /// step when that is launched.
    pub fn new(every: Option<Duration>, device: Device) -> Lookahead {
        let every = every.unwrap_or(if device == Device::Cpu { Duration::ZERO } else { EVERY });
        Lookahead { every, since: Instant::now(), steps: 1 }
    }

    /// Notes that a step is launched while so many are not read.
    pub fn launching(&mut self, unread: usize) {
        if unread == 0 {
            self.since = Instant::now();
        }
    }

    /// Whether so many are enough.
    pub fn enough(&self, unread: usize) -> bool {
        unread >= self.steps
    }

    /// Notes that so many were read. How long each took.
    pub fn read(&mut self, steps: usize) -> Duration {
        let took = self.since.elapsed() / steps.max(1) as u32;
        let fit = self.every.as_nanos() / took.as_nanos().max(1);
        self.steps = usize::try_from(fit).unwrap_or(MOST).clamp(1, MOST);
        took
    }
}
