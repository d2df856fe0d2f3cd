//! The time that passed before each event, as far as events say: steps carry training time, samples of the machine the time
//! of their process.

use crate::protocol::Event;

/// The clocks of a run at its latest event.
#[derive(Default)]
pub struct Timeline {
    /// Training time of the latest step.
    trained: f64,
    /// Time of the latest sample.
    sampled: f64,
    /// Seconds that passed in steps since that sample, which the next one spans too.
    since: f64,
}

impl Timeline {
    /// Seconds between the event before and this one.
    pub fn advance(&mut self, event: &Event) -> f64 {
        match event {
            Event::Step(step) => {
                let passed = forward(&mut self.trained, step.elapsed);
                self.since += passed;
                passed
            }
            Event::System(system) => {
                let passed = forward(&mut self.sampled, system.at);
                (passed - std::mem::take(&mut self.since)).max(0.0)
            }
            _ => 0.0,
        }
    }
}

/// Sets a clock and returns by how much it advanced. One that was set back, as in a resumed run, did not.
fn forward(clock: &mut f64, now: f64) -> f64 {
    if !now.is_finite() {
        return 0.0;
    }
    (now - std::mem::replace(clock, now)).max(0.0)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::protocol::{Step, System};
    use crate::runs::read_events;

    #[test]
    fn a_recorded_run_takes_the_time_it_took() {
        for (name, seconds) in [("demo", 38.0..46.0), ("resumed-twice", 240.0..450.0)] {
            let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/fixtures/runs/{name}.jsonl"));
            let mut timeline = Timeline::default();
            let total: f64 = read_events(&path).unwrap().iter().map(|event| timeline.advance(event)).sum();
            assert!(seconds.contains(&total), "{name}: {total} s");
        }
    }

    #[test]
    fn steps_and_samples_share_the_time_and_clocks_that_are_set_back_take_none() {
        let step = |elapsed| Event::Step(Step { elapsed, ..step() });
        let sample = |at| Event::System(System { at, ..System::default() });
        let mut timeline = Timeline::default();
        let passed =
            [step(2.0), sample(3.0), step(2.5), sample(4.0), sample(0.5), step(f64::NAN), step(1.0), sample(1.5)]
                .map(|event| timeline.advance(&event));
        assert_eq!(passed, [2.0, 1.0, 0.5, 0.5, 0.0, 0.0, 0.0, 1.0]);
    }

    fn step() -> Step {
        Step {
            step: 1,
            epoch: 0.0,
            loss: 0.0,
            learning_rate: 0.0,
            grad_norm: 0.0,
            tokens_per_second: 0.0,
            elapsed: 0.0,
            eta: None,
        }
    }
}
