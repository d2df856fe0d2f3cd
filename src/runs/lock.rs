//! One writer per run: a lock on a file in its folder, which the system lifts when the process that holds it ends.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::path::Path;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};

use crate::Usage;

/// The lock's file within a run's folder.
const FILE: &str = "lock";

/// How often a lock that is held is tried again, and after what time.
const LOOKS: u32 = 50;
const LOOK: Duration = Duration::from_millis(5);

/// A held lock. Dropping it, or the end of the process by any means, lifts it; the file stays.
#[derive(Debug)]
pub struct RunLock {
    _file: File,
}

/// Who holds a run, for messages alone: the lock itself is the system's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// Process id.
    pub pid: u32,
    /// Name of its machine.
    pub host: String,
}

impl RunLock {
    /// Takes the lock of a run.
    ///
    /// # Errors
    /// [`Usage`] if another process holds it.
    pub fn take(folder: &Path) -> Result<RunLock> {
        let path = folder.join(FILE);
        let failed = || format!("{}: cannot lock the run", path.display());
        // Not emptied before it is ours: it tells who holds it.
        let file = OpenOptions::new().create(true).read(true).write(true).truncate(false).open(&path);
        let mut file = file.with_context(failed)?;
        // Who only looks whether it is held holds it for a moment.
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
                bail!(Usage(format!("{}: {who} is writing this run; wait for it or stop it", folder.display())));
            }
            Err(TryLockError::Error(error)) => return Err(error).with_context(failed),
        }
        let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
        let holder = serde_json::to_vec(&Holder { pid: std::process::id(), host })?;
        // A full disk leaves the lock without a name to it, and a lock all the same.
        let _ = file.set_len(0).and_then(|()| file.rewind()).and_then(|()| file.write_all(&holder));
        Ok(RunLock { _file: file })
    }

    /// Who holds a run now, if someone does.
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
    fn a_run_has_one_writer_and_a_stale_file_is_no_lock() {
        let folder = tempfile::tempdir().unwrap();
        // Left by a process that was killed.
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
        // Somebody looks, again and again.
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
