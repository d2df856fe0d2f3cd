//! Lines of a text file that may hold anything: a byte-order mark, CRLF, bytes that are not UTF-8, endless lines.

use std::cell::Cell;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use anyhow::{Context, Result, bail};

use super::MAX_ROW;
use crate::Usage;

/// The lines of a file; empty ones are skipped.
pub(super) struct Lines {
    pub path: PathBuf,
    /// Size of the file in bytes.
    pub total: u64,
    /// Bytes read so far.
    pub done: Rc<Cell<u64>>,
    reader: BufReader<File>,
    number: u64,
    buffer: Vec<u8>,
}

/// One line without its line break.
pub(super) struct TextLine {
    /// From 1.
    pub number: u64,
    pub text: String,
    /// Whether bytes that are not UTF-8 were replaced by U+FFFD.
    pub repaired: bool,
}

impl Lines {
    pub fn open(path: &Path) -> Result<Lines> {
        let file = File::open(path).with_context(|| format!("{}: cannot open", path.display()))?;
        let total = file.metadata().with_context(|| format!("{}: cannot read", path.display()))?.len();
        let reader = BufReader::with_capacity(1 << 16, file);
        Ok(Lines { path: path.to_owned(), total, done: Rc::default(), reader, number: 0, buffer: Vec::new() })
    }

    /// Reads one line into the buffer, at most one byte more than the limit.
    fn fill(&mut self) -> Result<usize> {
        self.buffer.clear();
        let mut bounded = self.reader.by_ref().take(MAX_ROW as u64 + 1);
        let read = bounded
            .read_until(b'\n', &mut self.buffer)
            .with_context(|| format!("{}:{}: cannot read", self.path.display(), self.number + 1))?;
        self.number += 1;
        self.done.set(self.done.get() + read as u64);
        if read > MAX_ROW {
            bail!(Usage(format!(
                "{}:{}: the line is longer than {} MiB",
                self.path.display(),
                self.number,
                MAX_ROW >> 20
            )));
        }
        Ok(read)
    }
}

impl Iterator for Lines {
    type Item = Result<TextLine>;

    fn next(&mut self) -> Option<Result<TextLine>> {
        loop {
            match self.fill() {
                Ok(0) => return None,
                Ok(_) => {}
                Err(error) => return Some(Err(error)),
            }
            let mut bytes = self.buffer.as_slice();
            if self.number == 1 {
                bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
            }
            bytes = bytes.strip_suffix(b"\n").unwrap_or(bytes);
            bytes = bytes.strip_suffix(b"\r").unwrap_or(bytes);
            if !bytes.is_empty() {
                let repaired = std::str::from_utf8(bytes).is_err();
                let text = String::from_utf8_lossy(bytes).into_owned();
                return Some(Ok(TextLine { number: self.number, text, repaired }));
            }
        }
    }
}
