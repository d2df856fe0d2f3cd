//! Runs: the list of all runs, and what is done with them.

mod checkpoints;
mod choices;
mod column;
mod comparison;
mod detail;
mod dialog;
mod export;
mod line_input;
mod list;
mod mode;
mod mouse;
mod place;
mod scene;
mod sign;
mod table;
mod train_longer;

use std::path::PathBuf;
use std::time::SystemTime;

use crossterm::event::{KeyCode, KeyEvent};
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};

use super::input::UserInput;
use super::intent::Intent;
use super::keymap::{Action, Context, Keymap};
use super::theme::Look;
use crate::export::{ChangedBiases, ExportRequest};
use crate::protocol::Progress;
use crate::runs::{RunEdit, RunEntry, tags_of};
use checkpoints::{PinDialog, PinOutcome};
pub use comparison::Comparison;
use export::ExportForm;
pub use export::{RunningExport, format_words};
use line_input::{InputOutcome, LineInput};
use list::RunList;
use mode::Mode;
use scene::Scene;
use train_longer::TrainLonger;

/// Rows that a page key moves.
const PAGE: isize = 10;

/// The list of all runs, and what is done with it.
pub struct Runs {
    list: RunList,
    mode: Mode,
    /// The running export.
    exporting: Option<RunningExport>,
}

impl Default for Runs {
    fn default() -> Runs {
        Runs { list: RunList::default(), mode: Mode::List, exporting: None }
    }
}

impl Runs {
    /// Shows a new listing; `None` if nothing has changed since the last one but the time.
    pub fn on_listed(&mut self, listed: Option<Vec<RunEntry>>, now: SystemTime) {
        self.list.now = now;
        let Some(listed) = listed else { return };
        if let Mode::Pins(pins) = &mut self.mode
            && let Some(run) = listed.iter().find(|run| run.path == pins.run)
        {
            pins.refresh(run);
        }
        self.list.replace(listed);
    }

    /// Whether keys are text or an answer now.
    pub fn typing(&self) -> bool {
        self.mode != Mode::List
    }

    /// Handles an input. `area` is the one that [`Runs::draw`] draws on.
    pub fn handle(&mut self, input: &UserInput, area: Rect, keymap: &Keymap) -> Option<Intent> {
        match input {
            UserInput::Key(key) if self.typing() => self.type_key(*key),
            UserInput::Key(key) => self.act(keymap.action(Context::Runs, key)?, area),
            UserInput::Paste(text) => {
                self.paste(text);
                None
            }
            UserInput::Click(at) => self.click(*at, area),
            UserInput::ScrollUp(at) => self.scroll(*at, area, true),
            UserInput::ScrollDown(at) => self.scroll(*at, area, false),
        }
    }

    fn type_key(&mut self, key: KeyEvent) -> Option<Intent> {
        match std::mem::replace(&mut self.mode, Mode::List) {
            Mode::List => {}
            Mode::Filter { mut entry, before } => {
                let typed = entry.key(key);
                self.list.set_filter(if typed == InputOutcome::Cancelled {
                    before.clone()
                } else {
                    entry.text.clone()
                });
                if typed == InputOutcome::Editing {
                    self.mode = Mode::Filter { entry, before };
                }
            }
            Mode::Rename(run, mut entry) => match entry.key(key) {
                InputOutcome::Editing => self.mode = Mode::Rename(run, entry),
                InputOutcome::Cancelled => {}
                InputOutcome::Submitted => {
                    return Some(Intent::Edit(RunEdit::Rename { run, name: entry.text.trim().to_owned() }));
                }
            },
            Mode::Tag(runs, mut entry) => match entry.key(key) {
                InputOutcome::Editing => self.mode = Mode::Tag(runs, entry),
                InputOutcome::Cancelled => {}
                InputOutcome::Submitted => {
                    return Some(Intent::Edit(RunEdit::Tag { runs, tags: tags_of(&entry.text) }));
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
                self.list.set_filter(entry.text.clone());
            }
            Mode::Rename(_, entry) | Mode::Tag(_, entry) => entry.paste(text),
            Mode::TrainLonger(longer) => longer.input.paste(text),
            Mode::Export(draft) => draft.paste(text),
            Mode::List | Mode::Delete(_) | Mode::Biases(..) | Mode::Pins(_) => {}
        }
    }

    /// Performs an action, as its key does.
    pub fn act(&mut self, action: Action, area: Rect) -> Option<Intent> {
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
            Action::Back if !list.filter.is_empty() => list.set_filter(String::new()),
            Action::Back => list.marked.clear(),
            Action::Mark => list.mark(),
            Action::Enter => {
                let path = list.current()?.path.clone();
                return self.open(&path);
            }
            Action::Resume => {
                let run = list.current()?;
                match TrainLonger::of(run) {
                    Some(longer) => self.mode = Mode::TrainLonger(longer),
                    None => return Some(Intent::Resume { run: run.path.clone(), set: Vec::new() }),
                }
            }
            Action::Overlay => return Some(Intent::Overlay(list.chosen().map(|run| run.path.clone()).collect())),
            Action::Compare => return Some(Intent::Compare(list.chosen().cloned().collect())),
            Action::Tag => {
                let tags = list.current()?.tags.join(" ");
                self.mode = Mode::Tag(list.chosen().map(|run| run.path.clone()).collect(), LineInput::new(&tags));
            }
            Action::Rename => {
                let run = list.current()?;
                self.mode = Mode::Rename(run.path.clone(), LineInput::new(&run.name));
            }
            Action::Delete => {
                let runs: Vec<PathBuf> = list.chosen().map(|run| run.path.clone()).collect();
                if !runs.is_empty() {
                    self.mode = Mode::Delete(runs);
                }
            }
            Action::Export => self.mode = Mode::Export(ExportForm::new(list.current()?)),
            Action::CancelExport if self.exporting.is_some() => return Some(Intent::CancelExport),
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

    /// Draws the table, the details of the run under the cursor, and what is typed or asked.
    pub fn draw(&self, frame: &mut Frame, area: Rect, look: &Look) {
        let [table, below] = self.parts(area);
        let scene = Scene { list: &self.list, mode: &self.mode, exporting: self.exporting.as_ref(), look };
        table::draw(scene, frame, table);
        if below.height > 0 {
            detail::draw(&self.list, frame, below, look);
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
