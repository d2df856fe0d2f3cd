//! The cache of tokenized examples on disk, so that a second run skips tokenization.
//!
//! A file holds a magic number, the SHA-256 of the rest, and for each example the number of its tokens (u32), their ids
//! (u32 each) and their type ids (u8 each), all little-endian. Labels are not stored: they come with the examples.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::{Encoded, Example};

/// Bump it when the format changes, or anything else that changes the tokens of the same text and tokenizer.
const MAGIC: &[u8; 16] = b"finesift tokens1";

/// Bytes of magic and checksum.
const HEADER: usize = 16 + 32;

/// The cache file of one set of examples.
pub(super) struct TokenCache<'a> {
    path: PathBuf,
    max_length: usize,
    examples: &'a [Example],
}

impl<'a> TokenCache<'a> {
    /// The file's name is a hash of everything the tokens depend on.
    pub fn new(folder: &Path, tokenizer: &[u8; 32], max_length: usize, examples: &'a [Example]) -> TokenCache<'a> {
        let mut key = Sha256::new();
        key.update(MAGIC);
        key.update(tokenizer);
        key.update((max_length as u64).to_le_bytes());
        for example in examples {
            add_text(&mut key, &example.text);
            key.update([u8::from(example.pair.is_some())]);
            if let Some(pair) = &example.pair {
                add_text(&mut key, pair);
            }
        }
        TokenCache { path: folder.join(format!("tokens-{:x}.bin", key.finalize())), max_length, examples }
    }

    /// The cached tokens; `None` if the file is missing or damaged.
    pub fn read(&self) -> Option<Vec<Encoded>> {
        let largest = HEADER + self.examples.len() * (4 + 5 * self.max_length);
        if self.path.metadata().ok()?.len() > largest as u64 {
            return None;
        }
        let file = fs::read(&self.path).ok()?;
        let (magic, rest) = file.split_at_checked(MAGIC.len())?;
        let (checksum, mut rest) = rest.split_at_checked(32)?;
        if magic != MAGIC || checksum != Sha256::digest(rest).as_slice() {
            return None;
        }
        let mut encoded = Vec::with_capacity(self.examples.len());
        for example in self.examples {
            let length = u32::from_le_bytes(*take(&mut rest, 4)?.first_chunk()?) as usize;
            let ids = take(&mut rest, length.checked_mul(4)?)?;
            let ids = ids.chunks_exact(4).filter_map(|id| Some(u32::from_le_bytes(*id.first_chunk()?))).collect();
            let type_ids = take(&mut rest, length)?.to_vec();
            encoded.push(Encoded { ids, type_ids, label: example.label });
        }
        rest.is_empty().then_some(encoded)
    }

    /// Stores the tokens. Failures are ignored: on a full or read-only disk the next run tokenizes again.
    pub fn write(&self, encoded: &[Encoded]) {
        let mut payload = Vec::new();
        for example in encoded {
            payload.extend((example.ids.len() as u32).to_le_bytes());
            payload.extend(example.ids.iter().flat_map(|id| id.to_le_bytes()));
            payload.extend(&example.type_ids);
        }
        let file = [MAGIC.as_slice(), Sha256::digest(&payload).as_slice(), &payload].concat();
        // Renamed only when complete. The temporary name has the process id, so that two runs do not write into one file.
        let unfinished = self.path.with_extension(format!("{}.part", std::process::id()));
        let write = || -> io::Result<()> {
            if let Some(folder) = self.path.parent() {
                fs::create_dir_all(folder)?;
            }
            fs::write(&unfinished, &file)?;
            fs::rename(&unfinished, &self.path)
        };
        if write().is_err() {
            let _ = fs::remove_file(&unfinished);
        }
    }
}

/// Hashes the length first, so that different lists of texts never hash the same bytes.
fn add_text(key: &mut Sha256, text: &str) {
    key.update((text.len() as u64).to_le_bytes());
    key.update(text);
}

/// Splits `count` bytes off the front.
fn take<'a>(rest: &mut &'a [u8], count: usize) -> Option<&'a [u8]> {
    let (taken, left) = rest.split_at_checked(count)?;
    *rest = left;
    Some(taken)
}
