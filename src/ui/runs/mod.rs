//! Runs: every run of the folder of runs, and what is done with them.

mod checkpoints;
mod column;
mod comparison;
mod detail;
mod export;
mod line_input;
mod table;

use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::SystemTime;

use crossterm::event::{KeyCode, KeyEvent};
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Position, Rect};

use super::app::{Effect, Look};
use super::keymap::Action;
use crate::export::{ChangedBiases, Order};
use crate::protocol::Progress;
use crate::runs::{RunEntry, RunState, tags_of};
use checkpoints::{PinDialog, PinOutcome};
use column::RunColumn;
pub use comparison::Comparison;
use export::ExportForm;
pub use export::RunningExport;
use line_input::{InputOutcome, LineInput};

/// Rows that a page key moves.
const PAGE: usize = 10;

/// All runs, and what of them is looked at.
pub struct Runs {
    /// `None` before they were looked for.
    listed: Option<Vec<RunEntry>>,
    now: SystemTime,
    /// Those that pass the filter, sorted: numbers in `listed`.
    shown: Vec<usize>,
    /// Place in `shown`.
    cursor: usize,
    /// Names of the runs that are marked.
    marked: BTreeSet<String>,
    sort: RunColumn,
    /// Whether the greatest comes first.
    descending: bool,
    filter: String,
    mode: Mode,
    /// The export under way, and how far it is.
    exporting: Option<RunningExport>,
}

/// What keys are for.
#[derive(Clone, Debug, PartialEq)]
enum Mode {
    /// Moving about.
    List,
    /// Typing the filter; there was another before.
    Filter(LineInput, String),
    /// Typing a run's name.
    Rename(PathBuf, LineInput),
    /// Typing the tags of runs.
    Tag(Vec<PathBuf>, LineInput),
    /// Answering whether to delete these runs.
    Delete(Vec<PathBuf>),
    /// Putting an export together.
    Export(ExportForm),
    /// Answering whether to export without biases.
    Biases(Order, ChangedBiases),
    /// Pinning checkpoints.
    Pins(PinDialog),
}

impl Default for Runs {
    fn default() -> Runs {
        Runs {
            listed: None,
            now: SystemTime::UNIX_EPOCH,
            shown: Vec::new(),
            cursor: 0,
            marked: BTreeSet::new(),
            sort: RunColumn::Updated,
            descending: true,
            filter: String::new(),
            mode: Mode::List,
            exporting: None,
        }
    }
}

impl Runs {
    /// Takes up what was found; `None` if it is as it was.
    pub fn learn(&mut self, listed: Option<Vec<RunEntry>>, now: SystemTime) {
        self.now = now;
        if let Some(listed) = listed {
            self.marked.retain(|name| listed.iter().any(|run| run.name == *name));
            let here = self.current().map(|run| run.name.clone());
            if let Mode::Pins(pins) = &mut self.mode
                && let Some(run) = listed.iter().find(|run| run.path == pins.run)
            {
                pins.refresh(run);
            }
            self.listed = Some(listed);
            self.arrange(here);
        }
    }

    /// Whether keys are text now, or an answer.
    pub fn typing(&self) -> bool {
        self.mode != Mode::List
    }

    /// Takes up a key that is text, or an answer.
    pub fn key(&mut self, key: KeyEvent) -> Option<Effect> {
        match std::mem::replace(&mut self.mode, Mode::List) {
            Mode::List => {}
            Mode::Filter(mut entry, before) => {
                let typed = entry.key(key);
                self.filter = if typed == InputOutcome::Cancelled { before.clone() } else { entry.text.clone() };
                if typed == InputOutcome::Editing {
                    self.mode = Mode::Filter(entry, before);
                }
                let here = self.current().map(|run| run.name.clone());
                self.arrange(here);
            }
            Mode::Rename(run, mut entry) => match entry.key(key) {
                InputOutcome::Editing => self.mode = Mode::Rename(run, entry),
                InputOutcome::Cancelled => {}
                InputOutcome::Submitted => return Some(Effect::Rename(run, entry.text.trim().to_owned())),
            },
            Mode::Tag(runs, mut entry) => match entry.key(key) {
                InputOutcome::Editing => self.mode = Mode::Tag(runs, entry),
                InputOutcome::Cancelled => {}
                InputOutcome::Submitted => return Some(Effect::Tag(runs, tags_of(&entry.text))),
            },
            Mode::Delete(runs) => match key.code {
                KeyCode::Char('y' | 'Y') => return Some(Effect::ThrowAway(runs)),
                KeyCode::Char('n' | 'N' | 'q') | KeyCode::Esc => {}
                _ => self.mode = Mode::Delete(runs),
            },
            Mode::Export(mut draft) => match draft.key(key) {
                InputOutcome::Editing => self.mode = Mode::Export(draft),
                InputOutcome::Cancelled => {}
                InputOutcome::Submitted => return Some(Effect::Export(draft.order())),
            },
            Mode::Biases(order, biases) => match key.code {
                KeyCode::Char('y' | 'Y') => return Some(Effect::Export(Order { without_biases: true, ..order })),
                KeyCode::Char('n' | 'N' | 'q') | KeyCode::Esc => {}
                _ => self.mode = Mode::Biases(order, biases),
            },
            Mode::Pins(mut pins) => {
                let asked = pins.key(key);
                if !matches!(asked, PinOutcome::Close) {
                    self.mode = Mode::Pins(pins);
                }
                if let PinOutcome::Change(effect) = asked {
                    return Some(effect);
                }
            }
        }
        None
    }

    /// Takes up pasted text.
    pub fn pasted(&mut self, text: &str) -> Option<Effect> {
        match &mut self.mode {
            Mode::Filter(entry, _) => {
                entry.paste(text);
                self.filter = entry.text.clone();
                let here = self.current().map(|run| run.name.clone());
                self.arrange(here);
            }
            Mode::Rename(_, entry) | Mode::Tag(_, entry) => entry.paste(text),
            Mode::Export(draft) => draft.paste(text),
            Mode::List | Mode::Delete(_) | Mode::Biases(..) | Mode::Pins(_) => {}
        }
        None
    }

    /// Does what a key says. `area` is what [`Runs::draw`] draws on.
    pub fn act(&mut self, action: Action, area: Rect) -> Option<Effect> {
        let last = self.shown.len().saturating_sub(1);
        match action {
            Action::Up => self.cursor = self.cursor.saturating_sub(1),
            Action::Down => self.cursor = (self.cursor + 1).min(last),
            Action::PageUp => self.cursor = self.cursor.saturating_sub(PAGE),
            Action::PageDown => self.cursor = (self.cursor + PAGE).min(last),
            Action::First => self.cursor = 0,
            Action::Last => self.cursor = last,
            Action::Sort => self.sort_by(self.sort.next(&table::columns(area.width))),
            Action::Reverse => self.sort_by(self.sort),
            Action::Filter => self.mode = Mode::Filter(LineInput::new(&self.filter), self.filter.clone()),
            Action::Back if !self.filter.is_empty() => {
                self.filter.clear();
                let here = self.current().map(|run| run.name.clone());
                self.arrange(here);
            }
            Action::Back => self.marked.clear(),
            Action::Mark => {
                let name = self.current()?.name.clone();
                if !self.marked.remove(&name) {
                    self.marked.insert(name);
                }
                self.cursor = (self.cursor + 1).min(last);
            }
            Action::Enter => {
                let run = self.current()?;
                return Some(match run.state {
                    RunState::Running => Effect::Attach(run.path.clone()),
                    _ => Effect::Replay(run.path.clone(), 0),
                });
            }
            Action::Resume => return Some(Effect::Resume(self.current()?.path.clone())),
            Action::Overlay => return Some(Effect::Overlay(self.chosen().map(|run| run.path.clone()).collect())),
            Action::Compare => return Some(Effect::Compare(self.chosen().cloned().collect())),
            Action::Tag => {
                let tags = self.current()?.tags.join(" ");
                self.mode = Mode::Tag(self.chosen().map(|run| run.path.clone()).collect(), LineInput::new(&tags));
            }
            Action::Rename => {
                let run = self.current()?;
                self.mode = Mode::Rename(run.path.clone(), LineInput::new(&run.name));
            }
            Action::Delete => {
                let runs: Vec<PathBuf> = self.chosen().map(|run| run.path.clone()).collect();
                if !runs.is_empty() {
                    self.mode = Mode::Delete(runs);
                }
            }
            Action::Export => self.mode = Mode::Export(ExportForm::new(self.current()?)),
            Action::CallOff if self.exporting.is_some() => return Some(Effect::CallOff),
            Action::Pin => self.mode = Mode::Pins(PinDialog::new(self.current()?)),
            Action::OpenFolder => return Some(Effect::Open(self.current()?.path.clone())),
            Action::CopyPath => {
                let path = self.current()?.path.clone();
                return Some(Effect::Copy(path.canonicalize().unwrap_or(path).display().to_string()));
            }
            _ => {}
        }
        None
    }

    /// Takes up a click: on a column's name it sorts, on a run it goes there, on that run it replays it.
    pub fn click(&mut self, at: Position, area: Rect) -> Option<Effect> {
        let [table, _] = self.parts(area);
        match table::hit(self, table, at)? {
            table::Hit::Column(column) => self.sort_by(column),
            table::Hit::Run(place) if place == self.cursor => return self.act(Action::Enter, area),
            table::Hit::Run(place) => self.cursor = place,
        }
        None
    }

    /// Takes up an export that begins. Whether none is under way yet.
    pub fn begin_export(&mut self, order: &Order) -> bool {
        let idle = self.exporting.is_none();
        self.exporting.get_or_insert_with(|| RunningExport { order: order.clone(), progress: None });
        idle
    }

    /// The export under way.
    pub fn exporting(&self) -> Option<&RunningExport> {
        self.exporting.as_ref()
    }

    /// Takes up how far the export is.
    pub fn exports(&mut self, progress: Progress) {
        if let Some(export) = &mut self.exporting {
            export.progress = Some(progress);
        }
    }

    /// Takes up the export's end.
    pub fn exported(&mut self) -> Option<Order> {
        self.exporting.take().map(|export| export.order)
    }

    /// Asks whether an adapter is to be had without the biases that have no place in it.
    pub fn offer(&mut self, order: Order, biases: ChangedBiases) {
        self.mode = Mode::Biases(order, biases);
    }

    /// Draws them.
    pub fn draw(&self, frame: &mut Frame, area: Rect, look: &Look) {
        let [table, below] = self.parts(area);
        table::draw(self, frame, table, look);
        if below.height > 0 {
            detail::draw(self, frame, below, look);
        }
        detail::draw_mode(self, frame, area, look);
    }

    /// The table, and what is told of the run under the cursor: that has what the table does not need, a third at least.
    fn parts(&self, area: Rect) -> [Rect; 2] {
        let needed = u16::try_from(self.listed.as_ref().map_or(0, Vec::len)).unwrap_or(u16::MAX).saturating_add(4);
        let third = (area.height / 3).max(9);
        let below = if area.height < 18 { 0 } else { area.height.saturating_sub(needed).clamp(third, third * 2) };
        Layout::vertical([Constraint::Fill(1), Constraint::Length(below.min(area.height.saturating_sub(9)))])
            .areas(area)
    }

    /// The run under the cursor.
    fn current(&self) -> Option<&RunEntry> {
        self.listed.as_ref()?.get(*self.shown.get(self.cursor)?)
    }

    /// The marked runs, in the order they are shown in; the one under the cursor if none is.
    fn chosen(&self) -> impl Iterator<Item = &RunEntry> {
        let marked = self.runs().filter(|run| self.marked.contains(&run.name));
        marked.chain(self.current().filter(|_| self.runs().all(|run| !self.marked.contains(&run.name))))
    }

    /// Those that are shown.
    fn runs(&self) -> impl Iterator<Item = &RunEntry> {
        let listed = self.listed.as_deref().unwrap_or_default();
        self.shown.iter().filter_map(|number| listed.get(*number))
    }

    /// Sorts by a column, the better end first; by the same once more, the other way round.
    fn sort_by(&mut self, column: RunColumn) {
        self.descending = if column == self.sort { !self.descending } else { column.descends() };
        self.sort = column;
        let here = self.current().map(|run| run.name.clone());
        self.arrange(here);
    }

    /// Filters and sorts anew; the cursor goes with its run.
    fn arrange(&mut self, here: Option<String>) {
        let listed = self.listed.as_deref().unwrap_or_default();
        let mut shown: Vec<usize> = (0..listed.len()).filter(|number| passes(&listed[*number], &self.filter)).collect();
        shown.sort_by(|a, b| {
            let (a, b) = (&listed[*a], &listed[*b]);
            // What has no value comes last either way.
            let order = match (self.sort.has_value(a), self.sort.has_value(b)) {
                (true, true) if self.descending => self.sort.order(b, a),
                (true, true) => self.sort.order(a, b),
                (a, b) => b.cmp(&a),
            };
            if order == Ordering::Equal { a.name.cmp(&b.name) } else { order }
        });
        let place = here.and_then(|here| shown.iter().position(|number| listed[*number].name == here));
        self.cursor = place.unwrap_or(self.cursor).min(shown.len().saturating_sub(1));
        self.shown = shown;
    }
}

/// Whether every word of a filter is found in a run's name, preset, model, state or tags.
fn passes(run: &RunEntry, filter: &str) -> bool {
    let mut text = [&run.name, &run.summary.preset, &run.summary.model, run.state.name()].join(" ").to_lowercase();
    run.tags.iter().for_each(|tag| text += &format!(" #{}", tag.to_lowercase()));
    filter.to_lowercase().split_whitespace().all(|word| text.contains(word))
}

/// A state's colour, and its sign for those who see none.
fn sign(state: RunState, look: &Look) -> (super::theme::Hue, &'static str) {
    let theme = &look.theme;
    match (state, look.ascii) {
        (RunState::Running, false) => (theme.accent, "▶"),
        (RunState::Running, true) => (theme.accent, ">"),
        (RunState::Completed, false) => (theme.good, "✔"),
        (RunState::Completed, true) => (theme.good, "+"),
        (RunState::Stopped, false) => (theme.paused, "■"),
        (RunState::Stopped, true) => (theme.paused, "="),
        (RunState::Interrupted, false) => (theme.warning, "◌"),
        (RunState::Interrupted, true) => (theme.warning, "?"),
        (RunState::Failed, false) => (theme.error, "✖"),
        (RunState::Failed, true) => (theme.error, "x"),
    }
}
