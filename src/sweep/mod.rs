//! A sweep: one preset with varied keys and seeds, each combination a run, and the table of their scores.
//!
//! ```text
//! document    the keys of a sweep file with their lines
//! file        the file's keys become rows: grids, explicit rows, tuned values
//! plan        rows become runs, each a validated preset with an identity
//! schedule    which runs are due, and which value a tuned row takes
//! status      what the run folders say of each run
//! state       the sweep's folder and its files
//! worker      the process of a run
//! engine      starts runs until none is due
//! link        the same on a thread of its own, for screens
//! table       scores by row: mean, standard deviation, best
//! bootstrap   the paired bootstrap between two rows
//! x_axis      which rows form a line, and over what
//! figure      the same scores as a figure
//! report      the table as Markdown, CSV and JSON, and the figure as SVG
//! ```
//!
//! What is done is read from the run folders and nowhere else, so a sweep may be killed at any moment.

mod bootstrap;
mod document;
mod engine;
mod figure;
mod file;
mod identity;
mod link;
mod plan;
mod report;
mod schedule;
mod state;
mod status;
mod table;
mod worker;
mod x_axis;

#[cfg(test)]
mod tests;

pub use bootstrap::{Comparison, Evidence, PairedRows, compare_rows, paired_bootstrap, summarize};
pub use engine::{Control, Engine, EngineOptions, Observer, Progress, SweepEnd, Update};
pub use file::SweepFile;
pub use identity::identity;
pub use link::SweepLink;
pub use plan::{ExpandedSweep, PlanRow, PlanRun, SweepPlan, TunePlan, Variant};
pub use report::{Format, report};
pub use schedule::Choice;
pub use state::{SweepFolder, SweepState};
pub use status::{RunProgress, RunResult, RunStatus, StatusReader, Trainable};
pub use table::{ScoreCell, SweepTable, TableRow};
pub use worker::{Launcher, WorkerJob};
pub use x_axis::{RowLines, XAxis};
