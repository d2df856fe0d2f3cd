//! How many tensor operations the methods' steps are made of, as a table.

use std::fmt::Write as _;

use crate::bench::Report;
use crate::bench::operations::Operations;

/// Names of a part that are listed.
const NAMES: usize = 8;

/// Writes the table of the methods whose operations were counted.
pub(super) fn write(reports: &[Report], text: &mut String) {
    let counted: Vec<(&Report, &Operations)> =
        reports.iter().filter_map(|report| Some((report, report.operations.as_ref()?))).collect();
    if counted.is_empty() {
        return;
    }
    text.push('\n');
    let _ = write!(text, "{:<22}", "operations per step");
    for part in &counted[0].1.parts {
        let _ = write!(text, " {:>9}", part.part.name());
    }
    let _ = writeln!(text, " {:>9} {:>10}", "total", "per layer");
    for (report, operations) in &counted {
        let _ = write!(text, "{:<22}", report.method);
        for part in &operations.parts {
            let _ = write!(text, " {:>9.1}", part.number);
        }
        let _ = writeln!(text, " {:>9.1} {:>10.1}", operations.total, operations.per_layer());
    }
    for (report, operations) in &counted {
        for part in operations.parts.iter().filter(|part| !part.names.is_empty()) {
            let listed = part.names.iter().take(NAMES);
            let mut names: Vec<String> = listed.map(|(name, number)| format!("{name} {number:.1}")).collect();
            let others: f64 = part.names.iter().skip(NAMES).map(|(_, number)| number).sum();
            if others > 0.0 {
                names.push(format!("others {others:.1}"));
            }
            let _ = writeln!(text, "{} of {}: {}", part.part.name(), report.method, names.join(", "));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::operations::{PartOperations, StepPart};

    #[test]
    fn frequent_operations_are_named_and_others_summed() {
        let names: Vec<(String, f64)> =
            (0..10).map(|number| (format!("aten::op{number}"), 10.0 - number as f64)).collect();
        let operations = Operations {
            steps: 2,
            layers: 4,
            parts: vec![
                PartOperations { part: StepPart::Forward, number: 55.0, names },
                PartOperations { part: StepPart::Method, number: 0.0, names: Vec::new() },
            ],
            total: 55.0,
        };
        let report = Report { operations: Some(operations), ..Report::new("sift-sampled") };
        let mut text = String::new();
        write(&[report, Report::new("forward")], &mut text);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(
            lines[1].split_whitespace().collect::<Vec<_>>()[3..],
            ["forward", "method", "total", "per", "layer"]
        );
        assert_eq!(lines[2].split_whitespace().collect::<Vec<_>>(), ["sift-sampled", "55.0", "0.0", "55.0", "13.8"]);
        assert!(
            lines[3].starts_with("forward of sift-sampled: aten::op0 10.0, ") && lines[3].ends_with(", others 3.0")
        );
        assert_eq!(lines.len(), 4);
    }
}
