//! `events.jsonl`: appending while a run goes, and reading back, a half-written last line included.

use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Lines, Read, Seek, SeekFrom, Take, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};

use crate::protocol::Event;

/// The growing `events.jsonl` of a run. Each line is handed to the system whole, so a killed process loses none.
pub struct EventLog {
    path: PathBuf,
    file: File,
    length: u64,
    line: Vec<u8>,
}

impl EventLog {
    /// Opens the file for appending.
    pub fn open(path: &Path) -> io::Result<EventLog> {
        let file = OpenOptions::new().create(true).append(true).open(path)?;
        let length = file.metadata()?.len();
        Ok(EventLog { path: path.to_owned(), file, length, line: Vec::with_capacity(512) })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Bytes written so far.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// Adds one line and returns the bytes of the file it takes: none if the disk is full, which must not stop training.
    pub fn append(&mut self, event: &Event) -> Range<u64> {
        let start = self.length;
        self.line.clear();
        if serde_json::to_writer(&mut self.line, event).is_ok() {
            self.line.push(b'\n');
            match self.file.write_all(&self.line) {
                Ok(()) => self.length += self.line.len() as u64,
                // A part of it may have been written.
                Err(_) => self.length = self.file.metadata().map_or(self.length, |metadata| metadata.len()),
            }
        }
        start..self.length
    }
}

/// The events within a range of the file's bytes, read as they are asked for.
pub struct EventRange {
    lines: Lines<BufReader<Take<File>>>,
}

impl EventRange {
    /// Opens the file at the range's start.
    pub fn open(path: &Path, bytes: Range<u64>) -> io::Result<EventRange> {
        let mut file = File::open(path)?;
        file.seek(SeekFrom::Start(bytes.start))?;
        Ok(EventRange { lines: BufReader::new(file.take(bytes.end.saturating_sub(bytes.start))).lines() })
    }
}

impl Iterator for EventRange {
    type Item = Event;

    fn next(&mut self) -> Option<Event> {
        // A line that cannot be read costs only itself; a file that cannot, the rest.
        self.lines.by_ref().map_while(Result::ok).find_map(|line| serde_json::from_str(&line).ok())
    }
}

/// All events of a file. A line that cannot be read, such as one cut off by a crash, is skipped.
pub fn read_events(path: &Path) -> io::Result<Vec<Event>> {
    let mut events = Vec::new();
    for line in BufReader::new(File::open(path)?).split(b'\n') {
        if let Ok(event) = serde_json::from_slice(&line?) {
            events.push(event);
        }
    }
    Ok(events)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::Phase;

    #[test]
    fn a_cut_off_line_costs_only_itself() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("events.jsonl");
        let mut log = EventLog::open(&path).unwrap();
        log.append(&Event::info("one"));
        log.append(&Event::Phase { phase: Phase::Training });
        std::fs::OpenOptions::new().append(true).open(&path).unwrap().write_all(b"{\"event\":\"st").unwrap();
        assert_eq!(read_events(&path).unwrap(), [Event::info("one"), Event::Phase { phase: Phase::Training }]);
    }
}
