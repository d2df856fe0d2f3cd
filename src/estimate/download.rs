//! The size of what a launch would download. The hub is asked for it, so the answer may take a while.

use anyhow::Result;

use super::preset::Roots;
use super::report::DownloadSize;
use crate::inputs::{self, Access, Downloads};
use crate::preset::Preset;
use crate::quantity::decimal_bytes;

/// The size of everything that is missing for a preset. Nothing is downloaded.
///
/// # Errors
/// Those of [`inputs::open`].
pub fn download_sizes(preset: &Preset, roots: &Roots) -> Result<Vec<DownloadSize>> {
    let access = Access { hub: roots.hub, cache: roots.cache, downloads: Downloads::Never };
    let missing = inputs::open(preset, &access, &|_| {})?.missing;
    let size = |missing: &inputs::Missing| {
        let size = match (missing, access.size(preset, missing)) {
            // Another command fetches it, and says how large it is.
            (inputs::Missing::Demo { .. }, _) => String::new(),
            (_, Ok(bytes)) => format!(" ({})", decimal_bytes(bytes)),
            (_, Err(error)) if crate::hub::is_unreachable(&error) => " (size unknown: offline)".to_owned(),
            (_, Err(error)) => format!(" (size unknown: {error:#})"),
        };
        DownloadSize { missing: missing.to_string(), size }
    };
    Ok(missing.iter().map(size).collect())
}
