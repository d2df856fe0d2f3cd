//! Where the time of a method's steps goes, as a table: each group with its longest operators.

use std::fmt::Write as _;

use crate::bench::Report;
use crate::bench::profile::{GroupProfile, OperatorProfile};
use crate::quantity::grouped;
use crate::text::fitted_end;
use crate::ui::Charset;

/// Operators of a group that have a line of their own, at most.
const LINES: usize = 12;

/// Shorter operators of a group share a line: of the step's time.
const SMALLEST: f64 = 0.005;

/// Cells of a name: libtorch has long ones.
const NAME: usize = 60;

/// Writes the table of a method that was profiled.
pub(super) fn write(report: &Report, text: &mut String) {
    let Some(profile) = &report.profile else { return };
    let plural = if profile.steps == 1 { "step" } else { "steps" };
    let _ = writeln!(text, "\n{}, mean of {} profiled {plural}", report.method, profile.steps);
    let _ = writeln!(
        text,
        "{:NAME$} {:>9} {:>8} {:>7} {:>11} {:>9}",
        "", "ms/step", "share", "calls", "page faults", "system ms"
    );
    let row = |name: &str, calls: Option<f64>, seconds: f64, faults: f64, system: f64| Row {
        name: name.to_owned(),
        calls,
        seconds,
        share: seconds / profile.seconds.max(f64::MIN_POSITIVE),
        faults,
        system,
    };
    for group in profile.groups.iter().filter(|group| !group.operators.is_empty()) {
        row(group.group.name(), None, group.seconds, group.page_faults, group.system).write(text);
        for part in parts(group, profile.seconds) {
            row(&format!("  {}", part.name), Some(part.calls), part.seconds, part.page_faults, part.system).write(text);
        }
    }
    row("step", None, profile.seconds, profile.page_faults, profile.system).write(text);
    let _ = write!(text, "  {} ms of processor time on all threads", milliseconds(profile.processor));
    let _ = match report.median {
        Some(median) => {
            let more = 100.0 * (profile.seconds / median - 1.0);
            writeln!(text, "; a timed step takes {} ms, a profiled one {more:+.1} %", milliseconds(median))
        }
        None => writeln!(text),
    };
}

/// The operators of a group that take a share of a step of so many seconds worth a line, and one for all others. What is outside of
/// operators has no parts.
fn parts(group: &GroupProfile, step: f64) -> Vec<OperatorProfile> {
    let all = if group.operators.len() > 1 { &group.operators[..] } else { &[] };
    let large = all.iter().take(LINES).take_while(|part| part.seconds >= SMALLEST * step).count();
    let (large, small) = all.split_at(large);
    let mut parts = large.to_vec();
    match small {
        [] => {}
        [one] => parts.push(one.clone()),
        several => {
            let sum = |of: fn(&OperatorProfile) -> f64| several.iter().map(of).sum::<f64>();
            parts.push(OperatorProfile {
                name: format!("{} others", several.len()),
                calls: sum(|part| part.calls),
                seconds: sum(|part| part.seconds),
                page_faults: sum(|part| part.page_faults),
                system: sum(|part| part.system),
            });
        }
    }
    parts
}

struct Row {
    name: String,
    /// None for a group.
    calls: Option<f64>,
    seconds: f64,
    share: f64,
    faults: f64,
    system: f64,
}

impl Row {
    fn write(self, text: &mut String) {
        let Row { name, calls, seconds, share, faults, system } = self;
        let name = fitted_end(&name, NAME, Charset::of_environment().is_ascii());
        let (time, system, share) = (milliseconds(seconds), milliseconds(system), format!("{:.1} %", 100.0 * share));
        let calls = calls.map_or(String::new(), count);
        let _ = writeln!(text, "{name} {time:>9} {share:>8} {calls:>7} {:>11} {system:>9}", count(faults));
    }
}

fn milliseconds(seconds: f64) -> String {
    format!("{:.1}", 1e3 * seconds)
}

fn count(number: f64) -> String {
    grouped(number.round() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::profile::Group;

    #[test]
    fn small_operators_share_a_line() {
        let operator = |name: &str, seconds: f64| OperatorProfile {
            name: name.to_owned(),
            calls: 2.0,
            seconds,
            page_faults: 3.0,
            system: seconds / 2.0,
        };
        let group = |operators: Vec<OperatorProfile>| GroupProfile {
            group: Group::Products,
            seconds: 0.0,
            share: 0.0,
            page_faults: 0.0,
            system: 0.0,
            operators,
        };
        let names =
            |group: &GroupProfile| -> Vec<String> { parts(group, 1.0).into_iter().map(|part| part.name).collect() };
        let mixed = group(vec![operator("a", 0.5), operator("b", 0.004), operator("c", 0.003)]);
        assert_eq!(names(&mixed), ["a", "2 others"]);
        let others = &parts(&mixed, 1.0)[1];
        assert_eq!((others.calls, others.seconds, others.page_faults, others.system), (4.0, 0.007, 6.0, 0.0035));
        assert_eq!(names(&group(vec![operator("a", 0.5), operator("b", 0.004)])), ["a", "b"]);
        assert!(names(&group(vec![operator("outside operators", 0.5)])).is_empty());
        let many = (0..20).map(|number| operator(&number.to_string(), 0.05)).collect();
        assert_eq!((names(&group(many)).len(), LINES), (13, 12));
    }
}
