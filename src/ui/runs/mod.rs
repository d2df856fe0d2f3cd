//! Runs: the list of all runs, and what is done with them.

mod checkpoints;
mod choices;
mod column;
mod compare;
mod detail;
mod dialog;
mod export;
mod line_input;
mod list;
mod mode;
mod mouse;
mod place;
mod queue_panel;
mod queue_view;
mod renaming;
mod request;
mod scene;
mod sign;
mod table;
#[cfg(test)]
mod tests;
mod train_longer;

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crossterm::event::{KeyCode, KeyEvent};
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};

use super::comparison::{self, Comparison};
use super::input::UserInput;
use super::intent::{Intent, RunRequest};
use super::keymap::{Action, Context, Keymap};
use super::theme::Look;
use crate::export::{ChangedBiases, ExportRequest};
use crate::protocol::Progress;
use crate::runs::{RunEdit, RunEntry, RunState, tags_of};
use checkpoints::{PinDialog, PinOutcome};
use export::ExportForm;
pub use export::{RunningExport, format_words};
use line_input::{InputOutcome, LineInput};
use list::RunList;
use mode::Mode;
pub use queue_panel::QueuePanel;
use renaming::Renaming;
use scene::Scene;
use train_longer::TrainLonger;

/// Rows that a page key moves.
const PAGE: isize = 10;

/// The list of all runs, and what is done with it.
pub struct Runs {
    list: RunList,
    mode: Mode,
    queue: QueuePanel,
    /// The marked runs on shared axes.
    comparison: Comparison,
    /// The running export.
    exporting: Option<RunningExport>,
    /// What another screen asks for a run.
    requested: Option<(PathBuf, RunRequest)>,
    /// Whether marked runs are gone or renamed, and their curves are still read from where they were.
    marks_changed: bool,
}

impl Default for Runs {
    fn default() -> Runs {
        Runs {
            list: RunList::default(),
            mode: Mode::List,
            queue: QueuePanel::default(),
            comparison: Comparison::default(),
            exporting: None,
            requested: None,
            marks_changed: false,
        }
    }
}

impl Runs {
    /// Shows a new listing; `None` if nothing has changed since the last one but the time. Answers what another screen
    /// has asked for, or asks for the curves of fewer runs if marked ones are gone.
    pub fn on_listed(&mut self, listed: Option<Vec<RunEntry>>, now: SystemTime) -> Option<Intent> {
        self.list.now = now;
        if let Some(listed) = listed {
            self.replace(listed);
        }
        self.answer_request().or_else(|| std::mem::take(&mut self.marks_changed).then_some(Intent::Follow))
    }

    fn replace(&mut self, listed: Vec<RunEntry>) {
        let marked = self.list.marked.len();
        if let Mode::Pins(pins) = &mut self.mode
            && let Some(run) = listed.iter().find(|run| run.path == pins.run)
        {
            pins.refresh(run);
        }
        self.list.replace(listed);
        self.marks_changed |= self.list.marked.len() != marked;
    }

    /// The queue above the list.
    pub fn queue(&self) -> &QueuePanel {
        &self.queue
    }

    pub fn queue_mut(&mut self) -> &mut QueuePanel {
        &mut self.queue
    }

    /// Shows the new name of a run.
    pub fn on_renamed(&mut self, from: &Path, to: &Path) {
        // Its curves are read from the new folder from then on.
        self.marks_changed |= self.list.marked.contains(from);
        self.list.renamed(from, to);
        self.comparison.view.rename(from, to);
    }

    /// Asks for the name again that a run was not renamed to. Whether nothing else is asked or typed.
    pub fn on_not_renamed(&mut self, run: PathBuf, name: &str, why: &str) -> bool {
        let free = !self.typing();
        if free {
            self.mode = Mode::Rename(Box::new(Renaming::again(run, name, why)));
        }
        free
    }

    /// Whether keys are text or an answer now.
    pub fn typing(&self) -> bool {
        self.mode != Mode::List
    }

    /// Handles an input. `area` is the one that [`Runs::draw`] draws on.
    pub fn handle(&mut self, input: &UserInput, area: Rect, keymap: &Keymap) -> Option<Intent> {
        match input {
            UserInput::Key(key) if self.typing() => self.type_key(*key),
            input if self.comparison.view.is_open() => self.handle_on_comparison(input, area, keymap),
            UserInput::Key(key) => self.act(keymap.action(Context::Runs, key)?, area),
            UserInput::Paste(text) => {
                self.paste(text);
                None
            }
            UserInput::Click(at) => self.click(*at, area),
            UserInput::Drag(_) => None,
            UserInput::ScrollUp(at) => self.scroll(*at, area, true),
            UserInput::ScrollDown(at) => self.scroll(*at, area, false),
        }
    }

    fn type_key(&mut self, key: KeyEvent) -> Option<Intent> {
        match std::mem::replace(&mut self.mode, Mode::List) {
            Mode::List => {}
            Mode::Filter { mut entry, before } => {
                let typed = entry.key(key);
                self.list.set_filter(if typed == InputOutcome::Cancelled { before.clone() } else { entry.text() });
                if typed == InputOutcome::Editing {
                    self.mode = Mode::Filter { entry, before };
                }
            }
            Mode::Rename(mut renaming) => match renaming.key(key, &self.list) {
                InputOutcome::Editing => self.mode = Mode::Rename(renaming),
                InputOutcome::Cancelled => {}
                InputOutcome::Submitted => return Some(Intent::Edit(renaming.edit())),
            },
            Mode::Tag(runs, mut entry) => match entry.key(key) {
                InputOutcome::Editing => self.mode = Mode::Tag(runs, entry),
                InputOutcome::Cancelled => {}
                InputOutcome::Submitted => {
                    return Some(Intent::Edit(RunEdit::Tag { runs, tags: tags_of(&entry.text()) }));
                }
            },
            Mode::TrainLonger(mut longer) => match longer.input.key(key) {
                InputOutcome::Editing => self.mode = Mode::TrainLonger(longer),
                InputOutcome::Cancelled => {}
                InputOutcome::Submitted => return Some(longer.intent()),
            },
            Mode::Delete(runs) => match key.code {
                KeyCode::Char('y' | 'Y') => return Some(Intent::Edit(RunEdit::MoveToTrash(runs))),
                KeyCode::Char('n' | 'N' | 'q') | KeyCode::Esc => {}
                _ => self.mode = Mode::Delete(runs),
            },
            Mode::Export(mut draft) => match draft.key(key) {
                InputOutcome::Editing => self.mode = Mode::Export(draft),
                InputOutcome::Cancelled => {}
                InputOutcome::Submitted => return Some(Intent::Export(draft.order())),
            },
            Mode::Biases(order, biases) => match key.code {
                KeyCode::Char('y' | 'Y') => {
                    return Some(Intent::Export(ExportRequest { without_biases: true, ..order }));
                }
                KeyCode::Char('n' | 'N' | 'q') | KeyCode::Esc => {}
                _ => self.mode = Mode::Biases(order, biases),
            },
            Mode::Pins(mut pins) => {
                let asked = pins.key(key);
                if !matches!(asked, PinOutcome::Close) {
                    self.mode = Mode::Pins(pins);
                }
                if let PinOutcome::Change(edit) = asked {
                    return Some(Intent::Edit(edit));
                }
            }
        }
        None
    }

    fn paste(&mut self, text: &str) {
        match &mut self.mode {
            Mode::Filter { entry, .. } => {
                entry.paste(text);
                self.list.set_filter(entry.text());
            }
            Mode::Rename(renaming) => renaming.paste(text, &self.list),
            Mode::Tag(_, entry) => entry.paste(text),
            Mode::TrainLonger(longer) => longer.input.paste(text),
            Mode::Export(draft) => draft.paste(text),
            Mode::List | Mode::Delete(_) | Mode::Biases(..) | Mode::Pins(_) => {}
        }
    }

    /// Performs an action, as its key does.
    pub fn act(&mut self, action: Action, area: Rect) -> Option<Intent> {
        if self.comparison.view.is_open() {
            return self.act_on_comparison(action);
        }
        if self.queue.focused() {
            return self.queue.act(action);
        }
        let list = &mut self.list;
        match action {
            Action::App(action) => return Some(Intent::App(action)),
            Action::Up => list.move_by(-1),
            Action::Down => list.move_by(1),
            Action::PageUp => list.move_by(-PAGE),
            Action::PageDown => list.move_by(PAGE),
            Action::First => list.cursor = 0,
            Action::Last => list.cursor = list.last(),
            Action::Sort => list.sort_by(list.sort.next(&table::columns(area.width))),
            Action::Reverse => list.sort_by(list.sort),
            Action::Filter => {
                self.mode = Mode::Filter { entry: LineInput::new(&list.filter), before: list.filter.clone() };
            }
            Action::FocusNext | Action::FocusPrevious => self.queue.focus(),
            Action::Back if self.comparison.view.drop_cursor() => {}
            Action::Back if !list.filter.is_empty() => list.set_filter(String::new()),
            Action::Back if list.marked.is_empty() => {}
            Action::Back => {
                list.marked.clear();
                return Some(Intent::Follow);
            }
            Action::Mark => {
                list.mark();
                return Some(Intent::Follow);
            }
            Action::Enter if list.at_fold() => list.toggle_fold(),
            Action::Enter => {
                let path = list.current()?.path.clone();
                return self.open(&path);
            }
            Action::Resume => return self.resume(),
            Action::Overlay => {
                if list.marked.is_empty() {
                    let run = list.current()?.path.clone();
                    list.marked.add(&run);
                }
                return Some(Intent::Overlay);
            }
            Action::Compare => return Some(self.open_comparison()),
            action if self.comparison.view.applies(action) => return self.act_below(action),
            Action::Tag => {
                let tags = list.current()?.tags.join(" ");
                self.mode = Mode::Tag(list.chosen().map(|run| run.path.clone()).collect(), LineInput::new(&tags));
            }
            Action::Rename => self.mode = Mode::Rename(Box::new(Renaming::new(list.current()?))),
            Action::Delete => {
                let runs: Vec<PathBuf> = list.chosen().map(|run| run.path.clone()).collect();
                if !runs.is_empty() {
                    self.mode = Mode::Delete(runs);
                }
            }
            Action::Export => self.mode = Mode::Export(ExportForm::new(list.current()?)),
            Action::CancelExport if self.exporting.is_some() => return Some(Intent::CancelExport),
            Action::Chat => {
                let run = list.current()?;
                return Some(match run.summary.writes {
                    true => Intent::Chat(run.path.clone()),
                    false => Intent::Refuse("this run trains a classifier, which generates no text".into()),
                });
            }
            Action::Pin => self.mode = Mode::Pins(PinDialog::new(list.current()?)),
            Action::OpenFolder => return Some(Intent::OpenFolder(list.current()?.path.clone())),
            Action::CopyPath => {
                let path = list.current()?.path.clone();
                return Some(Intent::Copy(path.canonicalize().unwrap_or(path).display().to_string()));
            }
            _ => {}
        }
        None
    }

    /// Resumes the run under the cursor; of one that ended for good, asks what changes.
    fn resume(&mut self) -> Option<Intent> {
        let run = self.list.current()?;
        match TrainLonger::of(run) {
            Some(longer) => self.mode = Mode::TrainLonger(longer),
            None => return Some(Intent::Resume { run: run.path.clone(), set: Vec::new() }),
        }
        None
    }

    /// Other runs than this one that are active in another process.
    pub fn other_active(&self, live: Option<&Path>) -> usize {
        let active = |run: &&RunEntry| run.state == RunState::Running && Some(run.path.as_path()) != live;
        self.list.entries.iter().flatten().filter(active).count()
    }

    /// Notes that an export begins. Whether none was running.
    pub fn begin_export(&mut self, order: &ExportRequest) -> bool {
        let idle = self.exporting.is_none();
        self.exporting.get_or_insert_with(|| RunningExport { order: order.clone(), progress: None });
        idle
    }

    /// The running export.
    pub fn exporting(&self) -> Option<&RunningExport> {
        self.exporting.as_ref()
    }

    /// Notes the progress of the running export.
    pub fn on_export_progress(&mut self, progress: Progress) {
        if let Some(export) = &mut self.exporting {
            export.progress = Some(progress);
        }
    }

    /// Notes that the running export has ended. Returns what was exported.
    pub fn end_export(&mut self) -> Option<ExportRequest> {
        self.exporting.take().map(|export| export.order)
    }

    /// Asks whether to export an adapter without the biases that it cannot hold.
    pub fn ask_about_biases(&mut self, order: ExportRequest, biases: ChangedBiases) {
        self.mode = Mode::Biases(order, biases);
    }

    /// Draws the table, below it the comparison of the marked runs or the details of the run under the cursor, and what is
    /// typed or asked.
    pub fn draw(&self, frame: &mut Frame, area: Rect, look: &Look) {
        let compared = self.compared();
        if self.comparison.view.is_open() {
            comparison::draw(frame, area, self.comparison_scene(&compared, look));
        } else {
            let [queue, list] = self.queue.split(area);
            queue_view::draw(&self.queue, frame, queue, look, self.list.now);
            let [table, below] = self.parts(list);
            let focused = !self.queue.focused();
            let scene = Scene { list: &self.list, mode: &self.mode, exporting: self.exporting.as_ref(), focused, look };
            table::draw(scene, frame, table);
            if compared.len() >= comparison::FEWEST {
                comparison::draw(frame, below, self.comparison_scene(&compared, look));
            } else if below.height > 0 {
                detail::draw(&self.list, frame, below, look);
            }
        }
        dialog::draw(&self.mode, frame, area, look);
    }

    /// The table, and the details below it: the rows that the table does not need, a third of the area at least.
    fn parts(&self, area: Rect) -> [Rect; 2] {
        let rows = self.list.entries.as_ref().map_or(0, Vec::len);
        let needed = u16::try_from(rows).unwrap_or(u16::MAX).saturating_add(4);
        let third = (area.height / 3).max(9);
        let below = if area.height < 18 { 0 } else { area.height.saturating_sub(needed).clamp(third, third * 2) };
        Layout::vertical([Constraint::Fill(1), Constraint::Length(below.min(area.height.saturating_sub(9)))])
            .areas(area)
    }
}
