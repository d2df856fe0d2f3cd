//! Self times: nested sections on one thread, each with its own cost, without that of the sections in it.

use std::collections::HashMap;
use std::ops::{AddAssign, Sub};

use serde::{Deserialize, Serialize};

use super::group::{Group, Section};

/// A reading of the clock and of the process's counters, or the difference of two.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cost {
    pub nanoseconds: u64,
    /// Minor page faults of all threads.
    pub page_faults: u64,
    /// Processor time of all threads in the system. The kernel samples it, a few hundred times a second.
    pub system_nanoseconds: u64,
}

impl AddAssign for Cost {
    fn add_assign(&mut self, other: Cost) {
        self.nanoseconds += other.nanoseconds;
        self.page_faults += other.page_faults;
        self.system_nanoseconds += other.system_nanoseconds;
    }
}

impl Sub for Cost {
    type Output = Cost;

    fn sub(self, other: Cost) -> Cost {
        Cost {
            nanoseconds: self.nanoseconds.saturating_sub(other.nanoseconds),
            page_faults: self.page_faults.saturating_sub(other.page_faults),
            system_nanoseconds: self.system_nanoseconds.saturating_sub(other.system_nanoseconds),
        }
    }
}

/// What the sections of one name cost in a step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    pub name: String,
    pub group: Group,
    pub calls: u64,
    /// Without the sections within it.
    pub own: Cost,
}

/// Records the sections of one step.
pub struct Recorder {
    tallies: Vec<Tally>,
    /// Their numbers by name.
    numbers: HashMap<String, usize>,
    /// The sections that have begun and not ended, the step first.
    open: Vec<Open>,
}

struct Open {
    /// Number of its tally.
    tally: usize,
    start: Cost,
    /// Cost of the sections in it that have ended.
    inner: Cost,
}

impl Recorder {
    /// Begins the step.
    pub fn start(now: Cost) -> Recorder {
        let mut recorder = Recorder { tallies: Vec::new(), numbers: HashMap::new(), open: Vec::new() };
        recorder.enter(Section::Step, now);
        recorder
    }

    /// Begins a section within the one that began last. An operator within a span is part of it: AdamW is many operators.
    pub fn enter(&mut self, section: Section<'_>, now: Cost) {
        let within = self.open.last().map(|open| open.tally);
        let span = within.filter(|tally| self.tallies[*tally].group == Group::Method);
        let tally = match (span, section) {
            (Some(span), Section::Operator(_)) => span,
            _ => self.call(section),
        };
        self.open.push(Open { tally, start: now, inner: Cost::default() });
    }

    /// Ends the section that began last.
    pub fn leave(&mut self, now: Cost) {
        // The step itself ends with the recording.
        if self.open.len() > 1 {
            self.close(now);
        }
    }

    /// Ends the step. The costs of all tallies add up to its own from start to end.
    pub fn finish(mut self, now: Cost) -> Vec<Tally> {
        while !self.open.is_empty() {
            self.close(now);
        }
        self.tallies
    }

    fn close(&mut self, now: Cost) {
        let Some(Open { tally, start, inner }) = self.open.pop() else { return };
        let whole = now - start;
        self.tallies[tally].own += whole - inner;
        if let Some(outer) = self.open.last_mut() {
            outer.inner += whole;
        }
    }

    /// Counts a call and returns the number of its tally.
    fn call(&mut self, section: Section<'_>) -> usize {
        let name = match section {
            Section::Operator(name) | Section::Span(name) => name,
            Section::Step => "outside operators",
        };
        let number = match self.numbers.get(name) {
            Some(number) => *number,
            None => {
                let number = self.tallies.len();
                let (name, group) = (name.to_owned(), Group::of(section));
                self.numbers.insert(name.clone(), number);
                self.tallies.push(Tally { name, group, calls: 0, own: Cost::default() });
                number
            }
        };
        self.tallies[number].calls += 1;
        number
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(nanoseconds: u64) -> Cost {
        Cost { nanoseconds, page_faults: nanoseconds / 10, system_nanoseconds: nanoseconds / 2 }
    }

    fn own(tallies: &[Tally], name: &str) -> (u64, u64, u64) {
        let tally = tallies.iter().find(|tally| tally.name == name).unwrap();
        (tally.calls, tally.own.nanoseconds, tally.own.page_faults)
    }

    #[test]
    fn a_section_is_charged_without_those_in_it() {
        let mut recorder = Recorder::start(at(0));
        recorder.enter(Section::Operator("aten::linear"), at(100));
        recorder.enter(Section::Operator("aten::addmm"), at(120));
        recorder.leave(at(420));
        recorder.enter(Section::Operator("aten::addmm"), at(430));
        recorder.leave(at(530));
        recorder.leave(at(600));
        let tallies = recorder.finish(at(1000));
        assert_eq!(own(&tallies, "aten::addmm"), (2, 400, 40));
        assert_eq!(own(&tallies, "aten::linear"), (1, 100, 10));
        assert_eq!(own(&tallies, "outside operators"), (1, 500, 50));
    }

    #[test]
    fn operators_within_a_span_are_part_of_it() {
        let mut recorder = Recorder::start(at(0));
        recorder.enter(Section::Span("adamw"), at(10));
        recorder.enter(Section::Operator("aten::mul"), at(20));
        recorder.enter(Section::Operator("aten::empty"), at(25));
        recorder.leave(at(30));
        recorder.leave(at(40));
        recorder.enter(Section::Span("write weights"), at(50));
        recorder.leave(at(70));
        recorder.leave(at(100));
        recorder.enter(Section::Operator("aten::mul"), at(110));
        recorder.leave(at(120));
        let tallies = recorder.finish(at(120));
        assert_eq!(own(&tallies, "adamw"), (1, 70, 7));
        assert_eq!(own(&tallies, "write weights"), (1, 20, 2));
        assert_eq!(own(&tallies, "aten::mul"), (1, 10, 1));
        assert_eq!((tallies.len(), own(&tallies, "outside operators").1), (4, 20));
    }

    #[test]
    fn sections_that_begin_before_or_end_after_the_step_change_no_sum() {
        let mut recorder = Recorder::start(at(100));
        recorder.leave(at(110));
        recorder.enter(Section::Operator("aten::mm"), at(120));
        recorder.enter(Section::Operator("aten::empty"), at(130));
        let tallies = recorder.finish(at(200));
        assert_eq!(own(&tallies, "aten::empty").1 + own(&tallies, "aten::mm").1, 80);
        assert_eq!(own(&tallies, "outside operators").1, 20);
    }

    proptest! {
        #[test]
        fn all_costs_add_up_to_the_step(moves in prop::collection::vec((0u8..4, 0u64..1000), 0..200)) {
            let mut now = 7;
            let mut recorder = Recorder::start(at(now));
            for (what, time) in moves {
                now += time;
                match what {
                    0 => recorder.enter(Section::Operator("aten::mm"), at(now)),
                    1 => recorder.enter(Section::Span("adamw"), at(now)),
                    _ => recorder.leave(at(now)),
                }
            }
            let tallies = recorder.finish(at(now));
            let mut sum = Cost::default();
            tallies.iter().for_each(|tally| sum += tally.own);
            prop_assert_eq!(sum, at(now) - at(7));
        }
    }
}
