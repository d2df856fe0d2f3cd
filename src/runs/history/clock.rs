//! The times that place points on the time axis, in seconds. They never decrease.

/// The clock of a run across its processes.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Clock {
    /// Training time, pauses excluded.
    pub trained: f64,
    /// Time of the latest sample of the machine, pauses included.
    pub sampled: f64,
    /// The greatest time of all, for the log.
    pub latest: f64,
    /// Time at which the current process began to sample.
    base: f64,
    /// The latest sample by the clock of its process.
    raw: f64,
}

impl Clock {
    pub fn on_step(&mut self, elapsed: f64) {
        self.trained = self.trained.max(elapsed);
        self.latest = self.latest.max(self.trained);
    }

    pub fn on_sample(&mut self, at: f64) {
        if at < self.raw {
            // Another process samples.
            self.base = self.base.max(self.sampled);
        }
        self.raw = at;
        self.sampled = self.sampled.max(self.base + at);
        self.latest = self.latest.max(self.sampled);
    }

    /// The clock of a run that starts again from step 0; only the log continues.
    pub fn restarted(&self) -> Clock {
        Clock { latest: self.latest, ..Clock::default() }
    }

    /// Continues after the last step and the last sample that were kept.
    pub fn on_resumed(&mut self, trained: f64, sampled: f64) {
        (self.trained, self.sampled) = (trained, sampled);
        self.base = trained.max(sampled);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_of_another_process_continue_after_those_before() {
        let mut clock = Clock::default();
        let mut times = Vec::new();
        let mut sample = |clock: &mut Clock, at: f64| {
            clock.on_sample(at);
            times.push(clock.sampled);
        };
        sample(&mut clock, 1.0);
        sample(&mut clock, 90.0);
        // The next process samples while it prepares, before it says that it has resumed the run.
        sample(&mut clock, 1.0);
        sample(&mut clock, 2.0);
        clock.on_resumed(60.0, 80.0);
        sample(&mut clock, 3.0);
        assert_eq!(times, [1.0, 90.0, 91.0, 92.0, 83.0]);
        assert_eq!(clock.latest, 92.0);
        // Pauses count for samples, but not for training.
        clock.on_step(61.0);
        assert_eq!((clock.trained, clock.latest), (61.0, 92.0));
    }
}
