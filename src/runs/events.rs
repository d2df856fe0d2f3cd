//! `events.jsonl`: appending during a run, cutting at a resume, and reading back, incomplete last lines included.

use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Lines, Read, Seek, SeekFrom, Take, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};

use crate::protocol::Event;

/// The growing `events.jsonl` of a run. Each line is one write, so a killed process loses none.
pub struct EventLog {
    path: PathBuf,
    file: File,
    /// Length of the file when it was opened.
    opened_at: u64,
    length: u64,
    line: Vec<u8>,
}

impl EventLog {
    /// Opens the file for appending.
    pub fn open(path: &Path) -> io::Result<EventLog> {
        let file = OpenOptions::new().create(true).append(true).open(path)?;
        let length = file.metadata()?.len();
        Ok(EventLog { path: path.to_owned(), file, opened_at: length, length, line: Vec::with_capacity(512) })
    }

    /// Opens the file for appending after its first `length` bytes, rounded down to whole lines. The rest is appended to
    /// `set_aside` and synced there before it is cut off.
    pub fn cut(path: &Path, length: u64, set_aside: &Path) -> io::Result<EventLog> {
        let mut file = OpenOptions::new().create(true).read(true).append(true).open(path)?;
        let length = end_of_line(&mut file, length)?;
        file.seek(SeekFrom::Start(length))?;
        if file.metadata()?.len() > length {
            if let Some(folder) = set_aside.parent() {
                std::fs::create_dir_all(folder)?;
            }
            let mut kept = OpenOptions::new().create(true).append(true).open(set_aside)?;
            io::copy(&mut file, &mut kept)?;
            kept.sync_all()?;
            file.set_len(length)?;
            file.sync_all()?;
        }
        Ok(EventLog { path: path.to_owned(), file, opened_at: length, length, line: Vec::with_capacity(512) })
    }

    /// A second handle on the file, to sync it without blocking writers.
    pub fn handle(&self) -> io::Result<File> {
        self.file.try_clone()
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Length of the file in bytes when it was opened.
    pub fn opened_at(&self) -> u64 {
        self.opened_at
    }

    /// Length of the file in bytes.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// Appends a line and returns its bytes in the file. The range is empty if the disk is full, which must not stop training.
    pub fn append(&mut self, event: &Event) -> Range<u64> {
        let start = self.length;
        self.line.clear();
        if serde_json::to_writer(&mut self.line, event).is_ok() {
            self.line.push(b'\n');
            match self.file.write_all(&self.line) {
                Ok(()) => self.length += self.line.len() as u64,
                // A partly written line would corrupt the next one too.
                Err(_) => {
                    if self.file.set_len(start).is_err() {
                        self.length = self.file.metadata().map_or(start, |metadata| metadata.len());
                    }
                }
            }
        }
        start..self.length
    }
}

/// Iterator over the events in a byte range of the file.
pub struct EventRange {
    lines: Lines<BufReader<Take<File>>>,
    /// The remaining bytes.
    left: Range<u64>,
    /// Position of the line that was read last.
    begun: u64,
    /// Position and line of the last event.
    latest: (u64, String),
}

impl EventRange {
    /// Opens the file at the start of the range.
    pub fn open(path: &Path, bytes: Range<u64>) -> io::Result<EventRange> {
        let mut file = File::open(path)?;
        file.seek(SeekFrom::Start(bytes.start))?;
        let lines = BufReader::new(file.take(bytes.end.saturating_sub(bytes.start))).lines();
        Ok(EventRange { lines, begun: bytes.start, latest: (bytes.start, String::new()), left: bytes })
    }

    /// Position and line of the last event.
    pub fn latest(&self) -> (u64, &str) {
        (self.latest.0, &self.latest.1)
    }

    /// Position of the last line if it does not end within the range: then the file has changed since the range was
    /// announced.
    pub fn cut_short(&self) -> Option<u64> {
        (self.left.start > self.left.end).then_some(self.begun)
    }
}

impl Iterator for EventRange {
    type Item = Event;

    fn next(&mut self) -> Option<Event> {
        // An invalid line is skipped; an error of the file ends the iteration.
        self.lines.by_ref().map_while(Result::ok).find_map(|line| {
            self.begun = self.left.start;
            self.left.start += line.len() as u64 + 1;
            let event = serde_json::from_str(&line).ok()?;
            self.latest = (self.begun, line);
            Some(event)
        })
    }
}

/// The last valid event of a file, within its last MiB.
pub fn last_event(path: &Path) -> io::Result<Option<Event>> {
    let length = path.metadata()?.len();
    Ok(EventRange::open(path, length.saturating_sub(1 << 20)..length)?.last())
}

/// The end of the last whole line within the first `length` bytes.
fn end_of_line(file: &mut File, length: u64) -> io::Result<u64> {
    let mut end = length.min(file.metadata()?.len());
    let mut byte = [0];
    while end > 0 {
        file.seek(SeekFrom::Start(end - 1))?;
        file.read_exact(&mut byte)?;
        if byte == *b"\n" {
            break;
        }
        end -= 1;
    }
    Ok(end)
}

/// All events of a file. Invalid lines, such as one cut off by a crash, are skipped.
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
    fn an_incomplete_line_is_skipped() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("events.jsonl");
        let mut log = EventLog::open(&path).unwrap();
        log.append(&Event::info("one"));
        log.append(&Event::Phase { phase: Phase::Training });
        std::fs::OpenOptions::new().append(true).open(&path).unwrap().write_all(b"{\"event\":\"st").unwrap();
        assert_eq!(read_events(&path).unwrap(), [Event::info("one"), Event::Phase { phase: Phase::Training }]);
    }

    #[test]
    fn events_that_are_cut_off_are_set_aside() {
        let folder = tempfile::tempdir().unwrap();
        let (path, aside) = (folder.path().join("events.jsonl"), folder.path().join("abandoned/events.jsonl"));
        let mut log = EventLog::open(&path).unwrap();
        log.append(&Event::info("one"));
        let length = log.length();
        log.append(&Event::info("two"));
        std::fs::OpenOptions::new().append(true).open(&path).unwrap().write_all(b"{\"event\":\"st").unwrap();
        let mut log = EventLog::cut(&path, length, &aside).unwrap();
        log.append(&Event::info("three"));
        assert_eq!(read_events(&path).unwrap(), [Event::info("one"), Event::info("three")]);
        assert_eq!(read_events(&aside).unwrap(), [Event::info("two")]);
        assert_eq!(last_event(&path).unwrap(), Some(Event::info("three")));
        // A length beyond the end, and one within a line: whole lines before it stay.
        for (length, left) in [(1 << 40, 2), (length + 3, 1), (0, 0)] {
            EventLog::cut(&path, length, &aside).unwrap();
            assert_eq!(read_events(&path).unwrap().len(), left, "{length}");
        }
    }
}
