//! The listed runs: which of them are shown, in which order, which are marked, and where the cursor is. Runs that failed before
//! their first step are folded into one line at the end.

use std::cmp::Ordering;
use std::path::Path;
use std::time::SystemTime;

use super::column::RunColumn;
use crate::runs::{RunEntry, RunState};
use crate::ui::comparison::Marks;

/// The runs of the run folder's list.
pub struct RunList {
    /// `None` before the first listing.
    pub entries: Option<Vec<RunEntry>>,
    /// The time of the latest listing.
    pub now: SystemTime,
    /// Indices into `entries` of those that pass the filter, sorted.
    pub shown: Vec<usize>,
    /// Index into `shown`, or one past its end for the line of the folded runs.
    pub cursor: usize,
    /// How many runs failed before their first step; 0 where they are not folded, and do not have a line.
    pub foldable: usize,
    /// Whether these are shown, too.
    unfolded: bool,
    pub marked: Marks,
    pub sort: RunColumn,
    pub descending: bool,
    /// Words that a run must contain to be shown.
    pub filter: String,
}

impl Default for RunList {
    fn default() -> RunList {
        RunList {
            entries: None,
            now: SystemTime::UNIX_EPOCH,
            shown: Vec::new(),
            cursor: 0,
            foldable: 0,
            unfolded: false,
            marked: Marks::default(),
            sort: RunColumn::Updated,
            descending: true,
            filter: String::new(),
        }
    }
}

impl RunList {
    /// Replaces the runs. The cursor stays on its run.
    pub fn replace(&mut self, entries: Vec<RunEntry>) {
        self.marked.retain(|marked| entries.iter().any(|run| run.path == marked));
        let here = self.current_name();
        self.entries = Some(entries);
        self.arrange(here);
    }

    /// The run under the cursor.
    pub fn current(&self) -> Option<&RunEntry> {
        self.entries.as_ref()?.get(*self.shown.get(self.cursor)?)
    }

    /// The marked runs in the order they are shown, or the run under the cursor if none is marked.
    pub fn chosen(&self) -> impl Iterator<Item = &RunEntry> {
        let marked = self.runs().filter(|run| self.marked.contains(&run.path));
        marked.chain(self.current().filter(|_| self.runs().all(|run| !self.marked.contains(&run.path))))
    }

    /// The shown runs, in order.
    pub fn runs(&self) -> impl Iterator<Item = &RunEntry> {
        let entries = self.entries.as_deref().unwrap_or_default();
        self.shown.iter().filter_map(|number| entries.get(*number))
    }

    /// Number of rows: the shown runs, and the line of the folded ones.
    pub fn rows(&self) -> usize {
        self.shown.len() + usize::from(self.foldable > 0)
    }

    /// Index of the last row.
    pub fn last(&self) -> usize {
        self.rows().saturating_sub(1)
    }

    /// Whether the cursor is on the line of the folded runs.
    pub fn at_fold(&self) -> bool {
        self.foldable > 0 && self.cursor == self.shown.len()
    }

    /// What the line of the folded runs says.
    pub fn fold_text(&self) -> String {
        let runs = if self.foldable == 1 { "1 run".to_owned() } else { format!("{} runs", self.foldable) };
        let key = if self.unfolded { "enter hides" } else { "enter shows" };
        format!("{runs} failed before the first step ({key} {})", if self.foldable == 1 { "it" } else { "them" })
    }

    /// Shows the folded runs, or hides them again. The cursor stays on their line.
    pub fn toggle_fold(&mut self) {
        self.unfolded = !self.unfolded;
        self.arrange(None);
        self.cursor = self.shown.len();
    }

    /// Gives a run the name of its new folder.
    pub fn renamed(&mut self, from: &Path, to: &Path) {
        let name = to.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let here = self.current().map(|run| if run.path == from { name.clone() } else { run.name.clone() });
        if let Some(run) = self.entries.iter_mut().flatten().find(|run| run.path == from) {
            self.marked.rename(from, to);
            (run.name, run.path) = (name, to.to_owned());
        }
        self.arrange(here);
    }

    /// Moves the cursor by this many rows.
    pub fn move_by(&mut self, rows: isize) {
        self.cursor = self.cursor.saturating_add_signed(rows).min(self.last());
    }

    /// Marks the run under the cursor, or removes its mark, and moves to the next one.
    pub fn mark(&mut self) {
        let Some(run) = self.current().map(|run| run.path.clone()) else { return };
        self.marked.toggle(&run);
        self.move_by(1);
    }

    pub fn set_filter(&mut self, filter: String) {
        self.filter = filter;
        self.arrange(self.current_name());
    }

    /// Sorts by a column, the better end first; by the same column again, in reverse.
    pub fn sort_by(&mut self, column: RunColumn) {
        self.descending = if column == self.sort { !self.descending } else { column.descends() };
        self.sort = column;
        self.arrange(self.current_name());
    }

    fn current_name(&self) -> Option<String> {
        self.current().map(|run| run.name.clone())
    }

    /// Filters and sorts again, and puts the cursor on the run of this name.
    fn arrange(&mut self, here: Option<String>) {
        let entries = self.entries.as_deref().unwrap_or_default();
        let mut shown: Vec<usize> =
            (0..entries.len()).filter(|number| passes(&entries[*number], &self.filter)).collect();
        shown.sort_by(|a, b| {
            let (a, b) = (&entries[*a], &entries[*b]);
            // Runs without a value come last in either direction.
            let order = match (self.sort.has_value(a), self.sort.has_value(b)) {
                (true, true) if self.descending => self.sort.order(b, a),
                (true, true) => self.sort.order(a, b),
                (a, b) => b.cmp(&a),
            };
            if order == Ordering::Equal { a.name.cmp(&b.name) } else { order }
        });
        // A filter searches all runs, and a list of failed ones alone would be empty.
        let folds = self.filter.is_empty() && entries.iter().any(|run| !failed_early(run));
        let (failed, others): (Vec<usize>, Vec<usize>) =
            shown.into_iter().partition(|number| folds && failed_early(&entries[*number]));
        self.foldable = failed.len();
        let shown = if self.unfolded { [others, failed].concat() } else { others };
        let place = here.and_then(|here| shown.iter().position(|number| entries[*number].name == here));
        self.shown = shown;
        self.cursor = place.unwrap_or(self.cursor).min(self.last());
    }
}

/// Whether a run failed before its first step: there is nothing to see or to resume.
fn failed_early(run: &RunEntry) -> bool {
    run.state == RunState::Failed && run.summary.step == 0
}

/// Whether every word of a filter is in the run's name, preset, model, state or tags.
fn passes(run: &RunEntry, filter: &str) -> bool {
    let mut text = [&run.name, &run.summary.preset, &run.summary.model, run.state.name()].join(" ").to_lowercase();
    run.tags.iter().for_each(|tag| text += &format!(" #{}", tag.to_lowercase()));
    filter.to_lowercase().split_whitespace().all(|word| text.contains(word))
}
