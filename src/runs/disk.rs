//! The disk operations of writing a checkpoint as a trait, so that tests can use a full, slow or broken disk.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

/// A disk. The default methods use the real one.
pub trait Disk: Send + Sync {
    /// Bytes that this user can still write below a folder.
    fn free(&self, folder: &Path) -> io::Result<u64> {
        let system = rustix::fs::statvfs(folder)?;
        Ok(system.f_bavail.saturating_mul(system.f_frsize))
    }

    /// Creates a folder in an existing one.
    fn create_dir(&self, folder: &Path) -> io::Result<()> {
        fs::create_dir(folder)
    }

    /// Creates a file.
    fn create(&self, file: &Path) -> io::Result<File> {
        File::create_new(file)
    }

    /// Appends bytes to a file.
    fn write(&self, file: &mut File, bytes: &[u8]) -> io::Result<()> {
        file.write_all(bytes)
    }

    /// Syncs a file or a directory to disk.
    fn sync(&self, file: &File) -> io::Result<()> {
        file.sync_all()
    }

    /// Renames a folder on the same disk.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    /// Removes a folder and its content, if it exists.
    fn remove(&self, folder: &Path) -> io::Result<()> {
        match fs::remove_dir_all(folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            other => other,
        }
    }
}

/// The disk of this machine.
pub struct RealDisk;

impl Disk for RealDisk {}
