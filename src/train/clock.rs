//! Time at work: what was paused does not count, neither in a run's duration nor in what is left of it.

use std::time::{Duration, Instant};

use crate::runs::checkpoint::ClockState;

/// Measures work.
pub struct Clock {
    started: Instant,
    /// Work of earlier sittings.
    before: Duration,
    paused: Duration,
    paused_since: Option<Instant>,
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
    /// Starts, or goes on where it stood.
    pub fn start(from: ClockState) -> Clock {
        Clock {
            started: Instant::now(),
            before: seconds(from.elapsed),
            paused: Duration::ZERO,
            paused_since: None,
            steps: Meter::of(from.steps),
            evaluations: Meter::of(from.evaluations),
        }
    }

    /// Where it stands.
    pub fn state(&self) -> ClockState {
        ClockState { elapsed: self.elapsed(), steps: self.steps.state(), evaluations: self.evaluations.state() }
    }

    /// Seconds of work so far.
    pub fn elapsed(&self) -> f64 {
        let now = self.paused_since.unwrap_or_else(Instant::now);
        (self.before + now.duration_since(self.started) - self.paused).as_secs_f64()
    }

    /// Stands still.
    pub fn pause(&mut self) {
        self.paused_since.get_or_insert_with(Instant::now);
    }

    /// Goes on.
    pub fn unpause(&mut self) {
        self.paused += self.paused_since.take().map_or(Duration::ZERO, |since| since.elapsed());
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

/// What a checkpoint says can be anything.
fn seconds(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds).unwrap_or_default().min(Duration::from_secs(1 << 40))
}

impl Meter {
    fn of((time, number): (f64, u32)) -> Meter {
        Meter { time: seconds(time), number }
    }

    fn state(&self) -> (f64, u32) {
        (self.time.as_secs_f64(), self.number)
    }

    fn add(&mut self, time: Duration) {
        self.time += time;
        self.number = self.number.saturating_add(1);
    }

    fn mean(&self) -> Option<f64> {
        (self.number > 0).then(|| self.time.as_secs_f64() / f64::from(self.number))
    }
}
