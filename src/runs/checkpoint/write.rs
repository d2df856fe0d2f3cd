//! Writing a checkpoint atomically: under a temporary name, synced to disk, then renamed.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use sha2::{Digest, Sha256};

use super::manifest::{FileEntry, Manifest};
use super::pin::{is_pinned, pin};
use super::{MANIFEST, STATE};
use crate::runs::disk::Disk;

/// Bytes per write.
const CHUNK: usize = 8 << 20;

/// Room for the manifest and directory entries, in bytes.
const BESIDES: u64 = 1 << 20;

/// A tensor as bytes: little-endian, row-major.
pub struct TensorBytes<'a> {
    pub name: &'static str,
    /// Type in safetensors: `F32`, `I32`, `I64`.
    pub dtype: &'static str,
    pub shape: Vec<usize>,
    pub bytes: &'a [u8],
}

/// Writes a checkpoint and replaces an earlier one in the same folder. Returns its size in bytes.
///
/// # Errors
/// The disk cannot be written or is full. An earlier checkpoint stays intact.
pub fn write(disk: &dyn Disk, folder: &Path, manifest: Manifest, tensors: &[TensorBytes]) -> Result<u64> {
    let parent = folder.parent().unwrap_or(Path::new("."));
    let (new, old) = (beside(folder, "new"), beside(folder, "old"));
    let failed = || format!("{}: cannot write the checkpoint", folder.display());
    if !parent.is_dir() {
        disk.create_dir(parent).with_context(failed)?;
    }
    // Left by a killed process. The old one is removed only if there is a newer one.
    disk.remove(&new).with_context(failed)?;
    if folder.exists() {
        disk.remove(&old).with_context(failed)?;
    }
    let needed = tensors.iter().map(|tensor| tensor.bytes.len() as u64).sum::<u64>() + BESIDES;
    let free = disk.free(parent).with_context(failed)?;
    if free < needed {
        bail!("{}: needs {} MiB, but only {} MiB are free on the disk", failed(), needed >> 20, free >> 20);
    }
    let filled = disk.create_dir(&new).and_then(|()| fill(disk, &new, manifest, tensors));
    let bytes = match filled.with_context(failed) {
        Ok(bytes) => bytes,
        Err(error) => {
            let _ = disk.remove(&new);
            return Err(error);
        }
    };
    let replaces = folder.exists();
    if replaces {
        if is_pinned(folder) {
            pin(&new)?;
        }
        disk.rename(folder, &old).with_context(failed)?;
    }
    if let Err(error) = disk.rename(&new, folder) {
        if replaces {
            let _ = disk.rename(&old, folder);
        }
        let _ = disk.remove(&new);
        return Err(error).with_context(failed);
    }
    File::open(parent).and_then(|parent| disk.sync(&parent)).with_context(failed)?;
    if is_pinned(&old) && !is_pinned(folder) {
        pin(folder)?;
    }
    // If it cannot be removed now, the next write or start removes it.
    let _ = disk.remove(&old);
    Ok(bytes)
}

/// Points the link `best` in a run's folder to one of its checkpoints.
pub fn point_best(run: &Path, checkpoint: &Path) -> io::Result<()> {
    let target = checkpoint.strip_prefix(run).map_err(|_| io::Error::other("it is outside of the run"))?;
    let (link, new) = (run.join("best"), run.join(".best.new"));
    match fs::remove_file(&new) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    std::os::unix::fs::symlink(target, &new)?;
    fs::rename(&new, &link)
}

/// `.NAME.KIND` beside a folder, which lists of checkpoints skip.
pub(super) fn beside(folder: &Path, kind: &str) -> PathBuf {
    let name = folder.file_name().unwrap_or_default().to_string_lossy();
    folder.with_file_name(format!(".{name}.{kind}"))
}

fn fill(disk: &dyn Disk, folder: &Path, manifest: Manifest, tensors: &[TensorBytes]) -> io::Result<u64> {
    let state =
        write_file(disk, folder, STATE, std::iter::once(&header(tensors)[..]).chain(tensors.iter().map(|t| t.bytes)))?;
    let manifest = Manifest { files: vec![state.clone()], ..manifest };
    let sealed = manifest.seal()?;
    let manifest = write_file(disk, folder, MANIFEST, std::iter::once(&sealed[..]))?;
    disk.sync(&File::open(folder)?)?;
    Ok(state.bytes + manifest.bytes)
}

/// Writes the concatenation of `parts`.
fn write_file<'a>(
    disk: &dyn Disk,
    folder: &Path,
    name: &str,
    parts: impl Iterator<Item = &'a [u8]>,
) -> io::Result<FileEntry> {
    let mut file = disk.create(&folder.join(name))?;
    let (mut checksum, mut bytes) = (Sha256::new(), 0);
    for chunk in parts.flat_map(|part| part.chunks(CHUNK)) {
        disk.write(&mut file, chunk)?;
        checksum.update(chunk);
        bytes += chunk.len() as u64;
    }
    disk.sync(&file)?;
    Ok(FileEntry { name: name.to_owned(), bytes, sha256: format!("{:x}", checksum.finalize()) })
}

/// The header of a safetensors file. The tensors follow in order, so that they are written without copying.
fn header(tensors: &[TensorBytes]) -> Vec<u8> {
    let mut entries = serde_json::Map::new();
    let mut start = 0;
    for tensor in tensors {
        let end = start + tensor.bytes.len();
        entries.insert(
            tensor.name.to_owned(),
            serde_json::json!({ "dtype": tensor.dtype, "shape": tensor.shape, "data_offsets": [start, end] }),
        );
        start = end;
    }
    let mut json = serde_json::Value::Object(entries).to_string().into_bytes();
    // Tensors are aligned to 8 bytes.
    json.resize(json.len().next_multiple_of(8), b' ');
    [&(json.len() as u64).to_le_bytes()[..], &json].concat()
}
