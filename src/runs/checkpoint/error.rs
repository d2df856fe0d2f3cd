//! Why a checkpoint cannot be used.

use std::error::Error;
use std::fmt;
use std::io;
use std::path::PathBuf;

use super::{FORMAT, FORMAT_RESELECTED};

/// What is wrong with a file of a checkpoint.
#[derive(Debug)]
pub struct CheckpointError {
    pub file: PathBuf,
    pub fault: CheckpointFault,
}

/// What is wrong with a file.
#[derive(Debug)]
pub enum CheckpointFault {
    Io(io::Error),
    Json(serde_json::Error),
    Checksum,
    Format(u32),
    TooLarge { limit: u64 },
    Size { bytes: u64, expected: u64 },
    NotInManifest,
}

impl CheckpointFault {
    /// The error of this fault in a file.
    pub(super) fn of(self, file: impl Into<PathBuf>) -> CheckpointError {
        CheckpointError { file: file.into(), fault: self }
    }
}

impl fmt::Display for CheckpointError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.file.display(), self.fault)
    }
}

impl fmt::Display for CheckpointFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CheckpointFault::Io(error) => error.fmt(f),
            CheckpointFault::Json(error) => error.fmt(f),
            CheckpointFault::Checksum => f.write_str("its checksum does not match"),
            CheckpointFault::Format(format) => {
                write!(
                    f,
                    "its format is {format}, but this version of finesift reads formats {FORMAT} and {FORMAT_RESELECTED}"
                )
            }
            CheckpointFault::TooLarge { limit } => write!(f, "larger than {} MiB", limit >> 20),
            CheckpointFault::Size { bytes, expected } => write!(f, "it has {bytes} bytes, but should have {expected}"),
            CheckpointFault::NotInManifest => f.write_str("it is not listed in the manifest"),
        }
    }
}

impl Error for CheckpointError {}

impl From<io::Error> for CheckpointFault {
    fn from(error: io::Error) -> CheckpointFault {
        CheckpointFault::Io(error)
    }
}

impl From<serde_json::Error> for CheckpointFault {
    fn from(error: serde_json::Error) -> CheckpointFault {
        CheckpointFault::Json(error)
    }
}
