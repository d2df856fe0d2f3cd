//! A file whose reader may only go so far for one item: parsers would otherwise hold all that follows an unclosed quote or
//! bracket in memory.

use std::cell::Cell;
use std::fs::File;
use std::io::{self, Read};
use std::rc::Rc;

/// Counts the bytes read from a file, and limits those of one item.
pub(super) struct ByteMeter {
    bytes: Cell<u64>,
    allowed: Cell<u64>,
    max_item: u64,
    message: String,
}

impl ByteMeter {
    /// `message` is the error when an item takes more than `max_item` bytes.
    pub fn new(max_item: u64, message: String) -> Rc<ByteMeter> {
        Rc::new(ByteMeter { bytes: Cell::new(0), allowed: Cell::new(max_item), max_item, message })
    }

    /// Bytes read so far.
    pub fn bytes(&self) -> u64 {
        self.bytes.get()
    }

    /// An item is complete: the limit counts from here.
    pub fn next_item(&self) {
        self.allowed.set(self.bytes.get() + self.max_item);
    }
}

/// A file that a [`ByteMeter`] watches. Reading beyond its limit is an error.
pub(super) struct MeteredFile {
    file: File,
    meter: Rc<ByteMeter>,
}

impl MeteredFile {
    pub fn new(file: File, meter: Rc<ByteMeter>) -> MeteredFile {
        MeteredFile { file, meter }
    }
}

impl Read for MeteredFile {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let meter = &self.meter;
        if meter.bytes.get() >= meter.allowed.get() {
            return Err(io::Error::other(meter.message.clone()));
        }
        let count = self.file.read(buffer)?;
        meter.bytes.set(meter.bytes.get() + count as u64);
        Ok(count)
    }
}
