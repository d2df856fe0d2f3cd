//! Finding checkpoints, detecting damaged ones, and pruning old ones.

use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use sha2::{Digest, Sha256};

use super::MANIFEST;
use super::error::{CheckpointError, CheckpointFault};
use super::manifest::Manifest;
use super::pin::is_pinned;
use super::write::beside;
use crate::runs::disk::Disk;

/// A manifest is below 64 KiB; a preset may be long.
const LARGEST_MANIFEST: u64 = 16 << 20;

/// A checkpoint in a list; its manifest is not read yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckpointEntry {
    /// Optimizer steps taken, from the folder's name.
    pub step: u64,
    pub path: PathBuf,
    /// Whether it is never pruned.
    pub pinned: bool,
}

/// A checkpoint with a valid manifest. Its files are checked when they are read.
#[derive(Clone, Debug)]
pub struct StoredCheckpoint {
    pub path: PathBuf,
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

/// The checkpoint that the link `best` in a run's folder points to.
pub fn best(run: &Path) -> Option<PathBuf> {
    let target = fs::read_link(run.join("best")).ok()?;
    // A link may point anywhere: only a checkpoint of this run counts.
    let name = target.file_name()?.to_str()?.to_owned();
    let path = run.join("checkpoints").join(&name);
    (name.starts_with("step-") && target == Path::new("checkpoints").join(&name) && path.is_dir()).then_some(path)
}

impl StoredCheckpoint {
    /// Reads and checks the manifest of a checkpoint.
    ///
    /// # Errors
    /// What is wrong with it, and where.
    pub fn open(path: &Path) -> Result<StoredCheckpoint, CheckpointError> {
        let file = path.join(MANIFEST);
        match read_manifest(&file) {
            Ok(manifest) => Ok(StoredCheckpoint { path: path.to_owned(), manifest }),
            Err(fault) => Err(fault.of(file)),
        }
    }

    /// Reads and checks one of its files as a whole.
    ///
    /// # Errors
    /// What is wrong with it, and where.
    pub fn read(&self, name: &str) -> Result<Vec<u8>, CheckpointError> {
        self.read_checked(name).map_err(|fault| fault.of(self.path.join(name)))
    }

    fn read_checked(&self, name: &str) -> Result<Vec<u8>, CheckpointFault> {
        let entry = self.manifest.files.iter().find(|entry| entry.name == name);
        let entry = entry.ok_or(CheckpointFault::NotInManifest)?;
        let file = File::open(self.path.join(name))?;
        let bytes = file.metadata()?.len();
        // Before memory of that size is allocated.
        if bytes != entry.bytes {
            return Err(CheckpointFault::Size { bytes, expected: entry.bytes });
        }
        let mut content = Vec::with_capacity(bytes as usize);
        file.take(bytes).read_to_end(&mut content)?;
        if format!("{:x}", Sha256::digest(&content)) != entry.sha256 {
            return Err(CheckpointFault::Checksum);
        }
        Ok(content)
    }
}

fn read_manifest(file: &Path) -> Result<Manifest, CheckpointFault> {
    let mut bytes = Vec::new();
    File::open(file)?.take(LARGEST_MANIFEST + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > LARGEST_MANIFEST {
        return Err(CheckpointFault::TooLarge { limit: LARGEST_MANIFEST });
    }
    Manifest::unseal(&bytes)
}

/// Removes the checkpoints of a run except the `keep` newest, the best and the pinned.
pub fn prune(disk: &dyn Disk, run: &Path, keep: usize, best_step: Option<u64>) -> Result<()> {
    let best = best(run);
    let surplus = list(&run.join("checkpoints"))?.into_iter().skip(keep);
    for CheckpointEntry { step, path, .. } in
        surplus.filter(|old| !old.pinned && Some(old.step) != best_step && Some(&old.path) != best.as_ref())
    {
        // Renamed first: a half-removed checkpoint must not look like a checkpoint.
        let doomed = beside(&path, "new");
        let removed = disk.remove(&doomed).and_then(|()| disk.rename(&path, &doomed)).and_then(|()| {
            // A checkpoint that was pinned a moment ago comes back. From now on it cannot be pinned.
            if is_pinned(&doomed) { disk.rename(&doomed, &path) } else { disk.remove(&doomed) }
        });
        removed.with_context(|| format!("{}: cannot remove the checkpoint at step {step}", path.display()))?;
    }
    Ok(())
}

/// Cleans up after a killed process: an unfinished checkpoint is removed, a replaced one whose successor is missing is
/// restored. The caller holds the run's lock.
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
        outcome.with_context(|| format!("{}: cannot clean up after an earlier process", path.display()))?;
    }
    Ok(())
}

/// Moves the checkpoints after a step into `abandoned/` of the run's folder, since a run resumed from that step writes its
/// own. Returns how many there were.
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
    use super::super::{CheckpointSelector, STATE, TensorBytes, pin, point_best, select, unpin, write};
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
    fn a_written_checkpoint_reads_back_and_replaces_its_predecessor() {
        let run = tempfile::tempdir().unwrap();
        put(run.path(), 3);
        pin(&run.path().join("checkpoints/step-00000003")).unwrap();
        let path = put(run.path(), 3);
        let stored = StoredCheckpoint::open(&path).unwrap();
        let state = stored.read(STATE).unwrap();
        assert_eq!(stored.manifest.files[0].bytes, state.len() as u64);
        let tensors = safetensors::SafeTensors::deserialize(&state).unwrap();
        assert_eq!(tensors.tensor("master").unwrap().data(), 3u64.to_le_bytes());
        // A pin survives replacing the checkpoint, and no other file is left.
        assert!(list(&run.path().join("checkpoints")).unwrap()[0].pinned);
        assert_eq!(fs::read_dir(run.path().join("checkpoints")).unwrap().count(), 1);
    }

    #[test]
    fn pruning_keeps_the_newest_the_best_and_the_pinned() {
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
            assert!(gone.is::<Usage>() && gone.to_string().contains("no such checkpoint"), "{gone}");
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
        // Rewritten, it keeps a pin that was set meanwhile.
        let path = run.path().join("checkpoints/step-00000001");
        unpin(&path).unwrap();
        let tensors = [TensorBytes { name: "master", dtype: "F32", shape: vec![2], bytes: &[0; 8] }];
        write(&Pinning, &path, example(1), &tensors).unwrap();
        assert!(list(&run.path().join("checkpoints")).unwrap()[1].pinned);
    }

    #[test]
    fn a_checkpoint_is_chosen_by_step_or_as_the_best_or_newest() {
        let run = tempfile::tempdir().unwrap();
        assert!(select(run.path(), None).unwrap_err().to_string().contains("no checkpoint was saved yet"));
        let (first, second) = (put(run.path(), 1), put(run.path(), 2));
        assert_eq!(select(run.path(), None).unwrap(), second);
        assert!(
            select(run.path(), Some(CheckpointSelector::Best))
                .unwrap_err()
                .to_string()
                .contains("checkpoints at steps 2, 1")
        );
        point_best(run.path(), &first).unwrap();
        for (from, path) in [
            (None, &first),
            (Some(CheckpointSelector::Best), &first),
            (Some(CheckpointSelector::Newest), &second),
            (Some(CheckpointSelector::Step(2)), &second),
        ] {
            assert_eq!(select(run.path(), from).unwrap(), *path, "{from:?}");
        }
        assert!(select(run.path(), Some(CheckpointSelector::Step(3))).unwrap_err().is::<Usage>());
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
        assert!(StoredCheckpoint::open(&first).is_ok() && StoredCheckpoint::open(&second).is_ok());
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
        assert!(StoredCheckpoint::open(&run.path().join("abandoned/step-00000003")).is_ok());
    }
}
