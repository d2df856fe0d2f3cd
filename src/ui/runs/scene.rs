//! What the drawing code of the list of runs reads.

use super::export::RunningExport;
use super::list::RunList;
use super::mode::Mode;
use crate::ui::theme::Look;

/// The listed runs, and what is done with them.
#[derive(Clone, Copy)]
pub struct Scene<'a> {
    pub list: &'a RunList,
    pub mode: &'a Mode,
    /// The running export.
    pub exporting: Option<&'a RunningExport>,
    /// Whether the list has the keys.
    pub focused: bool,
    pub look: &'a Look,
}
