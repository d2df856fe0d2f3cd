//! The columns of the list of runs: what they say and how they sort.

use std::cmp::Ordering;
use std::time::SystemTime;

use crate::runs::RunEntry;
use crate::ui::format::{age, duration, number, plain, score};

/// A column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Column {
    State,
    Name,
    Preset,
    Model,
    Best,
    Curve,
    Loss,
    Steps,
    Time,
    Age,
    Tags,
}

impl Column {
    /// What stands above it.
    pub fn name(self) -> &'static str {
        match self {
            Column::State => "State",
            Column::Name => "Run",
            Column::Preset => "Preset",
            Column::Model => "Model",
            Column::Best => "Best",
            Column::Curve => "Loss",
            Column::Loss => "Last",
            Column::Steps => "Steps",
            Column::Time => "Time",
            Column::Age => "Age",
            Column::Tags => "Tags",
        }
    }

    /// Whether its text ends at the right, as numbers do.
    pub fn right_aligned(self) -> bool {
        matches!(self, Column::Best | Column::Loss | Column::Steps | Column::Time | Column::Age)
    }

    /// What it says of a run; signs and curves are drawn elsewhere.
    pub fn text(self, run: &RunEntry, now: SystemTime) -> String {
        let summary = &run.summary;
        match self {
            Column::State => run.state.name().into(),
            Column::Name => plain(&run.name),
            Column::Preset => plain(&summary.preset),
            // A model's owner, or the folder that it lies in, is not what tells it from others.
            Column::Model => plain(summary.model.rsplit('/').next().unwrap_or_default()),
            Column::Best => {
                summary.best().map(|best| format!("{} {}", plain(best.name), score(best.score))).unwrap_or_default()
            }
            Column::Curve => String::new(),
            Column::Loss => summary.last_loss.map(number).unwrap_or_default(),
            Column::Steps if summary.steps == 0 => String::new(),
            Column::Steps => format!("{}/{}", summary.step, summary.steps),
            Column::Time if summary.elapsed == 0.0 => String::new(),
            Column::Time => duration(summary.elapsed),
            Column::Age => run.updated.map(|told| age(now, told)).unwrap_or_default(),
            Column::Tags => run.tags.iter().map(|tag| format!("#{tag}")).collect::<Vec<_>>().join(" "),
        }
    }

    /// The column after this one, of those that sort.
    pub fn next(self, shown: &[Column]) -> Column {
        let sorting: Vec<Column> = shown.iter().copied().filter(|column| *column != Column::Curve).collect();
        let place = sorting.iter().position(|column| *column == self).map_or(0, |place| place + 1);
        sorting.get(place % sorting.len().max(1)).copied().unwrap_or(Column::Age)
    }

    /// Whether the greatest comes first when it is sorted by.
    pub fn greatest_first(self) -> bool {
        matches!(self, Column::Best | Column::Steps | Column::Time | Column::Age)
    }

    /// Whether a run has what this column shows.
    pub fn has_value(self, run: &RunEntry) -> bool {
        match self {
            Column::Best => run.summary.best().is_some(),
            Column::Loss => run.summary.last_loss.is_some(),
            Column::Age => run.updated.is_some(),
            Column::Tags => !run.tags.is_empty(),
            _ => true,
        }
    }

    /// The order of two runs by it. The greatest age is the newest.
    pub fn order(self, a: &RunEntry, b: &RunEntry) -> Ordering {
        let best = |run: &RunEntry| run.summary.best().map_or(f64::NEG_INFINITY, |best| best.score);
        let loss = |run: &RunEntry| run.summary.last_loss.unwrap_or(f64::INFINITY);
        match self {
            Column::State => a.state.cmp(&b.state),
            Column::Name | Column::Curve => a.name.cmp(&b.name),
            Column::Preset => a.summary.preset.cmp(&b.summary.preset),
            Column::Model => a.summary.model.cmp(&b.summary.model),
            Column::Best => best(a).total_cmp(&best(b)),
            Column::Loss => loss(a).total_cmp(&loss(b)),
            Column::Steps => a.summary.step.cmp(&b.summary.step),
            Column::Time => a.summary.elapsed.total_cmp(&b.summary.elapsed),
            Column::Age => a.updated.cmp(&b.updated),
            Column::Tags => a.tags.cmp(&b.tags),
        }
    }
}
