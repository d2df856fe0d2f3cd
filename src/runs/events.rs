//! `events.jsonl`: appending while a run goes, and reading back, a half-written last line included.

use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Write};
use std::path::Path;

use crate::protocol::Event;

/// The growing `events.jsonl` of a run. Each line is handed to the system whole, so a killed process loses none.
pub struct EventLog {
    file: File,
    line: Vec<u8>,
    /// The first error; a full disk must not stop training, and one message about it is enough.
    broken: Option<io::Error>,
}

impl EventLog {
    /// Opens the file for appending.
    pub fn open(path: &Path) -> io::Result<EventLog> {
        let file = OpenOptions::new().create(true).append(true).open(path)?;
        Ok(EventLog { file, line: Vec::with_capacity(512), broken: None })
    }

    /// Adds one line.
    pub fn append(&mut self, event: &Event) {
        self.line.clear();
        if serde_json::to_writer(&mut self.line, event).is_err() {
            return;
        }
        self.line.push(b'\n');
        if let Err(error) = self.file.write_all(&self.line) {
            self.broken.get_or_insert(error);
        }
    }

    /// The error that keeps lines from being written, if there was one.
    pub fn error(&self) -> Option<&io::Error> {
        self.broken.as_ref()
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
