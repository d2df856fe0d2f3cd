//! Copies the files beside config and weights of a base model into an export.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use crate::model_folder::{TEMPLATES, is_companion};

/// Copies the companions of a model, from one folder into another.
///
/// # Errors
/// A folder that cannot be read or written.
pub(super) fn copy_companions(base: &Path, out: &Path) -> Result<()> {
    for name in companion_files(base)? {
        let copy = out.join(&name);
        copy.parent()
            .map_or(Ok(()), fs::create_dir_all)
            .and_then(|()| fs::copy(base.join(&name), &copy))
            .with_context(|| format!("{}: cannot write", copy.display()))?;
    }
    Ok(())
}

/// The companions in a folder, sorted. A link to a folder is not followed; a link to a file is, since the files of the
/// Hugging Face cache are links.
fn companion_files(folder: &Path) -> Result<Vec<String>> {
    let failed = || format!("{}: cannot read", folder.display());
    let mut names = Vec::new();
    for entry in fs::read_dir(folder).with_context(failed)? {
        let entry = entry.with_context(failed)?;
        let Ok(name) = entry.file_name().into_string() else { continue };
        if name == TEMPLATES && entry.file_type().with_context(failed)?.is_dir() {
            for template in fs::read_dir(entry.path()).with_context(failed)? {
                let template = template.with_context(failed)?;
                if let Ok(file) = template.file_name().into_string()
                    && template.path().is_file()
                {
                    names.push(format!("{TEMPLATES}/{file}"));
                }
            }
        } else if entry.path().is_file() {
            names.push(name);
        }
    }
    names.retain(|name| is_companion(name));
    names.sort_unstable();
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn linked_files_are_found_and_linked_folders_are_not_followed() {
        let (folder, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        fs::write(outside.path().join("blob"), "{}").unwrap();
        fs::write(outside.path().join("x.jinja"), "").unwrap();
        std::os::unix::fs::symlink(outside.path().join("blob"), folder.path().join("tokenizer.json")).unwrap();
        std::os::unix::fs::symlink("nowhere", folder.path().join("vocab.txt")).unwrap();
        std::os::unix::fs::symlink(outside.path(), folder.path().join(TEMPLATES)).unwrap();
        fs::create_dir(folder.path().join("LICENSE")).unwrap();
        assert_eq!(companion_files(folder.path()).unwrap(), ["tokenizer.json"]);
    }
}
