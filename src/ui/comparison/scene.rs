//! What the drawing code of a comparison reads.

use std::path::Path;

use super::run::ComparedRun;
use super::settings::Settings;
use super::view::ComparisonView;
use crate::ui::theme::Look;

/// Compared runs, and how they are looked at.
#[derive(Clone, Copy)]
pub struct Scene<'a> {
    pub runs: &'a [ComparedRun],
    pub view: &'a ComparisonView,
    pub settings: &'a Settings,
    /// Number of marked runs: more than are compared, if there are more than colours.
    pub marked: usize,
    /// The run that keys act on.
    pub selected: Option<&'a Path>,
    pub look: &'a Look,
}
