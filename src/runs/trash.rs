//! Renaming runs, and moving them to the trash.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use super::folder::{plain, unused};
use super::list::{Lister, RunState};
use crate::Usage;

/// Folder of deleted runs in the folder of runs.
pub const TRASH: &str = ".trash";

/// Renames a run and returns its new folder.
///
/// # Errors
/// [`Usage`]: the name is invalid or taken, or the run is active. Errors of the system.
pub fn rename(run: &Path, name: &str) -> Result<PathBuf> {
    let to = run.with_file_name(plain(name)?);
    if to == run {
        return Ok(to);
    }
    if to.symlink_metadata().is_ok() {
        bail!(Usage(format!("{}: a run of this name exists", to.display())));
    }
    refuse_active(run, "renamed")?;
    fs::rename(run, &to).with_context(|| format!("{}: cannot be renamed to {name}", run.display()))?;
    Ok(to)
}

/// Moves a run to the trash and returns its new folder.
///
/// # Errors
/// [`Usage`]: the run is active. Errors of the system.
pub fn move_to_trash(run: &Path) -> Result<PathBuf> {
    refuse_active(run, "deleted")?;
    let trash = run.with_file_name(TRASH);
    let name = run.file_name().unwrap_or_default().to_string_lossy();
    fs::create_dir_all(&trash).with_context(|| format!("{}: cannot create the folder", trash.display()))?;
    let to = trash.join(unused(&trash, &name));
    fs::rename(run, &to).with_context(|| format!("{}: cannot be moved to {}", run.display(), to.display()))?;
    Ok(to)
}

/// Refuses a change to an active run.
///
/// # Errors
/// [`Usage`]: the run is active and cannot be `what`.
pub fn refuse_active(run: &Path, what: &str) -> Result<()> {
    if Lister::state_of(run) == RunState::Running {
        bail!(Usage(format!("{}: the run is active and cannot be {what}. Stop it first", run.display())));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs::File;

    use super::*;

    #[test]
    fn runs_are_renamed_and_moved_to_the_trash_but_not_while_they_are_active() {
        let runs = tempfile::tempdir().unwrap();
        let run = runs.path().join("one");
        fs::create_dir(&run).unwrap();
        fs::write(run.join("preset.toml"), "").unwrap();
        for name in ["../two", ".two", ""] {
            assert!(rename(&run, name).unwrap_err().is::<Usage>(), "{name}");
        }
        let two = rename(&run, "two").unwrap();
        fs::create_dir(&run).unwrap();
        assert!(rename(&two, "one").unwrap_err().to_string().contains("exists"));

        let lock = File::create(two.join("lock")).unwrap();
        lock.lock().unwrap();
        assert!(move_to_trash(&two).unwrap_err().to_string().contains("the run is active"));
        assert!(rename(&two, "three").unwrap_err().to_string().contains("the run is active"));
        drop(lock);
        assert_eq!(move_to_trash(&two).unwrap(), runs.path().join(".trash/two"));
        fs::create_dir(&two).unwrap();
        assert_eq!(move_to_trash(&two).unwrap(), runs.path().join(".trash/two-2"));
        assert!(runs.path().join(".trash/two/preset.toml").exists() && !two.exists());
    }
}
