//! Time at work: what was paused does not count, neither in a run's duration nor in what is left of it.

use std::time::{Duration, Instant};

/// Measures work.
pub struct Clock {
    started: Instant,
    paused: Duration,
    steps: Meter,
    evaluations: Meter,
}

/// How long one of a kind takes.
#[derive(Default)]
struct Meter {
    time: Duration,
    number: u32,
}

impl Clock {
    /// Starts.
    pub fn start() -> Clock {
        Clock {
            started: Instant::now(),
            paused: Duration::ZERO,
            steps: Meter::default(),
            evaluations: Meter::default(),
        }
    }

    /// Seconds of work so far.
    pub fn elapsed(&self) -> f64 {
        (self.started.elapsed() - self.paused).as_secs_f64()
    }

    /// Leaves out a pause.
    pub fn paused_for(&mut self, pause: Duration) {
        self.paused += pause;
    }

    /// Notes a step.
    pub fn step_took(&mut self, time: Duration) {
        self.steps.add(time);
    }

    /// Notes an evaluation.
    pub fn evaluation_took(&mut self, time: Duration) {
        self.evaluations.add(time);
    }

    /// Seconds that so many steps and evaluations will take. `None` before the first step; an evaluation is taken for
    /// nothing until there was one.
    pub fn eta(&self, steps: u64, evaluations: u64) -> Option<f64> {
        let step = self.steps.mean()?;
        Some(step * steps as f64 + self.evaluations.mean().unwrap_or(0.0) * evaluations as f64)
    }
}

impl Meter {
    fn add(&mut self, time: Duration) {
        self.time += time;
        self.number += 1;
    }

    fn mean(&self) -> Option<f64> {
        (self.number > 0).then(|| self.time.as_secs_f64() / f64::from(self.number))
    }
}
