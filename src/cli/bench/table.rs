//! The table of a benchmark: the machine, then each method.

use std::fmt::Write as _;

use super::{operations_table, profile_table};
use crate::bench::{BenchMachine, Method, Report};
use crate::quantity::{bytes, grouped};

/// The machine, the methods, their losses, and where they were asked for the memory estimates and profiles.
pub(super) fn of(machine: &BenchMachine, reports: &[Report], plan: bool) -> String {
    let mut text = String::new();
    for (what, value) in machine.facts() {
        let _ = writeln!(text, "{what:<13} {value}");
    }
    text.push('\n');
    write_methods(reports, &mut text);
    for report in reports.iter().filter(|report| !report.losses.is_empty()) {
        let losses: Vec<String> = report.losses.iter().map(|loss| format!("{loss:.5}")).collect();
        let _ = writeln!(text, "losses of {}: {}", report.method, losses.join(" "));
    }
    if plan {
        reports.iter().for_each(|report| write_estimate(report, &mut text));
    }
    reports.iter().for_each(|report| profile_table::write(report, &mut text));
    operations_table::write(reports, &mut text);
    text
}

fn write_methods(reports: &[Report], text: &mut String) {
    let _ = writeln!(
        text,
        "{:<13} {:>14} {:>10} {:>10} {:>11} {:>9} {:>11} {:>11} {:>11} {:>11}",
        "method", "trainable", "s/step", "min", "tokens/s", "x forward", "peak", "above base", "base", "page faults"
    );
    let forward = reports.iter().find(|report| report.method == Method::Forward.name());
    let forward = forward.and_then(|report| report.median);
    let amount = |amount: Option<u64>| amount.map_or("-".into(), |amount| bytes(amount as f64));
    let number = |number: Option<f64>, decimals: usize| number.map_or("-".into(), |n| format!("{n:.decimals$}"));
    for report in reports {
        let base = report.start.as_ref().and_then(|start| start.base);
        let trained = report.start.as_ref().map_or("-".into(), |start| grouped(start.trained));
        let ratio = report.median.zip(forward).map(|(own, forward)| own / forward);
        let above = report.steps_peak.zip(base).map(|(peak, base)| peak.saturating_sub(base));
        let faults = report.minor_faults.map_or("-".into(), |faults| grouped(faults.round() as u64));
        let _ = writeln!(
            text,
            "{:<13} {trained:>14} {:>10} {:>10} {:>11} {:>9} {:>11} {:>11} {:>11} {faults:>11}",
            report.method,
            number(report.median, 4),
            number(report.min, 4),
            number(report.tokens_per_second, 0),
            number(ratio, 2),
            amount(report.steps_peak),
            amount(above),
            amount(base),
        );
        if report.major_faults > 0 {
            let faults = grouped(report.major_faults);
            let _ = writeln!(text, "  {faults} page faults of the timed steps read from a disk: is memory short?");
        }
        if let Some(error) = &report.failed {
            error.lines().for_each(|line| _ = writeln!(text, "  {line}"));
        }
    }
}

/// The estimate of a method's memory, part by part, and its error.
fn write_estimate(report: &Report, text: &mut String) {
    let Some(start) = report.start.as_ref().filter(|start| !start.plan.is_empty()) else { return };
    let _ = writeln!(text, "memory estimate of {}:", report.method);
    for part in start.plan.iter().filter(|part| part.bytes > 0) {
        let _ = writeln!(text, "  {:<18} {:>11}", part.part, bytes(part.bytes as f64));
    }
    let _ = write!(text, "  {:<18} {:>11}", "total", bytes(report.estimate() as f64));
    let beside = |estimate: u64, measured: u64| 100.0 * (estimate as f64 / measured as f64 - 1.0);
    let _ = match report.steps_peak {
        Some(peak) => writeln!(text, ", measured {}: {:+.1} %", bytes(peak as f64), beside(report.estimate(), peak)),
        None => writeln!(text),
    };
    if let Some(counted) = report.tensors_peak {
        let estimate = report.estimated_tensors();
        let (off, counted) = (beside(estimate, counted), bytes(counted as f64));
        let estimate = bytes(estimate as f64);
        let _ = writeln!(text, "  {:<18} {estimate:>11}, counted {counted}: {off:+.1} %", "without weights");
    }
}
