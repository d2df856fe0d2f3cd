//! Folders of the user that finesift shares between its parts.

use std::path::PathBuf;

/// finesift's cache, `cache:` in presets: `$XDG_CACHE_HOME/finesift`, by default `~/.cache/finesift`.
pub fn cache_folder() -> PathBuf {
    let home = || PathBuf::from(std::env::var_os("HOME").unwrap_or_default()).join(".cache");
    std::env::var_os("XDG_CACHE_HOME")
        .filter(|folder| !folder.is_empty())
        .map_or_else(home, PathBuf::from)
        .join("finesift")
}
