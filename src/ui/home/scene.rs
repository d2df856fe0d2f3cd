//! What the drawing code of Home reads.

use super::estimate_query::EstimateQuery;
use super::list::List;
use crate::ui::theme::Look;

/// The presets, and how they are looked at.
pub struct Scene<'a> {
    pub list: &'a List,
    pub estimates: &'a EstimateQuery,
    /// Warnings and examples of the preview that are scrolled past.
    pub scrolled: u16,
    pub look: &'a Look,
}
