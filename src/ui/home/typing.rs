//! What keys go into at Home while they are text or an answer.

use super::deletion::Deletion;
use super::editor::Editing;
use super::naming::Naming;

/// What typed keys go into.
#[derive(Clone, Debug)]
pub enum Typing {
    /// The filter of the list.
    Filter,
    /// The filter of the settings.
    SettingsFilter,
    /// The value of a setting.
    Field(Box<Editing>),
    /// The name to save a preset under, or to rename it to.
    Name(Naming),
    /// Whether to delete a preset.
    Delete(Deletion),
}
