//! What is chosen before a run is exported: the form, the checkpoint and the place; and how far an export is.

use std::path::{Path, PathBuf};

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use super::entry::Typed;
use crate::config::path_of;
use crate::export::{ExportFormat, ExportRequest};
use crate::protocol::Progress;
use crate::runs::checkpoint::CheckpointSelector;
use crate::runs::{CheckpointSummary, RunEntry};
use crate::ui::format::{bytes, grouped, plain};
use crate::ui::theme::Look;
use crate::ui::widgets::input::Input;
use crate::ui::widgets::panel::Title;
use crate::ui::widgets::popup::{middle, window};

const WIDTH: u16 = 76;

/// Columns of a row's name.
const NAMES: u16 = 14;

/// An export that is put together.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Draft {
    run: PathBuf,
    name: String,
    form: usize,
    kept: Vec<CheckpointSummary>,
    /// Place of the checkpoint in `kept`.
    checkpoint: usize,
    out: Input,
    /// Whether the user has written the place, so that it is not proposed any more.
    written: bool,
    focus: Focus,
}

/// An export under way.
#[derive(Clone, Debug)]
pub struct UnderWay {
    /// What was asked for.
    pub order: ExportRequest,
    /// How far it is, when it has told.
    pub progress: Option<Progress>,
}

impl UnderWay {
    /// Name of the run.
    pub fn name(&self) -> String {
        plain(&self.order.run.file_name().unwrap_or_default().to_string_lossy())
    }

    /// The form in a word or two.
    pub fn form(&self) -> &'static str {
        described(self.order.format).0
    }

    /// How far it is, in a few words.
    pub fn far(&self) -> String {
        match &self.progress {
            Some(Progress { done, total, unit, .. }) if unit == "bytes" && *total > 0 => {
                format!("{} of {}", bytes(*done as f64), bytes(*total as f64))
            }
            Some(Progress { done, total, unit, .. }) if *total > 0 => plain(&format!("{done} of {total} {unit}")),
            _ => "reading".to_owned(),
        }
    }
}

/// What keys are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Focus {
    Form,
    Checkpoint,
    Out,
}

/// A form's name, what it is for, and what it is called in a folder.
fn described(form: ExportFormat) -> (&'static str, &'static str, &'static str) {
    match form {
        ExportFormat::Merged => ("merged model", "a folder for Hugging Face software", "merged"),
        ExportFormat::Delta => ("sparse delta", "what has changed, for finesift apply", "delta.safetensors"),
        ExportFormat::Shira => ("PEFT adapter", "SHiRA; without biases and embeddings", "shira"),
        ExportFormat::Csv => ("CSV", "a table of the numbers of every step", "metrics.csv"),
        ExportFormat::Tensorboard => ("TensorBoard", "the same as an event file", "tensorboard"),
        ExportFormat::Html => ("HTML report", "a page with the charts", "report.html"),
    }
}

impl Draft {
    /// Of what a run came to: its best checkpoint, or the newest where none is best.
    pub fn of(run: &RunEntry) -> Draft {
        let checkpoint = run.checkpoints.iter().position(|kept| kept.best).unwrap_or(0);
        let (path, name, kept) = (run.path.clone(), run.name.clone(), run.checkpoints.clone());
        let out = Input::default();
        let mut draft = Draft { run: path, name, form: 0, kept, checkpoint, out, written: false, focus: Focus::Form };
        draft.propose();
        draft
    }

    /// Takes up a key.
    pub fn key(&mut self, key: KeyEvent) -> Typed {
        let back = key.code == KeyCode::BackTab;
        match (key.code, self.focus) {
            (KeyCode::Enter, _) if self.out.text().trim().is_empty() => {}
            (KeyCode::Enter, _) => return Typed::Done,
            (KeyCode::Esc, _) => return Typed::Dropped,
            (KeyCode::Char('c'), _) if key.modifiers.contains(KeyModifiers::CONTROL) => return Typed::Dropped,
            (KeyCode::Tab | KeyCode::BackTab, _) => {
                self.focus = match (self.focus, back) {
                    (Focus::Form, false) | (Focus::Out, true) if self.form().of_weights() => Focus::Checkpoint,
                    (Focus::Form, false) | (Focus::Checkpoint, false) => Focus::Out,
                    (Focus::Form, true) => Focus::Out,
                    (Focus::Checkpoint, true) | (Focus::Out, _) => Focus::Form,
                }
            }
            (KeyCode::Up, Focus::Form) => self.form = self.form.saturating_sub(1),
            (KeyCode::Down, Focus::Form) => self.form = (self.form + 1).min(ExportFormat::ALL.len() - 1),
            // From the newest on the left to the oldest.
            (KeyCode::Left | KeyCode::Up, Focus::Checkpoint) => self.checkpoint = self.checkpoint.saturating_sub(1),
            (KeyCode::Right | KeyCode::Down, Focus::Checkpoint) => {
                self.checkpoint = (self.checkpoint + 1).min(self.kept.len().saturating_sub(1));
            }
            (_, Focus::Out) => self.written |= self.out.key(key),
            _ => {}
        }
        self.propose();
        Typed::On
    }

    /// Takes up pasted text.
    pub fn paste(&mut self, text: &str) {
        if self.focus != Focus::Out {
            self.out = Input::default();
        }
        self.out.insert(text);
        (self.written, self.focus) = (true, Focus::Out);
    }

    /// What it comes to.
    pub fn order(&self) -> ExportRequest {
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

    /// A place within the run's folder, unless the user has written another.
    fn propose(&mut self) {
        if self.written {
            return;
        }
        let (_, _, file) = described(self.form());
        let step = self.kept.get(self.checkpoint).filter(|_| self.form().of_weights());
        let folder = step.map_or_else(|| "run".to_owned(), |kept| format!("step-{}", kept.step));
        self.out = Input::new(&Path::new(&self.run).join("exports").join(folder).join(file).display().to_string());
    }

    pub fn draw(&self, frame: &mut Frame, within: Rect, look: &Look) {
        let theme = &look.theme;
        let rows = ExportFormat::ALL.len() as u16 + 4;
        let area = middle(within, WIDTH.min(within.width), (rows + 2).min(within.height));
        let name = format!("Export {}", plain(&self.name));
        let title = Title { note: "enter exports  tab next  esc leaves it".into(), ..Title::named(&name) };
        let inner = window(frame, area, look, title);
        let row = |number: u16| Rect { y: inner.y + number, height: 1, ..inner }.intersection(inner);
        let name = |text: &'static str, focus: Focus| {
            let style = if self.focus == focus { theme.bold(theme.accent) } else { theme.style(theme.dim) };
            let pointer = if self.focus == focus { ">" } else { " " };
            Span::styled(format!(" {pointer} {text:<11}"), style)
        };
        for (number, form) in ExportFormat::ALL.into_iter().enumerate() {
            let (title, about, _) = described(form);
            let here = number == self.form;
            let style = if here { theme.bold(theme.text) } else { theme.style(theme.dim) };
            let mark = match (here, look.ascii) {
                (false, _) => " ",
                (true, false) => "●",
                (true, true) => "*",
            };
            let line = Line::from(vec![
                if number == 0 { name("as", Focus::Form) } else { Span::raw(" ".repeat(usize::from(NAMES))) },
                Span::styled(format!("{mark} {title:<14}"), style),
                Span::styled(about, theme.style(theme.dim)),
            ]);
            let line = if here { line.style(theme.marked_line()) } else { line };
            frame.render_widget(line, row(number as u16));
        }
        let below = ExportFormat::ALL.len() as u16 + 1;
        let chosen = Span::styled(self.chosen(look.ascii), theme.style(theme.text));
        frame.render_widget(Line::from(vec![name("checkpoint", Focus::Checkpoint), chosen]), row(below));
        frame.render_widget(Line::from(name("to", Focus::Out)), row(below + 1));
        let place = row(below + 1);
        let out = Rect { x: place.x + NAMES, width: place.width.saturating_sub(NAMES + 1), ..place };
        let out = out.intersection(place);
        if self.focus == Focus::Out {
            self.out.draw(frame, out, theme.bold(theme.text));
        } else {
            self.out.draw_still(frame, out, theme.style(theme.text));
        }
    }

    /// The checkpoint in words.
    fn chosen(&self, ascii: bool) -> String {
        if !self.form().of_weights() {
            return "all that the run told".into();
        }
        let Some(kept) = self.kept.get(self.checkpoint) else { return "none was written yet".into() };
        let words = [("the best", kept.best), ("the newest", self.checkpoint == 0), ("pinned", kept.pinned)];
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
