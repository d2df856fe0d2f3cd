//! Where the time of a step goes: the self times of libtorch's operators and of our own spans, in groups.
//!
//! libtorch reports when each operator starts and ends, and `tracing` when each span does; both only while a step is recorded. The
//! clock is read on the thread that takes the step, so that all times add up to the step's. That thread waits for the threads of
//! an operator, so an operator's time includes them.

mod group;
mod record;
mod recorder;

use std::collections::HashMap;

use serde::Serialize;

pub use group::{Group, Section};
pub use record::{RecordedStep, record};
use recorder::{Cost, Tally};

/// Where the time of several steps went, as means per step.
#[derive(Clone, Debug, Serialize)]
pub struct Profile {
    /// Profiled steps.
    pub steps: usize,
    /// Seconds of a step: those of all groups together.
    pub seconds: f64,
    /// Seconds of processor time of all threads.
    pub processor: f64,
    /// Those of them in the system, for page faults and system calls.
    pub system: f64,
    pub page_faults: f64,
    /// In the order of [`Group::ALL`].
    pub groups: Vec<GroupProfile>,
}

/// The sections of a group.
#[derive(Clone, Debug, Serialize)]
pub struct GroupProfile {
    pub group: Group,
    pub seconds: f64,
    /// Of the step's seconds.
    pub share: f64,
    pub page_faults: f64,
    /// Seconds of processor time of all threads in the system.
    pub system: f64,
    /// The longest first.
    pub operators: Vec<OperatorProfile>,
}

/// The sections of one name.
#[derive(Clone, Debug, Serialize)]
pub struct OperatorProfile {
    pub name: String,
    pub calls: f64,
    /// Without the operators that it calls.
    pub seconds: f64,
    pub page_faults: f64,
    pub system: f64,
}

impl Profile {
    /// The mean of several steps; `None` of none.
    pub fn of(steps: &[&RecordedStep]) -> Option<Profile> {
        if steps.is_empty() {
            return None;
        }
        let mut sums: HashMap<&str, Tally> = HashMap::new();
        for tally in steps.iter().flat_map(|step| &step.tallies) {
            let sum = sums.entry(&tally.name);
            let sum = sum.or_insert_with(|| Tally { calls: 0, own: Cost::default(), ..tally.clone() });
            sum.calls += tally.calls;
            sum.own += tally.own;
        }
        let count = steps.len() as f64;
        let mut total = Cost::default();
        sums.values().for_each(|sum| total += sum.own);
        let seconds = |nanoseconds: u64| nanoseconds as f64 / 1e9 / count;
        let group = |group: Group| {
            let mut members: Vec<&Tally> = sums.values().filter(|sum| sum.group == group).collect();
            members.sort_by(|a, b| b.own.nanoseconds.cmp(&a.own.nanoseconds).then_with(|| a.name.cmp(&b.name)));
            let mut own = Cost::default();
            members.iter().for_each(|member| own += member.own);
            let operators = members.into_iter().map(|member| OperatorProfile {
                name: member.name.clone(),
                calls: member.calls as f64 / count,
                seconds: seconds(member.own.nanoseconds),
                page_faults: member.own.page_faults as f64 / count,
                system: seconds(member.own.system_nanoseconds),
            });
            GroupProfile {
                group,
                seconds: seconds(own.nanoseconds),
                share: own.nanoseconds as f64 / total.nanoseconds.max(1) as f64,
                page_faults: own.page_faults as f64 / count,
                system: seconds(own.system_nanoseconds),
                operators: operators.collect(),
            }
        };
        Some(Profile {
            steps: steps.len(),
            seconds: seconds(total.nanoseconds),
            processor: steps.iter().map(|step| step.processor).sum::<f64>() / count,
            system: seconds(total.system_nanoseconds),
            page_faults: total.page_faults as f64 / count,
            groups: Group::ALL.map(group).into(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tally(name: &str, group: Group, calls: u64, nanoseconds: u64, page_faults: u64) -> Tally {
        Tally {
            name: name.into(),
            group,
            calls,
            own: Cost { nanoseconds, page_faults, system_nanoseconds: nanoseconds / 10 },
        }
    }

    #[test]
    fn a_profile_is_the_mean_of_its_steps_in_groups() {
        let first = RecordedStep {
            tallies: vec![
                tally("outside operators", Group::Outside, 1, 1_000_000_000, 1),
                tally("aten::mm", Group::Products, 2, 2_000_000_000, 10),
            ],
            processor: 3.0,
        };
        let second = RecordedStep {
            tallies: vec![
                tally("aten::mm", Group::Products, 4, 2_000_000_000, 30),
                tally("aten::bmm", Group::Products, 1, 5_000_000_000, 0),
                tally("outside operators", Group::Outside, 1, 0, 0),
            ],
            processor: 5.0,
        };
        let profile = Profile::of(&[&first, &second]).unwrap();
        assert_eq!((profile.steps, profile.seconds, profile.processor), (2, 5.0, 4.0));
        assert_eq!((profile.system, profile.page_faults), (0.5, 20.5));
        let groups: Vec<(Group, f64)> = profile.groups.iter().map(|group| (group.group, group.seconds)).collect();
        assert_eq!(groups.len(), 6);
        assert_eq!(groups[0], (Group::Products, 4.5));
        assert_eq!(groups[5], (Group::Outside, 0.5));
        let products = &profile.groups[0];
        assert_eq!((products.share, products.page_faults), (0.9, 20.0));
        let names: Vec<(&str, f64)> = products.operators.iter().map(|op| (op.name.as_str(), op.calls)).collect();
        assert_eq!(names, [("aten::bmm", 0.5), ("aten::mm", 3.0)]);
        assert!(Profile::of(&[]).is_none());
    }
}
