//! What has to be the same program on all ranks.

use std::fs::File;
use std::io;
use std::path::PathBuf;

use sha2::{Digest, Sha256};

/// Digits of the checksum that are shown: enough for two programs to differ.
const DIGITS: usize = 12;

/// The version of this program, and the beginning of its file's SHA-256: builds of one version may compute differently.
pub fn version() -> String {
    let program = checksum().map_or_else(|_| "of an unknown file".to_owned(), |sum| sum[..DIGITS].to_owned());
    format!("finesift {} ({program})", env!("CARGO_PKG_VERSION"))
}

fn checksum() -> io::Result<String> {
    // This is the file that runs, even if another has taken its place since.
    let running = PathBuf::from("/proc/self/exe");
    let path = if running.exists() { running } else { std::env::current_exe()? };
    let mut digest = Sha256::new();
    io::copy(&mut File::open(path)?, &mut digest)?;
    Ok(format!("{:x}", digest.finalize()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_is_known_by_its_file() {
        let sum = format!("{:x}", Sha256::digest(std::fs::read(std::env::current_exe().unwrap()).unwrap()));
        assert_eq!(version(), format!("finesift {} ({})", env!("CARGO_PKG_VERSION"), &sum[..DIGITS]));
    }
}
