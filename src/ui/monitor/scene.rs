//! What the drawing code of the monitor reads.

use super::files::Files;
use super::view::View;
use crate::runs::History;
use crate::ui::theme::Look;

/// A run, and how it is looked at.
#[derive(Clone, Copy)]
pub struct Scene<'a> {
    pub run: &'a History,
    pub view: &'a View,
    /// The command that the trainer has not confirmed yet: `pausing…`.
    pub asked: Option<&'static str>,
    pub files: Option<&'a Files>,
    /// Other runs to compare with, by name.
    pub overlays: &'a [(String, History)],
    pub look: &'a Look,
}
