//! What keys do on the list of runs now: the actions that apply, and the keys of what is typed or asked.

use super::Runs;
use super::mode::Mode;
use crate::runs::RunState;
use crate::ui::comparison::FEWEST;
use crate::ui::keymap::{Action, Hint};

impl Runs {
    /// The keys of what is typed or asked.
    pub fn dialog(&self) -> Option<Vec<Hint>> {
        Some(match &self.mode {
            Mode::List => return None,
            Mode::Filter { .. } => vec![Hint::enter("keep the filter"), Hint::esc("restore it")],
            Mode::Rename(..) => vec![Hint::enter("rename"), Hint::esc("cancel")],
            Mode::Tag(..) => vec![Hint::enter("save"), Hint::esc("cancel")],
            Mode::TrainLonger(_) => vec![Hint::enter("resume"), Hint::esc("cancel")],
            Mode::Delete(_) => vec![Hint::letter('y', "move to trash"), Hint::letter('n', "cancel")],
            Mode::Export(_) => vec![Hint::enter("export"), Hint::tab("next field"), Hint::esc("cancel")],
            Mode::Biases(..) => vec![Hint::letter('y', "export without biases"), Hint::letter('n', "cancel")],
            Mode::Pins(_) => vec![Hint::letter('p', "pin or unpin"), Hint::esc("close")],
        })
    }

    /// Whether an action would do something now.
    pub fn applies(&self, action: Action) -> bool {
        if self.queue.focused() {
            return self.queue.applies(action);
        }
        let view = &self.comparison.view;
        if view.is_open() {
            return view.applies(action);
        }
        let list = &self.list;
        let current = list.current();
        match action {
            Action::Enter => current.is_some() || list.at_fold(),
            Action::Mark
            | Action::Overlay
            | Action::Baseline
            | Action::Tag
            | Action::Rename
            | Action::Delete
            | Action::Export
            | Action::Pin
            | Action::OpenFolder
            | Action::CopyPath => current.is_some(),
            Action::Chat => current.is_some_and(|run| run.summary.writes),
            Action::Resume => current.is_some_and(|run| run.state != RunState::Running),
            Action::Compare => list.chosen().count() > 1,
            Action::CancelExport => self.exporting.is_some(),
            Action::Sort | Action::Reverse => !list.shown.is_empty(),
            Action::Back => view.has_cursor() || !list.filter.is_empty() || !list.marked.is_empty(),
            Action::FocusNext | Action::FocusPrevious => self.queue.any(),
            Action::QueueUp | Action::QueueDown | Action::Left | Action::Right => false,
            action if view.applies(action) => self.compares_below(),
            _ => true,
        }
    }

    /// The actions that come first in the footer, with their words here.
    pub fn first(&self) -> Vec<(Action, &'static str)> {
        if self.queue.focused() {
            return self.queue.first();
        }
        if self.comparison.view.is_open() {
            return self.comparison.view.first();
        }
        let list = &self.list;
        let marked = list.current().is_some_and(|run| list.marked.contains(&run.path));
        let mark = (Action::Mark, if marked { "unmark" } else { "mark" });
        if self.compares_below() {
            let compare = [(Action::Compare, "compare"), (Action::Metric, "metric"), (Action::Overlay, "overlay")];
            return [mark].into_iter().chain(compare).chain([(Action::Baseline, "baseline")]).collect();
        }
        let enter = match list.current().map(|run| run.state) {
            Some(RunState::Running) => "attach",
            _ => "open",
        };
        vec![
            mark,
            (Action::Enter, enter),
            (Action::Resume, "resume"),
            (Action::CancelExport, "cancel export"),
            (Action::Export, "export"),
            (Action::Chat, "chat"),
            (Action::Filter, "filter"),
            (Action::FocusNext, "queue"),
            (Action::Delete, "delete"),
        ]
    }

    /// Whether marked runs are compared below the table.
    fn compares_below(&self) -> bool {
        self.list.marked.compared().count() >= FEWEST
    }
}
