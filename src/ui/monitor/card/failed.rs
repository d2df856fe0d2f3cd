//! The card of a run that failed: what to do comes first, then the error.

use std::path::Path;

use super::remedy::Remedy;
use super::{CardLine, Tone};
use crate::runs::{History, preset_in_name};
use crate::ui::format::{plain, wrapped, wrapped_at_most};
use crate::ui::monitor::Files;

/// How a run failed, and what can be done.
pub struct Failure {
    pub error: String,
    pub remedy: Remedy,
    /// Name of the preset, if it is known.
    pub preset: Option<String>,
    /// Whether there is a checkpoint to resume from.
    pub checkpoint: bool,
}

impl Failure {
    pub fn of(run: &History, error: &str, checkpoint: Option<&Path>, files: Option<&Files>) -> Failure {
        let preset = files.map_or("", |files| files.preset.as_str());
        // A run that failed while it was prepared has not said which preset it is of.
        let named = || preset_in_name(files?.folder.file_name()?.to_str()?).map(str::to_owned);
        Failure {
            error: error.to_owned(),
            remedy: Remedy::of(error, preset),
            preset: run.started.as_ref().map(|started| started.preset.clone()).or_else(named),
            checkpoint: checkpoint.is_some(),
        }
    }

    /// At most `rows` lines of at most `room` cells. The error gets two of them at least.
    pub(super) fn lines(&self, room: usize, rows: usize, ascii: bool) -> Vec<CardLine> {
        let room = room.saturating_sub(2);
        let text = |tone, text: &str, most| {
            // The lines of the text where there is room for them, else one after the other.
            let apart: Vec<String> = text.lines().flat_map(|line| wrapped(&plain(line), room)).collect();
            let lines = if apart.len() <= most { apart } else { wrapped_at_most(&plain(text), room, most, ascii) };
            lines.into_iter().map(move |line| vec![(tone, format!(" {line}"))])
        };
        let mut lines: Vec<CardLine> = Vec::new();
        if !self.remedy.advice.is_empty() {
            lines.extend(text(Tone::Advice, &self.remedy.advice, rows.saturating_sub(2).max(1)));
            if lines.len() + 2 < rows {
                lines.push(CardLine::new());
            }
        }
        lines.extend(text(Tone::Error, &self.remedy.cause, rows.saturating_sub(lines.len())));
        lines
    }
}
