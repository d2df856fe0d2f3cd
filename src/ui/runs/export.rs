//! The export dialog with format, checkpoint and output path; and the progress of a running export.

use std::path::{Path, PathBuf};

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use ratatui::Frame;
use ratatui::layout::{Margin, Position, Rect};
use ratatui::text::{Line, Span};

use super::line_input::InputOutcome;
use crate::config::path_of;
use crate::export::{ExportFormat, ExportRequest};
use crate::protocol::Progress;
use crate::runs::checkpoint::CheckpointSelector;
use crate::runs::{CheckpointSummary, RunEntry};
use crate::ui::format::{bytes, fitted_end, grouped, plain, truncated, width};
use crate::ui::theme::Look;
use crate::ui::widgets::input::Input;
use crate::ui::widgets::panel::Title;
use crate::ui::widgets::popup::{middle, window};

const WIDTH: u16 = 76;

/// Columns of the labels.
const LABELS: u16 = 14;

/// The row of the checkpoint, after those of the formats and an empty one. The output path is below.
const CHECKPOINT_ROW: usize = ExportFormat::ALL.len() + 1;

/// The dialog in which an export is set up.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct ExportForm {
    run: PathBuf,
    name: String,
    form: usize,
    kept: Vec<CheckpointSummary>,
    /// Index of the checkpoint in `kept`.
    checkpoint: usize,
    out: Input,
    /// Whether the user has edited the output path, so that it is no longer proposed.
    edited: bool,
    focus: Focus,
}

/// An export that is being written.
#[derive(Clone, Debug)]
pub struct RunningExport {
    pub(in crate::ui) order: ExportRequest,
    /// `None` before the first report.
    pub(in crate::ui) progress: Option<Progress>,
}

impl RunningExport {
    /// Name of the run.
    pub fn name(&self) -> String {
        plain(&self.order.run.file_name().unwrap_or_default().to_string_lossy())
    }

    /// Name of the format.
    pub fn format(&self) -> &'static str {
        describe(self.order.format).name
    }

    /// Progress in a few words: `1.0 MiB of 3.0 MiB`.
    pub fn progress_text(&self) -> String {
        match &self.progress {
            Some(Progress { done, total, unit, .. }) if unit == "bytes" && *total > 0 => {
                format!("{} of {}", bytes(*done as f64), bytes(*total as f64))
            }
            Some(Progress { done, total, unit, .. }) if *total > 0 => plain(&format!("{done} of {total} {unit}")),
            _ => "reading".to_owned(),
        }
    }
}

/// The field that keys edit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Focus {
    ExportFormat,
    Checkpoint,
    Out,
}

/// A format in words.
struct FormatDescription {
    name: &'static str,
    purpose: &'static str,
    /// The proposed name of its file or folder.
    file: &'static str,
}

fn describe(form: ExportFormat) -> FormatDescription {
    let (name, purpose, file) = match form {
        ExportFormat::Merged => ("merged model", "a model folder for transformers", "merged"),
        ExportFormat::Delta => ("sparse delta", "changed components only; see finesift apply", "delta.safetensors"),
        ExportFormat::Shira => ("PEFT adapter", "SHiRA; without biases and embeddings", "shira"),
        ExportFormat::Lora => ("LoRA adapter", "PEFT's, of a LoRA run", "lora"),
        ExportFormat::Csv => ("CSV", "the metrics of every step", "metrics.csv"),
        ExportFormat::Tensorboard => ("TensorBoard", "the metrics as an event file", "tensorboard"),
        ExportFormat::Html => ("HTML report", "a page with the charts", "report.html"),
    };
    FormatDescription { name, purpose, file }
}

/// The name of a format, and what it is for.
pub fn format_words(format: ExportFormat) -> (&'static str, &'static str) {
    let FormatDescription { name, purpose, .. } = describe(format);
    (name, purpose)
}

/// The area of the form. Drawing and clicks read the same.
fn form_area(within: Rect) -> Rect {
    let rows = CHECKPOINT_ROW as u16 + 3;
    middle(within, WIDTH.min(within.width), (rows + 2).min(within.height))
}

impl ExportForm {
    /// A form with a format chosen.
    pub(super) fn in_format(run: &RunEntry, format: ExportFormat) -> ExportForm {
        let mut form = ExportForm::new(run);
        form.form = ExportFormat::ALL.iter().position(|known| *known == format).unwrap_or(0);
        form.propose_path();
        form
    }

    /// A form with the best checkpoint, or the latest if none is best.
    pub(super) fn new(run: &RunEntry) -> ExportForm {
        let mut form = ExportForm {
            run: run.path.clone(),
            name: run.name.clone(),
            form: 0,
            checkpoint: run.checkpoints.iter().position(|kept| kept.best).unwrap_or(0),
            kept: run.checkpoints.clone(),
            out: Input::default(),
            edited: false,
            focus: Focus::ExportFormat,
        };
        form.propose_path();
        form
    }

    /// The form with this format chosen.
    pub(super) fn set_to(mut self, format: ExportFormat) -> ExportForm {
        self.form = ExportFormat::ALL.iter().position(|known| *known == format).unwrap_or(self.form);
        self.propose_path();
        self
    }

    pub(super) fn key(&mut self, key: KeyEvent) -> InputOutcome {
        let back = key.code == KeyCode::BackTab;
        match (key.code, self.focus) {
            (KeyCode::Enter, _) if self.out.text().trim().is_empty() => {}
            (KeyCode::Enter, _) => return InputOutcome::Submitted,
            (KeyCode::Esc, _) => return InputOutcome::Cancelled,
            (KeyCode::Char('c'), _) if key.modifiers.contains(KeyModifiers::CONTROL) => return InputOutcome::Cancelled,
            (KeyCode::Tab | KeyCode::BackTab, _) => {
                self.focus = match (self.focus, back) {
                    (Focus::ExportFormat, false) | (Focus::Out, true) if self.form().of_weights() => Focus::Checkpoint,
                    (Focus::ExportFormat, false) | (Focus::Checkpoint, false) => Focus::Out,
                    (Focus::ExportFormat, true) => Focus::Out,
                    (Focus::Checkpoint, true) | (Focus::Out, _) => Focus::ExportFormat,
                }
            }
            (KeyCode::Up, Focus::ExportFormat) => self.form = self.form.saturating_sub(1),
            (KeyCode::Down, Focus::ExportFormat) => self.form = (self.form + 1).min(ExportFormat::ALL.len() - 1),
            // From the latest on the left to the oldest.
            (KeyCode::Left | KeyCode::Up, Focus::Checkpoint) => self.checkpoint = self.checkpoint.saturating_sub(1),
            (KeyCode::Right | KeyCode::Down, Focus::Checkpoint) => {
                self.checkpoint = (self.checkpoint + 1).min(self.kept.len().saturating_sub(1));
            }
            (_, Focus::Out) => self.edited |= self.out.key(key),
            _ => {}
        }
        self.propose_path();
        InputOutcome::Editing
    }

    /// Handles a click: on a format, on the checkpoint or its arrows, on the output path. One beside the form is esc.
    pub(super) fn click(&mut self, at: Position, within: Rect) -> Option<KeyCode> {
        let area = form_area(within);
        if !area.contains(at) {
            return Some(KeyCode::Esc);
        }
        let inner = area.inner(Margin::new(1, 1));
        if !inner.contains(at) {
            return None;
        }
        match usize::from(at.y - inner.y) {
            row if row < ExportFormat::ALL.len() => (self.form, self.focus) = (row, Focus::ExportFormat),
            row if row == CHECKPOINT_ROW && self.form().of_weights() => {
                self.focus = Focus::Checkpoint;
                // The arrows are the first and the last character.
                let last = width(&self.checkpoint_text(true)).saturating_sub(1);
                match usize::from(at.x - inner.x).checked_sub(usize::from(LABELS)) {
                    Some(0) => return Some(KeyCode::Left),
                    Some(column) if column == last => return Some(KeyCode::Right),
                    _ => {}
                }
            }
            row if row == CHECKPOINT_ROW + 1 => self.focus = Focus::Out,
            _ => {}
        }
        self.propose_path();
        None
    }

    /// Inserts text into the output path, or replaces the proposed one.
    pub(super) fn paste(&mut self, text: &str) {
        if self.focus != Focus::Out {
            self.out = Input::default();
        }
        self.out.insert(text);
        (self.edited, self.focus) = (true, Focus::Out);
    }

    /// The export as set up.
    pub(super) fn order(&self) -> ExportRequest {
        let from = self.kept.get(self.checkpoint).map(|kept| CheckpointSelector::Step(kept.step));
        ExportRequest {
            run: self.run.clone(),
            format: self.form(),
            from: from.filter(|_| self.form().of_weights()),
            out: path_of(self.out.text().trim()),
            without_biases: false,
        }
    }

    fn form(&self) -> ExportFormat {
        ExportFormat::ALL[self.form]
    }

    /// Proposes a path in the run's folder, unless the user has entered one.
    fn propose_path(&mut self) {
        if self.edited {
            return;
        }
        let file = describe(self.form()).file;
        let step = self.kept.get(self.checkpoint).filter(|_| self.form().of_weights());
        let folder = step.map_or_else(|| "run".to_owned(), |kept| format!("step-{}", kept.step));
        self.out = Input::new(&Path::new(&self.run).join("exports").join(folder).join(file).display().to_string());
    }

    pub(super) fn draw(&self, frame: &mut Frame, within: Rect, look: &Look) {
        let theme = &look.theme;
        let area = form_area(within);
        let name = format!("Export {}", plain(&self.name));
        let title = Title { note: "enter export  tab next  esc cancel".into(), ..Title::named(&name) };
        let inner = window(frame, area, look, title);
        let row = |number: u16| Rect { y: inner.y + number, height: 1, ..inner }.intersection(inner);
        let label = |text: &'static str, focus: Focus| {
            let style = if self.focus == focus { theme.bold(theme.accent) } else { theme.style(theme.dim) };
            let pointer = if self.focus == focus { ">" } else { " " };
            Span::styled(format!(" {pointer} {text:<11}"), style)
        };
        let purpose_room = usize::from(inner.width.saturating_sub(LABELS)).saturating_sub(16);
        for (number, form) in ExportFormat::ALL.into_iter().enumerate() {
            let FormatDescription { name, purpose, .. } = describe(form);
            let chosen = number == self.form;
            let style = if chosen { theme.bold(theme.text) } else { theme.style(theme.dim) };
            let mark = match (chosen, look.ascii) {
                (false, _) => " ",
                (true, false) => "●",
                (true, true) => "*",
            };
            let line = Line::from(vec![
                if number == 0 {
                    label("format", Focus::ExportFormat)
                } else {
                    Span::raw(" ".repeat(usize::from(LABELS)))
                },
                Span::styled(format!("{mark} {name:<14}"), style),
                Span::styled(truncated(purpose, purpose_room, look.ascii), theme.style(theme.dim)),
            ]);
            let line = if chosen { line.style(theme.marked_line()) } else { line };
            frame.render_widget(line, row(number as u16));
        }
        let below = CHECKPOINT_ROW as u16;
        let checkpoint = Span::styled(self.checkpoint_text(look.ascii), theme.style(theme.text));
        frame.render_widget(Line::from(vec![label("checkpoint", Focus::Checkpoint), checkpoint]), row(below));
        frame.render_widget(Line::from(label("output", Focus::Out)), row(below + 1));
        let line = row(below + 1);
        let out = Rect { x: line.x + LABELS, width: line.width.saturating_sub(LABELS + 1), ..line };
        let out = out.intersection(line);
        if self.focus == Focus::Out {
            self.out.draw(frame, out, theme.bold(theme.text));
        } else {
            // The end of a path says more than its start.
            let text = fitted_end(&self.out.text(), usize::from(out.width), look.ascii);
            frame.render_widget(Line::styled(text, theme.style(theme.text)), out);
        }
    }

    /// The chosen checkpoint: `‹ step 100, best ›`.
    fn checkpoint_text(&self, ascii: bool) -> String {
        if !self.form().of_weights() {
            return "none: metrics of all steps".into();
        }
        let Some(kept) = self.kept.get(self.checkpoint) else { return "no checkpoints yet".into() };
        let words = [("best", kept.best), ("latest", self.checkpoint == 0), ("pinned", kept.pinned)];
        let words = words.into_iter().filter(|(_, holds)| *holds).map(|(word, _)| format!(", {word}"));
        let (left, right) = if ascii { ("<", ">") } else { ("‹", "›") };
        let arrow = |more: bool, arrow| if more { arrow } else { " " };
        format!(
            "{} step {}{} {}",
            arrow(self.checkpoint > 0, left),
            grouped(kept.step),
            words.collect::<String>(),
            arrow(self.checkpoint + 1 < self.kept.len(), right)
        )
    }
}
