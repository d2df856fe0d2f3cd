//! One writer per run: a file lock in the folder of the run, which the system releases when the process ends.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::path::Path;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};

use crate::Usage;

/// File of the lock in the folder of a run.
const FILE: &str = "lock";

/// Retries for a lock that is held, and the time between them.
const LOOKS: u32 = 50;
const LOOK: Duration = Duration::from_millis(5);

/// A held lock. Dropping it or ending the process releases it; the file stays.
#[derive(Debug)]
pub struct RunLock {
    _file: File,
}

/// The process that holds a lock, for messages only: the lock itself is kept by the system.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    pub pid: u32,
    /// Name of the machine.
    pub host: String,
}

impl RunLock {
    /// Locks a run.
    ///
    /// # Errors
    /// [`Usage`] if another process holds it.
    pub fn take(folder: &Path) -> Result<RunLock> {
        let path = folder.join(FILE);
        let failed = || format!("{}: cannot lock the run", path.display());
        // Not truncated before it is locked: it names the holder.
        let file = OpenOptions::new().create(true).read(true).write(true).truncate(false).open(&path);
        let mut file = file.with_context(failed)?;
        // Checking a lock holds it for a moment.
        let mut tried = 0;
        let locked = loop {
            match file.try_lock() {
                Err(TryLockError::WouldBlock) if tried < LOOKS => tried += 1,
                locked => break locked,
            }
            thread::sleep(LOOK);
        };
        match locked {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let who = match read(&mut file) {
                    Some(Holder { pid, host }) => format!("process {pid} on {host}"),
                    None => "another process".to_owned(),
                };
                bail!(Usage(format!("{}: {who} is writing this run. Wait for it or stop it", folder.display())));
            }
            Err(TryLockError::Error(error)) => return Err(error).with_context(failed),
        }
        let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
        let holder = serde_json::to_vec(&Holder { pid: std::process::id(), host })?;
        // On a full disk the lock holds without naming its holder.
        let _ = file.set_len(0).and_then(|()| file.rewind()).and_then(|()| file.write_all(&holder));
        Ok(RunLock { _file: file })
    }

    /// The process that holds the lock of a run, if there is one.
    pub fn holder(folder: &Path) -> Option<Holder> {
        let mut file = File::open(folder.join(FILE)).ok()?;
        match file.try_lock_shared() {
            Err(TryLockError::WouldBlock) => read(&mut file),
            _ => None,
        }
    }
}

fn read(file: &mut File) -> Option<Holder> {
    let mut text = Vec::new();
    file.take(4096).read_to_end(&mut text).ok()?;
    serde_json::from_slice(&text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_has_one_writer_and_a_stale_file_does_not_lock() {
        let folder = tempfile::tempdir().unwrap();
        // Left by a killed process.
        std::fs::write(folder.path().join(FILE), r#"{"pid":1,"host":"elsewhere"}"#).unwrap();
        assert_eq!(RunLock::holder(folder.path()), None);
        let lock = RunLock::take(folder.path()).unwrap();
        let holder = RunLock::holder(folder.path()).unwrap();
        assert_eq!(holder.pid, std::process::id());
        let refused = RunLock::take(folder.path()).unwrap_err();
        assert!(refused.is::<Usage>());
        let message = refused.to_string();
        let expected = format!("process {} on {} is writing this run", holder.pid, holder.host);
        assert!(message.contains(&expected), "{message}");
        drop(lock);
        // Another thread checks the lock repeatedly.
        let path = folder.path().to_owned();
        let looker = thread::spawn(move || (0..2000).for_each(|_| drop(RunLock::holder(&path))));
        while !looker.is_finished() {
            drop(RunLock::take(folder.path()).unwrap());
        }
        looker.join().unwrap();
        assert_eq!(RunLock::holder(folder.path()), None);
        RunLock::take(folder.path()).unwrap();
    }
}
