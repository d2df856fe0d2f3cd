//! What writing a checkpoint asks of a disk, as a trait: a test puts one in its place that is full, slow or broken.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

/// A disk. The methods' own bodies are the real thing.
pub trait Disk: Send + Sync {
    /// Bytes that this user can still write below a folder.
    fn free(&self, folder: &Path) -> io::Result<u64> {
        let system = rustix::fs::statvfs(folder)?;
        Ok(system.f_bavail.saturating_mul(system.f_frsize))
    }

    /// Makes a folder; what is above it is there.
    fn create_dir(&self, folder: &Path) -> io::Result<()> {
        fs::create_dir(folder)
    }

    /// Makes a file.
    fn create(&self, file: &Path) -> io::Result<File> {
        File::create_new(file)
    }

    /// Writes all of these bytes at the end of a file.
    fn write(&self, file: &mut File, bytes: &[u8]) -> io::Result<()> {
        file.write_all(bytes)
    }

    /// Waits until a file or a folder's list of names is on the disk itself.
    fn sync(&self, file: &File) -> io::Result<()> {
        file.sync_all()
    }

    /// Gives a folder another name on the same disk.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    /// Removes a folder with what is in it; one that is not there is no error.
    fn remove(&self, folder: &Path) -> io::Result<()> {
        match fs::remove_dir_all(folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            other => other,
        }
    }
}

/// The machine's own.
pub struct RealDisk;

impl Disk for RealDisk {}
