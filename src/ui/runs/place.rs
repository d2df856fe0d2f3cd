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
        let list = &self.list;
        let current = list.current();
        let comparison = &self.comparison.view;
        if matches!(action, Action::App(_)) {
            return true;
        }
        if comparison.is_open() {
            return comparison.accepts(action);
        }
        if self.queue.focused() {
            return self.queue.applies(action);
        }
        match action {
            Action::Enter
            | Action::Mark
            | Action::Overlay
            | Action::Tag
            | Action::Rename
            | Action::Delete
            | Action::Export
            | Action::Pin
            | Action::OpenFolder
            | Action::CopyPath
            | Action::Baseline => current.is_some() || action == Action::Enter && list.at_fold(),
            Action::Chat => current.is_some_and(|run| run.summary.writes),
            Action::Resume => current.is_some_and(|run| run.state != RunState::Running),
            Action::Compare => list.chosen().count() > 1,
            Action::CancelExport => self.exporting.is_some(),
            Action::Sort | Action::Reverse => !list.shown.is_empty(),
            Action::Back => !list.filter.is_empty() || !list.marked.is_empty(),
            Action::FocusNext | Action::FocusPrevious => self.queue.any(),
            Action::Left | Action::Right | Action::QueueUp | Action::QueueDown => false,
            // The keys of the axes below the table.
            action if comparison.accepts(action) => list.marked.compared().count() >= FEWEST,
            _ => true,
        }
    }
}
