//! Lines of a text file that may hold anything: bytes that are not UTF-8, endless lines.

use std::io::{self, BufRead};
use std::path::Path;

use anyhow::{Result, bail};
use memchr::{memchr, memchr2};

use super::MAX_ROW;
use super::text_file::TextFile;
use crate::Usage;

/// What ends a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LineBreak {
    /// `\n` or `\r\n`: a lone carriage return is text.
    Feed,
    /// A lone carriage return as well.
    FeedOrReturn,
}

/// The lines of a file.
pub(super) struct Lines {
    pub file: TextFile,
    /// Of the line read last, from 1.
    pub number: u64,
    line_break: LineBreak,
    buffer: Vec<u8>,
}

impl Lines {
    pub fn open(path: &Path, line_break: LineBreak) -> Result<Lines> {
        Ok(Lines::of(TextFile::open(path)?, line_break))
    }

    pub fn of(file: TextFile, line_break: LineBreak) -> Lines {
        Lines { file, number: 0, line_break, buffer: Vec::new() }
    }

    /// The next line that is not empty, without its line break.
    pub fn next(&mut self) -> Result<Option<&[u8]>> {
        loop {
            match self.fill() {
                Err(error) => return Err(self.file.failed(error)),
                Ok(false) => return Ok(None),
                Ok(true) => self.number += 1,
            }
            if self.buffer.len() > MAX_ROW {
                let (path, number) = (self.file.path.display(), self.number);
                bail!(Usage(format!("{path}:{number}: the line is longer than {} MiB", MAX_ROW >> 20)));
            }
            if self.line_break == LineBreak::Feed && self.buffer.ends_with(b"\r") {
                self.buffer.pop();
            }
            if !self.buffer.is_empty() {
                return Ok(Some(&self.buffer));
            }
        }
    }

    /// The line read last.
    pub fn line(&self) -> &[u8] {
        &self.buffer
    }

    /// Reads one line into the buffer, or the beginning of one that is too long; false at the end of the file.
    fn fill(&mut self) -> io::Result<bool> {
        self.buffer.clear();
        let mut begun = false;
        loop {
            let bytes = self.file.fill_buf()?;
            if bytes.is_empty() {
                return Ok(begun);
            }
            begun = true;
            let end = match self.line_break {
                LineBreak::Feed => memchr(b'\n', bytes),
                LineBreak::FeedOrReturn => memchr2(b'\n', b'\r', bytes),
            };
            self.buffer.extend_from_slice(&bytes[..end.unwrap_or(bytes.len())]);
            let Some(end) = end else {
                let length = bytes.len();
                self.file.consume(length);
                if self.buffer.len() > MAX_ROW {
                    return Ok(true);
                }
                continue;
            };
            let after_return = bytes[end] == b'\r';
            self.file.consume(end + 1);
            if after_return && self.file.fill_buf()?.first() == Some(&b'\n') {
                self.file.consume(1);
            }
            return Ok(true);
        }
    }
}
