//! What is wrong with a row.

use std::fmt;
use std::path::Path;

use crate::Usage;

/// What is wrong with a row. The caller that knows file and line adds them with [`RowError::at`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RowError(String);

impl RowError {
    pub(in crate::data) fn new(message: impl Into<String>) -> RowError {
        RowError(message.into())
    }

    pub(in crate::data) fn at(&self, path: &Path, line: u64) -> Usage {
        Usage(format!("{}:{line}: {self}", path.display()))
    }
}

impl fmt::Display for RowError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
