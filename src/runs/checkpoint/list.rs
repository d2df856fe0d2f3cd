//! Finding checkpoints, telling good ones from damaged ones, and keeping those that are to be kept.

use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use sha2::{Digest, Sha256};

use super::MANIFEST;
use super::manifest::Manifest;
use super::pin::is_pinned;
use super::write::beside;
use crate::runs::disk::Disk;

/// A manifest is below 64 KiB; a preset may be long.
const LARGEST_MANIFEST: u64 = 16 << 20;

/// A checkpoint in a list, its manifest not read yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckpointEntry {
    /// Optimizer steps, by its name.
    pub step: u64,
    /// Its folder.
    pub path: PathBuf,
    /// Whether it is kept whatever comes.
    pub pinned: bool,
}

/// A checkpoint whose manifest is sound. Its files are checked when they are read.
#[derive(Clone, Debug)]
pub struct Stored {
    /// Its folder.
    pub path: PathBuf,
    /// What it says of itself.
    pub manifest: Manifest,
}

/// The checkpoints of a folder, the newest first.
pub fn list(checkpoints: &Path) -> Result<Vec<CheckpointEntry>> {
    let entries = match fs::read_dir(checkpoints) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.with_context(|| format!("{}: cannot read", checkpoints.display()))?,
    };
    let mut listed: Vec<CheckpointEntry> = entries
        .filter_map(|entry| {
            let path = entry.ok()?.path();
            let step = path.file_name()?.to_str()?.strip_prefix("step-")?.parse().ok()?;
            Some(CheckpointEntry { step, pinned: is_pinned(&path), path })
        })
        .collect();
    listed.sort_by_key(|checkpoint| std::cmp::Reverse(checkpoint.step));
    Ok(listed)
}

/// The checkpoint that `best` of a run's folder leads to.
pub fn best(run: &Path) -> Option<PathBuf> {
    let target = fs::read_link(run.join("best")).ok()?;
    // A link can say anything: only a checkpoint of this run is one.
    let name = target.file_name()?.to_str()?.to_owned();
    let path = run.join("checkpoints").join(&name);
    (name.starts_with("step-") && target == Path::new("checkpoints").join(&name) && path.is_dir()).then_some(path)
}

impl Stored {
    /// Reads and checks a checkpoint's manifest.
    ///
    /// # Errors
    /// What is wrong with it, naming the file.
    pub fn open(path: &Path) -> Result<Stored, String> {
        let file = path.join(MANIFEST);
        let wrong = |what: String| format!("{}: {what}", file.display());
        let mut bytes = Vec::new();
        let read = File::open(&file).and_then(|file| file.take(LARGEST_MANIFEST + 1).read_to_end(&mut bytes));
        read.map_err(|error| wrong(error.to_string()))?;
        if bytes.len() as u64 > LARGEST_MANIFEST {
            return Err(wrong(format!("larger than {} MiB", LARGEST_MANIFEST >> 20)));
        }
        let manifest = Manifest::unseal(&bytes).map_err(wrong)?;
        Ok(Stored { path: path.to_owned(), manifest })
    }

    /// Reads one of its files whole and checks it.
    ///
    /// # Errors
    /// What is wrong with it, naming the file.
    pub fn read(&self, name: &str) -> Result<Vec<u8>, String> {
        let path = self.path.join(name);
        let wrong = |what: String| format!("{}: {what}", path.display());
        let entry = self.manifest.files.iter().find(|entry| entry.name == name);
        let entry = entry.ok_or_else(|| wrong("the manifest does not know it".into()))?;
        let file = File::open(&path).map_err(|error| wrong(error.to_string()))?;
        let bytes = file.metadata().map_err(|error| wrong(error.to_string()))?.len();
        // Before anything of that size is held in memory.
        if bytes != entry.bytes {
            return Err(wrong(format!("it has {bytes} bytes and should have {}", entry.bytes)));
        }
        let mut content = Vec::with_capacity(bytes as usize);
        file.take(bytes).read_to_end(&mut content).map_err(|error| wrong(error.to_string()))?;
        if format!("{:x}", Sha256::digest(&content)) != entry.sha256 {
            return Err(wrong("its checksum does not match".into()));
        }
        Ok(content)
    }
}

/// Removes all but the newest checkpoints of a run, the best and the pinned.
pub fn prune(disk: &dyn Disk, run: &Path, keep: usize, best_step: Option<u64>) -> Result<()> {
    let best = best(run);
    let surplus = list(&run.join("checkpoints"))?.into_iter().skip(keep);
    for CheckpointEntry { step, path, .. } in
        surplus.filter(|old| !old.pinned && Some(old.step) != best_step && Some(&old.path) != best.as_ref())
    {
        // Under a name that is none of a checkpoint's first: a half-removed one must not look like one.
        let doomed = beside(&path, "new");
        let removed = disk.remove(&doomed).and_then(|()| disk.rename(&path, &doomed)).and_then(|()| {
            // Pinned a moment ago, it comes back; from now on it is not found to be pinned.
            if is_pinned(&doomed) { disk.rename(&doomed, &path) } else { disk.remove(&doomed) }
        });
        removed.with_context(|| format!("{}: cannot remove the checkpoint of step {step}", path.display()))?;
    }
    Ok(())
}

/// Puts in order what a killed process left: a checkpoint on its way in is removed, one whose place was not taken yet goes
/// back to it. Only for who holds the run's lock.
pub fn recover(disk: &dyn Disk, checkpoints: &Path) -> Result<()> {
    let Ok(entries) = fs::read_dir(checkpoints) else { return Ok(()) };
    for path in entries.filter_map(|entry| Some(entry.ok()?.path())) {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let Some((name, kind)) = name.strip_prefix('.').and_then(|name| name.rsplit_once('.')) else { continue };
        let place = path.with_file_name(name);
        let outcome = match kind {
            "old" if !place.exists() => disk.rename(&path, &place),
            "old" | "new" => disk.remove(&path),
            _ => Ok(()),
        };
        outcome.with_context(|| format!("{}: cannot put in order what was left there", path.display()))?;
    }
    Ok(())
}

/// Moves all checkpoints of later steps into `abandoned/` of the run's folder: a run that goes back to an earlier step
/// makes its own. Returns how many there were.
pub fn set_aside(disk: &dyn Disk, run: &Path, after: Option<u64>) -> Result<usize> {
    let later: Vec<CheckpointEntry> = list(&run.join("checkpoints"))?
        .into_iter()
        .filter(|checkpoint| after.is_none_or(|step| checkpoint.step > step))
        .collect();
    let abandoned = run.join("abandoned");
    for CheckpointEntry { path, .. } in &later {
        let place = abandoned.join(path.file_name().unwrap_or_default());
        fs::create_dir_all(&abandoned)
            .and_then(|()| disk.remove(&place))
            .and_then(|()| disk.rename(path, &place))
            .with_context(|| format!("{}: cannot move it to {}", path.display(), abandoned.display()))?;
    }
    Ok(later.len())
}

#[cfg(test)]
mod tests {
    use super::super::manifest::example;
    use super::super::{CheckpointSelector, STATE, TensorBytes, pin, point_best, unpin, wanted, write};
    use super::*;
    use crate::Usage;
    use crate::runs::disk::RealDisk;

    fn put(run: &Path, step: u64) -> PathBuf {
        let path = run.join(format!("checkpoints/step-{step:08}"));
        let bytes = step.to_le_bytes();
        let tensors = [TensorBytes { name: "master", dtype: "F32", shape: vec![2], bytes: &bytes }];
        write(&RealDisk, &path, example(step), &tensors).unwrap();
        path
    }

    fn steps(run: &Path) -> Vec<u64> {
        list(&run.join("checkpoints")).unwrap().iter().map(|checkpoint| checkpoint.step).collect()
    }

    #[test]
    fn what_is_written_reads_back_and_takes_its_own_place() {
        let run = tempfile::tempdir().unwrap();
        put(run.path(), 3);
        pin(&run.path().join("checkpoints/step-00000003")).unwrap();
        let path = put(run.path(), 3);
        let stored = Stored::open(&path).unwrap();
        let state = stored.read(STATE).unwrap();
        assert_eq!(stored.manifest.files[0].bytes, state.len() as u64);
        let tensors = safetensors::SafeTensors::deserialize(&state).unwrap();
        assert_eq!(tensors.tensor("master").unwrap().data(), 3u64.to_le_bytes());
        // A pin outlives what it was put on, and nothing is left beside.
        assert!(list(&run.path().join("checkpoints")).unwrap()[0].pinned);
        assert_eq!(fs::read_dir(run.path().join("checkpoints")).unwrap().count(), 1);
    }

    #[test]
    fn the_newest_the_best_and_the_pinned_are_kept() {
        let run = tempfile::tempdir().unwrap();
        for step in [9, 10, 100, 101, 102] {
            put(run.path(), step);
        }
        let old = run.path().join("checkpoints/step-00000009");
        pin(&old).unwrap();
        point_best(run.path(), &run.path().join("checkpoints/step-00000010")).unwrap();
        prune(&RealDisk, run.path(), 2, None).unwrap();
        assert_eq!(steps(run.path()), [102, 101, 10, 9]);
        assert_eq!(best(run.path()).unwrap(), run.path().join("checkpoints/step-00000010"));
        point_best(run.path(), &run.path().join("checkpoints/step-00000102")).unwrap();
        prune(&RealDisk, run.path(), 1, None).unwrap();
        assert_eq!(steps(run.path()), [102, 9]);
        unpin(&old).unwrap();
        unpin(&old).unwrap();
        prune(&RealDisk, run.path(), 1, None).unwrap();
        assert_eq!(steps(run.path()), [102]);
        for gone in [pin(&old), unpin(&old)] {
            let gone = gone.unwrap_err();
            assert!(gone.is::<Usage>() && gone.to_string().contains("it is not there any more"), "{gone}");
        }
    }

    /// A disk on which a user is quick: what is about to be renamed was pinned just before.
    struct Pinning;

    impl Disk for Pinning {
        fn rename(&self, from: &Path, to: &Path) -> std::io::Result<()> {
            if from.file_name().is_some_and(|name| name == "step-00000001") {
                pin(from).unwrap();
            }
            RealDisk.rename(from, to)
        }
    }

    #[test]
    fn a_pin_that_comes_at_the_last_moment_counts() {
        let run = tempfile::tempdir().unwrap();
        for step in [1, 2, 3] {
            put(run.path(), step);
        }
        prune(&Pinning, run.path(), 1, None).unwrap();
        assert_eq!(steps(run.path()), [3, 1]);
        assert!(list(&run.path().join("checkpoints")).unwrap()[1].pinned);
        // Written anew, it keeps a pin that comes meanwhile.
        let path = run.path().join("checkpoints/step-00000001");
        unpin(&path).unwrap();
        let tensors = [TensorBytes { name: "master", dtype: "F32", shape: vec![2], bytes: &[0; 8] }];
        write(&Pinning, &path, example(1), &tensors).unwrap();
        assert!(list(&run.path().join("checkpoints")).unwrap()[1].pinned);
    }

    #[test]
    fn a_checkpoint_is_chosen_by_step_or_as_the_best_or_newest() {
        let run = tempfile::tempdir().unwrap();
        assert!(wanted(run.path(), None).unwrap_err().to_string().contains("no checkpoint was written yet"));
        let (first, second) = (put(run.path(), 1), put(run.path(), 2));
        assert_eq!(wanted(run.path(), None).unwrap(), second);
        assert!(
            wanted(run.path(), Some(CheckpointSelector::Best)).unwrap_err().to_string().contains("those of steps 2, 1")
        );
        point_best(run.path(), &first).unwrap();
        for (from, path) in [
            (None, &first),
            (Some(CheckpointSelector::Best), &first),
            (Some(CheckpointSelector::Newest), &second),
            (Some(CheckpointSelector::Step(2)), &second),
        ] {
            assert_eq!(wanted(run.path(), from).unwrap(), *path, "{from:?}");
        }
        assert!(wanted(run.path(), Some(CheckpointSelector::Step(3))).unwrap_err().is::<Usage>());
    }

    #[test]
    fn a_best_that_leads_elsewhere_is_none() {
        let run = tempfile::tempdir().unwrap();
        for target in ["/etc", "../checkpoints/step-1", "checkpoints/step-00000001", "checkpoints/.."] {
            let _ = fs::remove_file(run.path().join("best"));
            std::os::unix::fs::symlink(target, run.path().join("best")).unwrap();
            assert_eq!(best(run.path()), None, "{target}");
        }
    }

    #[test]
    fn what_a_kill_leaves_is_put_in_order() {
        let run = tempfile::tempdir().unwrap();
        let (first, second) = (put(run.path(), 1), put(run.path(), 2));
        // Killed between the two renames; and another time while writing, and before the old one was removed.
        fs::rename(&first, beside(&first, "old")).unwrap();
        fs::create_dir(beside(&second, "new")).unwrap();
        fs::create_dir(beside(&second, "old")).unwrap();
        recover(&RealDisk, &run.path().join("checkpoints")).unwrap();
        assert_eq!(steps(run.path()), [2, 1]);
        assert!(Stored::open(&first).is_ok() && Stored::open(&second).is_ok());
        assert_eq!(fs::read_dir(run.path().join("checkpoints")).unwrap().count(), 2);
    }

    #[test]
    fn later_ones_are_set_aside_and_not_lost() {
        let run = tempfile::tempdir().unwrap();
        for step in [1, 2, 3] {
            put(run.path(), step);
        }
        assert_eq!(set_aside(&RealDisk, run.path(), Some(1)).unwrap(), 2);
        put(run.path(), 2);
        assert_eq!(set_aside(&RealDisk, run.path(), Some(1)).unwrap(), 1);
        assert_eq!(steps(run.path()), [1]);
        assert!(Stored::open(&run.path().join("abandoned/step-00000003")).is_ok());
    }
}
