//! The objects of a JSON file as separate texts: its lines, or the items of its one list.

use std::io::{self, BufRead};
use std::path::Path;

use anyhow::{Result, bail};
use memchr::{memchr2, memrchr};

use super::lines::{LineBreak, Lines};
use super::python_json::starts_char;
use super::text_file::TextFile;
use crate::Usage;

/// Limit on an item of a list, in bytes.
const MAX_ITEM: usize = 64 << 20;

/// The items of a file.
pub(super) enum JsonItems {
    Lines(Lines),
    List(JsonList),
}

/// One item.
pub(super) struct JsonItem<'a> {
    /// Line in a file of JSON lines, otherwise the number of the item; both from 1.
    pub row: u64,
    pub text: &'a [u8],
    /// Where the text begins.
    pub start: Position,
}

/// A place in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Position {
    /// From 1.
    pub line: u64,
    /// In characters, from 1.
    pub column: u64,
}

impl JsonItems {
    /// A file that begins with a bracket is a list, whatever its extension.
    pub fn open(path: &Path) -> Result<JsonItems> {
        let mut file = TextFile::open(path)?;
        let is_list = match file.fill_buf() {
            Ok(head) => head.trim_ascii_start().starts_with(b"["),
            Err(error) => return Err(file.failed(error)),
        };
        Ok(match is_list {
            true => JsonItems::List(JsonList {
                file,
                item: Vec::new(),
                at: Position { line: 1, column: 1 },
                count: 0,
                state: ListState::Before,
            }),
            false => JsonItems::Lines(Lines::of(file, LineBreak::FeedOrReturn)),
        })
    }

    pub fn file(&self) -> &TextFile {
        match self {
            JsonItems::Lines(lines) => &lines.file,
            JsonItems::List(list) => &list.file,
        }
    }

    pub fn next(&mut self) -> Result<Option<JsonItem<'_>>> {
        match self {
            JsonItems::List(list) => list.next(),
            JsonItems::Lines(lines) => loop {
                let Some(line) = lines.next()? else { return Ok(None) };
                if !line.trim_ascii().is_empty() {
                    let start = Position { line: lines.number, column: 1 };
                    return Ok(Some(JsonItem { row: lines.number, text: lines.line(), start }));
                }
            },
        }
    }
}

/// The items of a file that is one list.
pub(super) struct JsonList {
    file: TextFile,
    item: Vec<u8>,
    at: Position,
    count: u64,
    state: ListState,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum ListState {
    Before,
    Within,
    After,
}

impl JsonList {
    fn next(&mut self) -> Result<Option<JsonItem<'_>>> {
        match (self.state, self.skip_spaces()?) {
            (ListState::After, _) => return Ok(None),
            (ListState::Before, _) => {
                self.step(1);
                self.state = ListState::Within;
                if self.skip_spaces()? == Some(b']') {
                    return self.end();
                }
            }
            (ListState::Within, Some(b',')) => {
                self.step(1);
                self.skip_spaces()?;
            }
            (ListState::Within, Some(b']')) => return self.end(),
            (ListState::Within, Some(_)) => bail!(self.error("expected a comma or the end of the list")),
            (ListState::Within, None) => {}
        }
        let start = self.at;
        self.item.clear();
        match self.read_item() {
            Ok(true) => {}
            Ok(false) => bail!(self.error("the file ends within an object; is it complete?")),
            Err(error) => return Err(self.file.failed(error)),
        }
        if self.item.len() > MAX_ITEM {
            bail!(self.error(&format!("an object is longer than {} MiB", MAX_ITEM >> 20)));
        }
        if self.item.is_empty() {
            bail!(self.error("expected an object"));
        }
        self.count += 1;
        Ok(Some(JsonItem { row: self.count, text: &self.item, start }))
    }

    /// The end of the list, after which nothing may follow.
    fn end(&mut self) -> Result<Option<JsonItem<'_>>> {
        self.step(1);
        self.state = ListState::After;
        match self.skip_spaces_to_end() {
            Ok(None) => Ok(None),
            Ok(Some(_)) => bail!(self.error("the list has ended; nothing may follow it")),
            Err(error) => Err(self.file.failed(error)),
        }
    }

    /// The next byte that is no space; an error at the end of the file.
    fn skip_spaces(&mut self) -> Result<Option<u8>> {
        match self.skip_spaces_to_end() {
            Ok(None) if self.state == ListState::After => Ok(None),
            Ok(None) => bail!(self.error("the file ends within the list; is it complete?")),
            Ok(byte) => Ok(byte),
            Err(error) => Err(self.file.failed(error)),
        }
    }

    fn skip_spaces_to_end(&mut self) -> io::Result<Option<u8>> {
        loop {
            let bytes = self.file.fill_buf()?;
            if bytes.is_empty() {
                return Ok(None);
            }
            let spaces = bytes.iter().take_while(|byte| byte.is_ascii_whitespace()).count();
            let next = bytes.get(spaces).copied();
            self.step(spaces);
            if next.is_some() {
                return Ok(next);
            }
        }
    }

    /// Reads an item: up to the bracket that closes it, or, if it has none, to the comma or bracket after it. Stops beyond
    /// the limit; false at the end of the file.
    fn read_item(&mut self) -> io::Result<bool> {
        let (mut depth, mut in_string, mut escaped) = (0_usize, false, false);
        loop {
            let bytes = self.file.fill_buf()?;
            if bytes.is_empty() {
                return Ok(false);
            }
            let (mut at, mut complete) = (0, false);
            while at < bytes.len() && !complete {
                if in_string && !escaped {
                    at += memchr2(b'"', b'\\', &bytes[at..]).unwrap_or(bytes.len() - at);
                    let Some(byte) = bytes.get(at) else { break };
                    (in_string, escaped) = (*byte == b'\\', *byte == b'\\');
                    at += 1;
                    continue;
                }
                match bytes[at] {
                    _ if in_string => escaped = false,
                    b'"' => in_string = true,
                    b'{' | b'[' => depth += 1,
                    b',' | b']' | b'}' if depth == 0 => {
                        complete = true;
                        continue;
                    }
                    b'}' | b']' => {
                        depth -= 1;
                        complete = depth == 0;
                    }
                    _ => {}
                }
                at += 1;
            }
            self.item.extend_from_slice(&bytes[..at]);
            self.step(at);
            if complete || self.item.len() > MAX_ITEM {
                return Ok(true);
            }
        }
    }

    /// Consumes bytes of the buffer.
    fn step(&mut self, count: usize) {
        // A buffer that was filled is not filled again, so that reading it cannot fail.
        if let Ok(bytes) = self.file.fill_buf() {
            self.at.advance(&bytes[..count]);
        }
        self.file.consume(count);
    }

    fn error(&self, message: &str) -> Usage {
        let Position { line, column } = self.at;
        Usage(format!("{}:{line}:{column}: {message}", self.file.path.display()))
    }
}

impl Position {
    fn advance(&mut self, bytes: &[u8]) {
        let last_line = match memrchr(b'\n', bytes) {
            Some(end) => {
                self.line += memchr::memchr_iter(b'\n', bytes).count() as u64;
                self.column = 1;
                &bytes[end + 1..]
            }
            None => bytes,
        };
        self.column += last_line.iter().filter(|byte| starts_char(**byte)).count() as u64;
    }
}
