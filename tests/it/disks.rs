//! Faulty disks: full, forbidden, broken, slow.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use finesift::runs::{Disk, RealDisk};

/// Fails some of its calls, counted from 0.
pub struct Faulty {
    calls: AtomicUsize,
    fails: Box<dyn Fn(usize) -> bool + Send + Sync>,
    errno: i32,
}

/// What a disk may answer: no space, no permission, an error of the device.
pub const ERRNOS: [i32; 3] = [28, 13, 5];

impl Faulty {
    /// Fails the calls that `fails` chooses.
    pub fn new(errno: i32, fails: impl Fn(usize) -> bool + Send + Sync + 'static) -> Faulty {
        Faulty { calls: AtomicUsize::new(0), fails: Box::new(fails), errno }
    }

    /// How often it was called.
    pub fn calls(&self) -> usize {
        self.calls.load(Ordering::SeqCst)
    }

    fn call(&self) -> io::Result<()> {
        let number = self.calls.fetch_add(1, Ordering::SeqCst);
        if (self.fails)(number) { Err(io::Error::from_raw_os_error(self.errno)) } else { Ok(()) }
    }
}

impl Disk for Faulty {
    fn free(&self, folder: &Path) -> io::Result<u64> {
        self.call()?;
        RealDisk.free(folder)
    }

    fn create_dir(&self, folder: &Path) -> io::Result<()> {
        self.call()?;
        RealDisk.create_dir(folder)
    }

    fn create(&self, file: &Path) -> io::Result<File> {
        self.call()?;
        RealDisk.create(file)
    }

    fn write(&self, file: &mut File, bytes: &[u8]) -> io::Result<()> {
        // A disk that fills up takes a part.
        self.call().or_else(|error| file.write_all(&bytes[..bytes.len() / 2]).and(Err(error)))?;
        RealDisk.write(file, bytes)
    }

    fn sync(&self, file: &File) -> io::Result<()> {
        self.call()?;
        RealDisk.sync(file)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.call()?;
        RealDisk.rename(from, to)
    }

    fn remove(&self, folder: &Path) -> io::Result<()> {
        self.call()?;
        RealDisk.remove(folder)
    }
}

/// Has no room left.
pub struct FullDisk;

impl Disk for FullDisk {
    fn free(&self, _: &Path) -> io::Result<u64> {
        Ok(1000)
    }
}
