//! The columns of the table of runs: their texts and sort orders.

use std::cmp::Ordering;
use std::time::SystemTime;

use ratatui::layout::Alignment;

use crate::runs::RunEntry;
use crate::ui::format::{age, duration, number, plain, score};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RunColumn {
    State,
    Name,
    Preset,
    Model,
    Best,
    Curve,
    Loss,
    Steps,
    Time,
    Updated,
    Tags,
}

impl RunColumn {
    /// The header.
    pub(super) fn name(self) -> &'static str {
        match self {
            RunColumn::State => "State",
            RunColumn::Name => "Run",
            RunColumn::Preset => "Preset",
            RunColumn::Model => "Model",
            RunColumn::Best => "Best",
            RunColumn::Curve => "Loss",
            RunColumn::Loss => "Last loss",
            RunColumn::Steps => "Steps",
            RunColumn::Time => "Time",
            RunColumn::Updated => "Updated",
            RunColumn::Tags => "Tags",
        }
    }

    pub(super) fn alignment(self) -> Alignment {
        match self {
            RunColumn::Best | RunColumn::Loss | RunColumn::Steps | RunColumn::Time | RunColumn::Updated => {
                Alignment::Right
            }
            _ => Alignment::Left,
        }
    }

    /// The text for a run, without the state's sign; the loss curve is drawn separately.
    pub(super) fn text(self, run: &RunEntry, now: SystemTime) -> String {
        let summary = &run.summary;
        match self {
            RunColumn::State => run.state.name().into(),
            RunColumn::Name => plain(&run.name),
            RunColumn::Preset => plain(&summary.preset),
            // The name without its owner or folder.
            RunColumn::Model => plain(summary.model.rsplit('/').next().unwrap_or_default()),
            RunColumn::Best => {
                summary.best().map(|best| format!("{} {}", plain(best.name), score(best.score))).unwrap_or_default()
            }
            RunColumn::Curve => String::new(),
            RunColumn::Loss => summary.last_loss.map(number).unwrap_or_default(),
            RunColumn::Steps if summary.steps == 0 => String::new(),
            RunColumn::Steps => format!("{}/{}", summary.step, summary.steps),
            RunColumn::Time if summary.elapsed == 0.0 => String::new(),
            RunColumn::Time => duration(summary.elapsed),
            RunColumn::Updated => run.updated.map(|updated| age(now, updated)).unwrap_or_default(),
            RunColumn::Tags => run.tags.iter().map(|tag| format!("#{tag}")).collect::<Vec<_>>().join(" "),
        }
    }

    /// The next sortable column after this one.
    pub(super) fn next(self, shown: &[RunColumn]) -> RunColumn {
        let sorting: Vec<RunColumn> = shown.iter().copied().filter(|column| *column != RunColumn::Curve).collect();
        let next = sorting.iter().position(|column| *column == self).map_or(0, |index| index + 1);
        sorting.get(next % sorting.len().max(1)).copied().unwrap_or(RunColumn::Updated)
    }

    /// Whether sorting by this column starts with the highest value.
    pub(super) fn descends(self) -> bool {
        matches!(self, RunColumn::Best | RunColumn::Steps | RunColumn::Time | RunColumn::Updated)
    }

    /// Whether a run has a value in this column.
    pub(super) fn has_value(self, run: &RunEntry) -> bool {
        match self {
            RunColumn::Best => run.summary.best().is_some(),
            RunColumn::Loss => run.summary.last_loss.is_some(),
            RunColumn::Updated => run.updated.is_some(),
            RunColumn::Tags => !run.tags.is_empty(),
            _ => true,
        }
    }

    /// The order of two runs by this column; the latest update is the highest.
    pub(super) fn order(self, a: &RunEntry, b: &RunEntry) -> Ordering {
        let best = |run: &RunEntry| run.summary.best().map_or(f64::NEG_INFINITY, |best| best.rank());
        let loss = |run: &RunEntry| run.summary.last_loss.unwrap_or(f64::INFINITY);
        match self {
            RunColumn::State => a.state.cmp(&b.state),
            RunColumn::Name | RunColumn::Curve => a.name.cmp(&b.name),
            RunColumn::Preset => a.summary.preset.cmp(&b.summary.preset),
            RunColumn::Model => a.summary.model.cmp(&b.summary.model),
            RunColumn::Best => best(a).total_cmp(&best(b)),
            RunColumn::Loss => loss(a).total_cmp(&loss(b)),
            RunColumn::Steps => a.summary.step.cmp(&b.summary.step),
            RunColumn::Time => a.summary.elapsed.total_cmp(&b.summary.elapsed),
            RunColumn::Updated => a.updated.cmp(&b.updated),
            RunColumn::Tags => a.tags.cmp(&b.tags),
        }
    }
}
