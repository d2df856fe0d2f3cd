//! `events.jsonl`: appending while a run goes, cutting where it is taken up again, and reading back, a half-written last
//! line included.

use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Lines, Read, Seek, SeekFrom, Take, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};

use crate::protocol::Event;

/// The growing `events.jsonl` of a run. Each line is handed to the system whole, so a killed process loses none.
pub struct EventLog {
    path: PathBuf,
    file: File,
    /// Its length when it was opened.
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

    /// Opens the file to go on after its first `length` bytes, at the end of a line. What came later goes to the end of
    /// `set_aside`, and is on the disk there before it is cut off here.
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

    /// A second handle on the file, to wait for the disk without holding up who appends.
    pub fn handle(&self) -> io::Result<File> {
        self.file.try_clone()
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Bytes that were there before.
    pub fn opened_at(&self) -> u64 {
        self.opened_at
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
                // A part of it may have been written, which would spoil the next line too.
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

/// The events within a range of the file's bytes, read as they are asked for.
pub struct EventRange {
    lines: Lines<BufReader<Take<File>>>,
    /// The bytes that are left, from the next line on.
    left: Range<u64>,
    /// Where the line begins that was read last.
    begun: u64,
    /// Place and text of the event that came last.
    latest: (u64, String),
}

impl EventRange {
    /// Opens the file at the range's start.
    pub fn open(path: &Path, bytes: Range<u64>) -> io::Result<EventRange> {
        let mut file = File::open(path)?;
        file.seek(SeekFrom::Start(bytes.start))?;
        let lines = BufReader::new(file.take(bytes.end.saturating_sub(bytes.start))).lines();
        Ok(EventRange { lines, begun: bytes.start, latest: (bytes.start, String::new()), left: bytes })
    }

    /// The byte of the file at which the event begins that came last, and its line.
    pub fn latest(&self) -> (u64, &str) {
        (self.latest.0, &self.latest.1)
    }

    /// The byte at which the last line begins, if it does not end within the range: then the file is another than it was when
    /// the range was told.
    pub fn cut_short(&self) -> Option<u64> {
        (self.left.start > self.left.end).then_some(self.begun)
    }
}

impl Iterator for EventRange {
    type Item = Event;

    fn next(&mut self) -> Option<Event> {
        // A line that cannot be read costs only itself; a file that cannot, the rest.
        self.lines.by_ref().map_while(Result::ok).find_map(|line| {
            self.begun = self.left.start;
            self.left.start += line.len() as u64 + 1;
            let event = serde_json::from_str(&line).ok()?;
            self.latest = (self.begun, line);
            Some(event)
        })
    }
}

/// The last event of a file that can be read, looked for within the last MiB.
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

    #[test]
    fn what_is_cut_off_is_set_aside() {
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
        // A length that is no longer true, and one within a line: whole lines before it stay.
        for (length, left) in [(1 << 40, 2), (length + 3, 1), (0, 0)] {
            EventLog::cut(&path, length, &aside).unwrap();
            assert_eq!(read_events(&path).unwrap().len(), left, "{length}");
        }
    }
}
