//! A text file as UTF-8: unpacked if it is compressed, decoded by its byte-order mark, in bounded memory.

use std::cell::Cell;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use anyhow::{Context, Result};
use encoding_rs::{Encoding, UTF_8};
use encoding_rs_io::DecodeReaderBytesBuilder;
use flate2::read::MultiGzDecoder;

use super::content::{Compression, check_kind};
use super::remarks::Remarks;
use super::row_reader::ReaderState;
use crate::Usage;

/// Limit on what a compressed file unpacks to, in bytes: four times the text that may be held in memory.
const MAX_UNPACKED: u64 = 32 << 30;

const BUFFER: usize = 1 << 16;

/// An open text file. Reading it gives UTF-8, or in a file without a byte-order mark whatever bytes there are.
pub(super) struct TextFile {
    pub path: PathBuf,
    compression: Option<Compression>,
    /// The encoding that the byte-order mark names, if it is not UTF-8.
    pub encoding: Option<&'static Encoding>,
    /// Size of the file on disk, in bytes.
    total: u64,
    /// Bytes read of the file on disk.
    done: Rc<Cell<u64>>,
    reader: BufReader<Box<dyn Read>>,
}

impl TextFile {
    /// # Errors
    /// [`Usage`]: a file of another kind. Others: it cannot be opened or read.
    pub fn open(path: &Path) -> Result<TextFile> {
        let unreadable = || format!("{}: cannot read", path.display());
        let mut file = File::open(path).with_context(|| format!("{}: cannot open", path.display()))?;
        let total = file.metadata().with_context(unreadable)?.len();
        let mut magic = Vec::new();
        file.by_ref().take(4).read_to_end(&mut magic).with_context(unreadable)?;
        file.rewind().with_context(unreadable)?;

        let done = Rc::new(Cell::new(0));
        let file = Counted { reader: file, count: done.clone(), limit: u64::MAX };
        let compression = Compression::of(&magic);
        let mut unpacked: BufReader<Box<dyn Read>> = BufReader::with_capacity(
            BUFFER,
            match compression {
                None => Box::new(file),
                Some(Compression::Gzip) => limited(MultiGzDecoder::new(BufReader::new(file))),
                Some(Compression::Zstd) => limited(zstd::Decoder::new(file).with_context(unreadable)?),
            },
        );
        let head = unpacked.fill_buf().map_err(|error| unreadable_text(path, compression, error))?;
        check_kind(path, head)?;
        let encoding = Encoding::for_bom(head).map(|(encoding, _)| encoding).filter(|encoding| *encoding != UTF_8);
        let decoded = DecodeReaderBytesBuilder::new().utf8_passthru(true).strip_bom(true).build(unpacked);
        let reader = BufReader::with_capacity(BUFFER, Box::new(decoded) as Box<dyn Read>);
        Ok(TextFile { path: path.to_owned(), compression, encoding, total, done, reader })
    }

    /// How the file is stored, if not as plain UTF-8.
    pub fn storage(&self) -> Vec<String> {
        let encoding = self.encoding.map(|encoding| encoding.name().to_owned());
        encoding.into_iter().chain(self.compression.map(|kind| kind.name().to_owned())).collect()
    }

    /// The state of a reader of the file.
    pub fn state<'a>(&self, description: Vec<String>, remarks: &'a Remarks) -> ReaderState<'a> {
        ReaderState { done: self.done.get(), total: self.total, unit: "bytes", description, remarks }
    }

    /// The error that reading failed: [`Usage`] where the bytes of a compressed file are to blame.
    pub fn failed(&self, error: io::Error) -> anyhow::Error {
        unreadable_text(&self.path, self.compression, error)
    }
}

impl Read for TextFile {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.reader.read(buffer)
    }
}

impl BufRead for TextFile {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.reader.fill_buf()
    }

    fn consume(&mut self, count: usize) {
        self.reader.consume(count);
    }
}

fn unreadable_text(path: &Path, compression: Option<Compression>, error: io::Error) -> anyhow::Error {
    let path = path.display();
    match compression {
        // A compressed file that ends early was not copied in full; the libraries' own messages do not say so.
        Some(kind) if error.kind() == io::ErrorKind::UnexpectedEof => {
            Usage(format!("{path}: the {} file is incomplete; copy or download it again", kind.name())).into()
        }
        Some(kind) => Usage(format!("{path}: not a readable {} file: {error}", kind.name())).into(),
        None => anyhow::Error::new(error).context(format!("{path}: cannot read")),
    }
}

fn limited(reader: impl Read + 'static) -> Box<dyn Read> {
    Box::new(Counted { reader, count: Rc::default(), limit: MAX_UNPACKED })
}

/// Counts the bytes read, and fails beyond the limit.
struct Counted<R> {
    reader: R,
    count: Rc<Cell<u64>>,
    limit: u64,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.reader.read(buffer)?;
        self.count.set(self.count.get() + read as u64);
        if self.count.get() > self.limit {
            return Err(io::Error::other(format!("it unpacks to more than {} GiB", self.limit >> 30)));
        }
        Ok(read)
    }
}
