//! A report as text: findings, tables with aligned columns, notes.

use crate::analysis::{Report, Table};
use crate::text::{padded, padded_start, plain, width};

pub(super) fn report(report: &Report) -> String {
    let mut text = format!("{}: {}\n\n", plain(&report.kind), plain(&report.subject));
    for finding in &report.findings {
        text += &format!("{}\n", plain(finding));
    }
    for table in &report.tables {
        text += &format!("\n{}\n", plain(&table.title));
        text += &rows(table);
    }
    if !report.notes.is_empty() {
        text += "\nNotes\n";
    }
    for note in &report.notes {
        text += &format!("- {}\n", plain(note));
    }
    text
}

/// The first column aligned at its start, the others at their end.
fn rows(table: &Table) -> String {
    let lines: Vec<&Vec<String>> = std::iter::once(&table.columns).chain(&table.rows).collect();
    let widest = |column: usize| lines.iter().filter_map(|line| line.get(column)).map(|cell| width(&plain(cell))).max();
    let widths: Vec<usize> = (0..table.columns.len()).map(|column| widest(column).unwrap_or(0)).collect();
    let mut text = String::new();
    for line in lines {
        let cells = line.iter().zip(&widths).enumerate().map(|(column, (cell, width))| match column {
            0 => padded(&plain(cell), *width),
            _ => padded_start(&plain(cell), *width),
        });
        text += cells.collect::<Vec<_>>().join("  ").trim_end();
        text += "\n";
    }
    text
}
