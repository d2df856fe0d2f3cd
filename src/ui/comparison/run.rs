//! A compared run: its name, its colour, its curves.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use ratatui::style::Style;

use super::curves::RunCurves;
use crate::ui::format::plain;
use crate::ui::theme::{Depth, Look};

/// A run that is compared.
#[derive(Clone)]
pub struct ComparedRun {
    /// The run folder.
    pub path: PathBuf,
    /// Name of the folder, without control characters.
    pub name: String,
    /// Index of its colour.
    pub colour: usize,
    /// Whether the others are compared with it.
    pub is_baseline: bool,
    /// `None` before they were read.
    pub curves: Option<Arc<RunCurves>>,
}

impl ComparedRun {
    pub fn new(path: &Path, colour: usize, is_baseline: bool, curves: Option<Arc<RunCurves>>) -> ComparedRun {
        let name = plain(&path.file_name().unwrap_or_default().to_string_lossy());
        ComparedRun { path: path.to_owned(), name, colour, is_baseline, curves }
    }

    /// The sign before its name, in its colour.
    pub fn swatch(&self, look: &Look) -> String {
        swatch(self.colour, self.is_baseline, look)
    }

    pub fn style(&self, look: &Look) -> Style {
        style(self.colour, look)
    }

    /// The character of its curves where runs have digits in place of colours.
    pub fn glyph(&self) -> char {
        digit(self.colour)
    }
}

/// Whether runs have digits in place of colours: there are no colours, or only plain characters.
pub fn by_digits(look: &Look) -> bool {
    look.ascii || look.depth == Depth::None
}

/// The sign of a colour.
pub fn swatch(colour: usize, is_baseline: bool, look: &Look) -> String {
    match (by_digits(look), is_baseline) {
        (true, _) => digit(colour).to_string(),
        (false, true) => "◆".into(),
        (false, false) => "●".into(),
    }
}

/// The style of what belongs to a run.
pub fn style(colour: usize, look: &Look) -> Style {
    let colours = look.theme.runs();
    look.theme.bold(colours[colour % colours.len()])
}

fn digit(colour: usize) -> char {
    char::from(b'1' + (colour % 9) as u8)
}
