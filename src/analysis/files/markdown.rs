//! A report as Markdown: findings, figures as links to their pictures, tables and notes.

use std::fmt::Write;

use crate::analysis::report::{Report, Table};

pub(super) fn report(report: &Report) -> String {
    let mut text = format!("# {}: {}\n", escaped(&report.kind), escaped(&report.subject));
    list(&mut text, &report.findings);
    for figure in &report.figures {
        let _ = write!(text, "\n![{}]({}.svg)\n", escaped(&figure.title), figure.name);
    }
    for table in &report.tables {
        let _ = write!(text, "\n## {}\n\n", escaped(&table.title));
        rows(&mut text, table);
    }
    if !report.notes.is_empty() {
        text.push_str("\n## Notes\n");
        list(&mut text, &report.notes);
    }
    text
}

fn list(text: &mut String, lines: &[String]) {
    if !lines.is_empty() {
        text.push('\n');
    }
    for line in lines {
        let _ = writeln!(text, "- {}", escaped(line));
    }
}

fn rows(text: &mut String, table: &Table) {
    let mut row = |cells: Vec<String>| {
        let _ = writeln!(text, "| {} |", cells.join(" | "));
    };
    row(table.columns.iter().map(|cell| escaped(cell)).collect());
    // Numbers are aligned at their end.
    let numeric = |column: usize| {
        table.rows.iter().all(|row| row.get(column).is_some_and(|cell| !cell.starts_with(|c: char| c.is_alphabetic())))
    };
    row((0..table.columns.len()).map(|column| if numeric(column) { "---:" } else { "---" }.to_owned()).collect());
    for cells in &table.rows {
        row(cells.iter().map(|cell| escaped(cell)).collect());
    }
}

/// Text without the characters that Markdown gives a meaning.
fn escaped(text: &str) -> String {
    let mut escaped = String::new();
    for c in text.chars() {
        match c {
            '\\' | '`' | '*' | '_' | '[' | ']' | '|' | '#' => escaped.extend(['\\', c]),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '&' => escaped.push_str("&amp;"),
            c if c.is_control() => escaped.push(' '),
            c => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::samples;

    #[test]
    fn a_report_has_findings_pictures_tables_and_notes() {
        let expected = "\
# gradients: MiniLM on sentences

- 1 % of the components hold 63 % of the gradient's L2 norm (random initialisation: 12 %).

![The norm of \"a&lt;b &amp; c\"](norm.svg)

![The magnitudes of \"a&lt;b &amp; c\"](magnitudes.svg)

![The slice of \"a&lt;b &amp; c\"](slice.svg)

## By module

| module | L2 (%) |
| --- | ---: |
| query\\|key, \"x\" | 63.2 |
| value | 9.1 |

## Notes

- Sums are in double precision.
";
        assert_eq!(report(&samples::report()), expected);
    }
}
