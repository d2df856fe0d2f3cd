//! How many steps the host launches before it reads their results. Reading waits for the device, which then idles until
//! the next launch.

use std::time::{Duration, Instant};

use tch::Device;

/// How often results are read from a GPU: often enough for a live screen, and rarely enough to cost under 1 % of the time.
const GPU_INTERVAL: Duration = Duration::from_millis(100);

/// Steps at a time at most.
const MOST: usize = 64;

/// Decides when pending steps are read.
pub struct Lookahead {
    interval: Duration,
    /// When the first pending step was launched.
    since: Instant,
    /// Steps to launch before the next read.
    steps: usize,
}

impl Lookahead {
    /// Reads results at this interval; by default at one that suits the device. A CPU has computed a step when `launch`
    /// returns, so there every step is read at once.
    pub fn new(interval: Option<Duration>, device: Device) -> Lookahead {
        let interval = interval.unwrap_or(if device == Device::Cpu { Duration::ZERO } else { GPU_INTERVAL });
        Lookahead { interval, since: Instant::now(), steps: 1 }
    }

    /// Records a launch, while so many steps are pending.
    pub fn record_launch(&mut self, pending: usize) {
        if pending == 0 {
            self.since = Instant::now();
        }
    }

    /// Whether to read now, while so many steps are pending.
    pub fn is_due(&self, pending: usize) -> bool {
        pending >= self.steps
    }

    /// Records that so many steps were read. Returns the time of each.
    pub fn record_read(&mut self, steps: usize) -> Duration {
        let each = self.since.elapsed() / steps.max(1) as u32;
        let fit = self.interval.as_nanos() / each.as_nanos().max(1);
        self.steps = usize::try_from(fit).unwrap_or(MOST).clamp(1, MOST);
        each
    }
}
