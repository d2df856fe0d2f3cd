//! A folder or file that is complete under its name or absent: written beside, and renamed.

use std::io;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::Usage;

/// A folder or file that gets its name only when it is complete.
pub(crate) struct Unfinished {
    /// Temporary path to write to.
    pub path: PathBuf,
    target: PathBuf,
    /// Whether a folder may be at `target`.
    replaces: bool,
    /// Parent folders that were created for it, the outermost first.
    created: Vec<PathBuf>,
}

impl Unfinished {
    /// Prepares a new folder or file at `target`.
    ///
    /// # Errors
    /// [`Usage`] if `target` exists.
    pub fn at(target: &Path) -> Result<Unfinished> {
        if target.symlink_metadata().is_ok() {
            bail!(Usage(format!("{}: exists already. Choose another path", target.display())));
        }
        Unfinished::beside(target, false)
    }

    /// Prepares a new folder in place of the one at `target`, if there is one; that stays until [`Unfinished::finish`].
    ///
    /// # Errors
    /// The folder that holds it cannot be created.
    pub fn in_place_of(target: &Path) -> Result<Unfinished> {
        Unfinished::beside(target, true)
    }

    fn beside(target: &Path, replaces: bool) -> Result<Unfinished> {
        let name = target.file_name().with_context(|| format!("{}: not a name", target.display()))?.to_string_lossy();
        let path = target.with_file_name(format!(".{name}.{}.part", std::process::id()));
        let mut unfinished = Unfinished { path, target: target.to_owned(), replaces, created: Vec::new() };
        if let Some(parent) = target.parent() {
            create_dirs(parent, &mut unfinished.created)
                .with_context(|| format!("{}: cannot create the folder", parent.display()))?;
        }
        Ok(unfinished)
    }

    /// Renames it to its target.
    pub fn finish(mut self) -> Result<()> {
        let target = &self.target;
        let failed = || format!("{}: cannot write", target.display());
        let old = self.path.with_extension("old");
        // A folder is not renamed over another one that holds files.
        let replaces = self.replaces && target.symlink_metadata().is_ok();
        if replaces {
            std::fs::rename(target, &old).with_context(failed)?;
        }
        if let Err(error) = std::fs::rename(&self.path, target) {
            if replaces {
                let _ = std::fs::rename(&old, target);
            }
            return Err(error).with_context(failed);
        }
        if replaces {
            std::fs::remove_dir_all(&old).with_context(|| format!("{}: cannot be removed", old.display()))?;
        }
        self.created.clear();
        Ok(())
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        // Does nothing after `finish`.
        let _ = std::fs::remove_dir_all(&self.path).or_else(|_| std::fs::remove_file(&self.path));
        for folder in self.created.iter().rev() {
            // A folder with files of others stays.
            let _ = std::fs::remove_dir(folder);
        }
    }
}

/// Creates a folder and its parents, and adds those that did not exist to `created`.
fn create_dirs(folder: &Path, created: &mut Vec<PathBuf>) -> io::Result<()> {
    if folder.as_os_str().is_empty() || folder.is_dir() {
        return Ok(());
    }
    if let Some(parent) = folder.parent() {
        create_dirs(parent, created)?;
    }
    match std::fs::create_dir(folder) {
        Ok(()) => created.push(folder.to_owned()),
        // Another process has created it meanwhile.
        Err(_) if folder.is_dir() => {}
        Err(error) => return Err(error),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn an_unfinished_export_removes_the_folders_that_were_created_for_it() {
        let folder = tempfile::tempdir().unwrap();
        let there = folder.path().join("exports");
        fs::create_dir(&there).unwrap();
        let place = there.join("step-9/whole/model");
        let start = || {
            let unfinished = Unfinished::at(&place).unwrap();
            fs::create_dir(&unfinished.path).unwrap();
            fs::write(unfinished.path.join("config.json"), "{}").unwrap();
            unfinished
        };
        drop(start());
        assert_eq!(fs::read_dir(&there).unwrap().count(), 0, "the existing folder stays empty");
        // A file of another process stays, and its folder with it.
        let unfinished = start();
        fs::write(there.join("step-9/note"), "").unwrap();
        drop(unfinished);
        assert!(there.join("step-9/note").is_file() && !there.join("step-9/whole").exists());
        start().finish().unwrap();
        assert_eq!(fs::read_to_string(place.join("config.json")).unwrap(), "{}");
        // An existing folder stays even if it is empty.
        let empty = there.join("empty");
        fs::create_dir(&empty).unwrap();
        drop(Unfinished::at(&empty.join("model")).unwrap());
        assert!(empty.is_dir());
        // An earlier folder stays until the new one is complete.
        let replace = |content: &str| {
            let unfinished = Unfinished::in_place_of(&place).unwrap();
            fs::create_dir(&unfinished.path).unwrap();
            fs::write(unfinished.path.join("new.json"), content).unwrap();
            unfinished
        };
        drop(replace("1"));
        assert!(place.join("config.json").is_file() && !place.join("new.json").exists());
        replace("2").finish().unwrap();
        assert_eq!(fs::read_to_string(place.join("new.json")).unwrap(), "2");
        assert_eq!(fs::read_dir(&place).unwrap().count(), 1);
        assert_eq!(fs::read_dir(place.parent().unwrap()).unwrap().count(), 1, "nothing else is left beside");
        // If one of the folders cannot be created, those before it are removed, also along a path with `..`.
        fs::write(there.join("file"), "").unwrap();
        Unfinished::at(&there.join("new/../file/model")).err().unwrap();
        assert!(!there.join("new").exists());
        drop(Unfinished::at(&there.join("new/../../way/model")).unwrap());
        assert!(!there.join("new").exists() && !folder.path().join("way").exists());
    }
}
