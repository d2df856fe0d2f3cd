//! Training time: pauses count neither in a run's duration nor in its remaining time.

use std::time::{Duration, Instant};

use crate::runs::checkpoint::ClockState;

/// Measures training time.
pub struct Clock {
    started: Instant,
    /// Training time before the latest resume.
    before: Duration,
    paused: Duration,
    paused_since: Option<Instant>,
    steps: Meter,
    evaluations: Meter,
}

/// The mean duration of a step or an evaluation.
#[derive(Default)]
struct Meter {
    time: Duration,
    number: u32,
}

impl Clock {
    /// Starts, or continues from the state in a checkpoint.
    pub fn start(state: ClockState) -> Clock {
        Clock {
            started: Instant::now(),
            before: seconds(state.elapsed),
            paused: Duration::ZERO,
            paused_since: None,
            steps: Meter::of(state.steps),
            evaluations: Meter::of(state.evaluations),
        }
    }

    /// The state for a checkpoint.
    pub fn state(&self) -> ClockState {
        ClockState { elapsed: self.elapsed(), steps: self.steps.state(), evaluations: self.evaluations.state() }
    }

    /// Seconds of training time so far.
    pub fn elapsed(&self) -> f64 {
        let now = self.paused_since.unwrap_or_else(Instant::now);
        (self.before + now.duration_since(self.started) - self.paused).as_secs_f64()
    }

    pub fn pause(&mut self) {
        self.paused_since.get_or_insert_with(Instant::now);
    }

    pub fn resume(&mut self) {
        self.paused += self.paused_since.take().map_or(Duration::ZERO, |since| since.elapsed());
    }

    /// Records the duration of a step.
    pub fn record_step(&mut self, time: Duration) {
        self.steps.add(time);
    }

    /// Records the duration of an evaluation.
    pub fn record_evaluation(&mut self, time: Duration) {
        self.evaluations.add(time);
    }

    /// Estimated seconds for so many steps and evaluations. `None` before the first step; evaluations count from the first
    /// one on.
    pub fn eta(&self, steps: u64, evaluations: u64) -> Option<f64> {
        let step = self.steps.mean()?;
        Some(step * steps as f64 + self.evaluations.mean().unwrap_or(0.0) * evaluations as f64)
    }
}

/// A checkpoint may contain any number.
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
