//! Objects with whatever they hold: a JSON array, JSON lines, or parquet rows.

use std::cell::Cell;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use anyhow::{Context, Error, Result, bail};
use serde::Deserializer;
use serde::de::{SeqAccess, Visitor};
use serde_json::{Map, Value};

use super::lines::Lines;
use super::{REPORT_EVERY, parquet};
use crate::Usage;
use crate::protocol::Progress;

/// The longest object of a JSON array read, in bytes.
const LONGEST: u64 = 64 << 20;

/// One object.
pub(in crate::data) struct Object {
    /// Line in a file of lines, otherwise its number, both from 1.
    pub place: u64,
    pub fields: Map<String, Value>,
}

/// The objects of a file.
pub(in crate::data) struct Objects {
    path: PathBuf,
    form: Form,
}

enum Form {
    Array,
    Lines,
    Parquet,
}

impl Objects {
    /// Tells by the extension, and for .json by whether it begins with a bracket, how a file is written.
    pub fn open(path: &Path) -> Result<Objects> {
        let extension = path.extension().and_then(|e| e.to_str()).unwrap_or_default().to_lowercase();
        let form = match extension.as_str() {
            "jsonl" | "ndjson" => Form::Lines,
            "json" if begins_with_bracket(path)? => Form::Array,
            "json" => Form::Lines,
            "parquet" => Form::Parquet,
            _ => bail!(Usage(format!(
                "{}: the extension does not say how the file is written; expected .json, .jsonl or .parquet",
                path.display()
            ))),
        };
        Ok(Objects { path: path.to_owned(), form })
    }

    /// Hands over every object in order and reports how far the reading is.
    pub fn for_each(self, progress: &dyn Fn(Progress), mut take: impl FnMut(Object) -> Result<()>) -> Result<()> {
        let path = &self.path;
        let task = format!("reading {}", path.file_name().unwrap_or_default().to_string_lossy());
        let report = |done: u64, total: u64, unit: &str| {
            progress(Progress { task: task.clone(), done, total, unit: unit.to_owned() });
        };
        match self.form {
            Form::Lines => {
                let mut lines = Lines::open(path)?;
                let mut count = 0;
                while let Some(line) = lines.next() {
                    let line = line?;
                    let place = format!("{}:{}", path.display(), line.number);
                    let fields = serde_json::from_str(&line.text)
                        .map_err(|error| Usage(format!("{place}: not a JSON object: {error}")))?;
                    take(Object { place: line.number, fields })?;
                    count += 1;
                    if count % REPORT_EVERY == 0 {
                        report(lines.done.get(), lines.total, "bytes");
                    }
                }
                report(lines.total, lines.total, "bytes");
            }
            Form::Array => {
                let file = File::open(path).with_context(|| format!("{}: cannot open", path.display()))?;
                let total = file.metadata()?.len();
                let meter = Rc::new(Meter::default());
                let mut reader = BufReader::new(Metered { inner: file, meter: meter.clone() });
                skip_mark(&mut reader)?;
                let mut failure = None;
                let items = Items {
                    take: |place, value| {
                        meter.allowed.set(meter.read.get() + LONGEST);
                        let taken = match value {
                            Value::Object(fields) => take(Object { place, fields }),
                            _ => Err(Usage(format!("{}:{place}: not an object", path.display())).into()),
                        };
                        if place % REPORT_EVERY == 0 {
                            report(meter.read.get().min(total), total, "bytes");
                        }
                        taken.map_err(|error| failure = Some(error)).is_ok()
                    },
                };
                let mut json = serde_json::Deserializer::from_reader(reader);
                let read = json.deserialize_seq(items).and_then(|()| json.end());
                match (failure, read) {
                    (Some(failure), _) => return Err(failure),
                    (None, Err(error)) => bail!(Usage(format!("{}: {error}", path.display()))),
                    (None, Ok(())) => report(total, total, "bytes"),
                }
            }
            Form::Parquet => {
                let mut count = 0;
                parquet::objects(path, &mut |total, fields| {
                    count += 1;
                    if count % REPORT_EVERY == 0 || count == total {
                        report(count, total, "examples");
                    }
                    take(Object { place: count, fields })
                })?;
            }
        }
        Ok(())
    }
}

/// Takes the items of an array one at a time; `take` says whether to go on.
struct Items<F> {
    take: F,
}

impl<'de, F: FnMut(u64, Value) -> bool> Visitor<'de> for Items<F> {
    type Value = ();

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a list of objects")
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut items: A) -> Result<(), A::Error> {
        let mut place = 0;
        while let Some(item) = items.next_element()? {
            place += 1;
            if !(self.take)(place, item) {
                return Err(serde::de::Error::custom("stopped"));
            }
        }
        Ok(())
    }
}

/// Bytes read, and how many may be until the next object is complete.
struct Meter {
    read: Cell<u64>,
    allowed: Cell<u64>,
}

impl Default for Meter {
    fn default() -> Meter {
        Meter { read: Cell::new(0), allowed: Cell::new(LONGEST) }
    }
}

struct Metered {
    inner: File,
    meter: Rc<Meter>,
}

impl Read for Metered {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.meter.read.get() >= self.meter.allowed.get() {
            return Err(io::Error::other(format!("an object is longer than {} MiB", LONGEST >> 20)));
        }
        let read = self.inner.read(buffer)?;
        self.meter.read.set(self.meter.read.get() + read as u64);
        Ok(read)
    }
}

fn begins_with_bracket(path: &Path) -> Result<bool> {
    let unreadable = || format!("{}: cannot read", path.display());
    let mut start = Vec::new();
    let file = File::open(path).with_context(unreadable)?;
    file.take(4096).read_to_end(&mut start).with_context(unreadable)?;
    let start = start.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&start);
    Ok(start.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'['))
}

/// Goes past a byte-order mark.
fn skip_mark(reader: &mut BufReader<Metered>) -> Result<(), Error> {
    if reader.fill_buf()?.starts_with(b"\xef\xbb\xbf") {
        reader.consume(3);
    }
    Ok(())
}
